/* SPDX-License-Identifier: Apache-2.0 */
/* oneDNN's matmul behind three calls. Primitives are made once for a shape and kept; frozen weights
 * are kept in the layout the library likes best. */
#ifdef HAVE_DNNL
#include "kernels/cpu/cpu.h"

#include "base/mem.h"

#include <dnnl.h>
#include <string.h>

#define KEPT 1021 /* primitives kept; a prime; all are dropped when half of it is full */

struct key {
	int64_t m, n, k, lda, ldb, ldc;
	float beta;
	int32_t tb, type, out_type, bias;
	int32_t packed; /* the layout is a function of k, n and type: all layers share */
};

struct kept {
	struct key key;
	dnnl_primitive_t primitive;
	dnnl_memory_t src, weights, dst, bias;
};

struct onednn {
	dnnl_engine_t engine;
	dnnl_stream_t stream;
	struct kept v[KEPT];
	int n;
};

struct onednn_packed {
	dnnl_memory_desc_t desc;
	dnnl_memory_t memory;
	int64_t k, n;
	enum dtype t;
};

static dnnl_data_type_t type_of(enum dtype t)
{
	return t == DT_BF16 ? dnnl_bf16 : dnnl_f32;
}

/* rows x cols with leading dimension ld; transposed: the view of its transpose. */
static dnnl_memory_desc_t view(enum dtype t, int64_t rows, int64_t cols, int64_t ld,
			       bool transposed)
{
	dnnl_dims_t dims = { rows, cols }, strides = { ld, 1 };
	dnnl_memory_desc_t md;

	if (transposed) {
		strides[0] = 1;
		strides[1] = ld;
	}
	dnnl_memory_desc_init_by_strides(&md, 2, dims, type_of(t), strides);
	return md;
}

static void drop(struct kept *e)
{
	dnnl_memory_destroy(e->src);
	dnnl_memory_destroy(e->weights);
	dnnl_memory_destroy(e->dst);
	dnnl_memory_destroy(e->bias);
	dnnl_primitive_destroy(e->primitive);
	memset(e, 0, sizeof(*e));
}

/* The library's description of a product; NULL when it has none for it. */
static dnnl_primitive_desc_t describe(dnnl_engine_t engine, const dnnl_memory_desc_t *src,
				      const dnnl_memory_desc_t *weights,
				      const dnnl_memory_desc_t *bias, const dnnl_memory_desc_t *dst,
				      float beta)
{
	dnnl_primitive_attr_t attr;
	dnnl_post_ops_t post;
	dnnl_matmul_desc_t desc;
	dnnl_primitive_desc_t pd = NULL;

	dnnl_primitive_attr_create(&attr);
	if (beta != 0) {
		dnnl_post_ops_create(&post);
		dnnl_post_ops_append_sum(post, beta);
		dnnl_primitive_attr_set_post_ops(attr, post);
		dnnl_post_ops_destroy(post);
	}
	if (dnnl_matmul_desc_init(&desc, src, weights, bias, dst) != dnnl_success ||
	    dnnl_primitive_desc_create(&pd, &desc, attr, engine, NULL) != dnnl_success)
		pd = NULL;
	dnnl_primitive_attr_destroy(attr);
	return pd;
}

/* bf16 at speed needs AVX-512 BF16; from AVX-512 on, the bits do not depend on the threads. */
struct onednn *onednn_open(void)
{
	dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
	struct onednn *s;

	if (isa < dnnl_cpu_isa_avx512_core_bf16 || isa == dnnl_cpu_isa_avx2_vnni)
		return NULL;
	s = mem_new(1, sizeof(*s));
	if (dnnl_engine_create(&s->engine, dnnl_cpu, 0) != dnnl_success ||
	    dnnl_stream_create(&s->stream, s->engine, dnnl_stream_default_flags) != dnnl_success) {
		mem_free(s);
		return NULL;
	}
	return s;
}

void onednn_close(struct onednn *s)
{
	for (int i = 0; i < KEPT; i++)
		if (s->v[i].primitive)
			drop(&s->v[i]);
	dnnl_stream_destroy(s->stream);
	dnnl_engine_destroy(s->engine);
	mem_free(s);
}

static uint64_t hash_key(const struct key *k)
{
	const unsigned char *p = (const unsigned char *)k;
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < sizeof(*k); i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return h;
}

static struct kept *make(struct onednn *s, struct kept *e, const struct key *k,
			 const struct onednn_packed *packed)
{
	dnnl_memory_desc_t src = view((enum dtype)k->type, k->m, k->k, k->lda, false);
	dnnl_memory_desc_t weights =
		packed ? packed->desc : view((enum dtype)k->type, k->k, k->n, k->ldb, k->tb);
	dnnl_memory_desc_t dst = view((enum dtype)k->out_type, k->m, k->n, k->ldc, false);
	dnnl_memory_desc_t bias = view(DT_F32, 1, k->n, k->n, false);
	dnnl_primitive_desc_t pd =
		describe(s->engine, &src, &weights, k->bias ? &bias : NULL, &dst, k->beta);

	if (!pd)
		return NULL;
	if (dnnl_primitive_create(&e->primitive, pd) != dnnl_success)
		e->primitive = NULL;
	dnnl_primitive_desc_destroy(pd);
	if (!e->primitive)
		return NULL;
	e->key = *k;
	dnnl_memory_create(&e->src, &src, s->engine, DNNL_MEMORY_NONE);
	dnnl_memory_create(&e->weights, &weights, s->engine, DNNL_MEMORY_NONE);
	dnnl_memory_create(&e->dst, &dst, s->engine, DNNL_MEMORY_NONE);
	dnnl_memory_create(&e->bias, &bias, s->engine, DNNL_MEMORY_NONE);
	s->n++;
	return e;
}

static struct kept *find(struct onednn *s, const struct key *k, const struct onednn_packed *packed)
{
	size_t i = hash_key(k) % KEPT;

	for (; s->v[i].primitive; i = (i + 1) % KEPT)
		if (!memcmp(&s->v[i].key, k, sizeof(*k)))
			return &s->v[i];
	if (s->n > KEPT / 2) {
		for (int j = 0; j < KEPT; j++)
			if (s->v[j].primitive)
				drop(&s->v[j]);
		s->n = 0;
		i = hash_key(k) % KEPT;
	}
	return make(s, &s->v[i], k, packed);
}

static int run(struct onednn *s, const struct key *k, const struct onednn_packed *packed, void *a,
	       void *b, const float *bias, void *c)
{
	struct kept *e = find(s, k, packed);
	dnnl_exec_arg_t args[4];
	int n = 3;

	if (!e)
		return -1;
	dnnl_memory_set_data_handle(e->src, a);
	dnnl_memory_set_data_handle(e->weights, b);
	dnnl_memory_set_data_handle(e->dst, c);
	args[0] = (dnnl_exec_arg_t){ DNNL_ARG_SRC, e->src };
	args[1] = (dnnl_exec_arg_t){ DNNL_ARG_WEIGHTS, e->weights };
	args[2] = (dnnl_exec_arg_t){ DNNL_ARG_DST, e->dst };
	if (bias) {
		dnnl_memory_set_data_handle(e->bias, (void *)bias);
		args[n++] = (dnnl_exec_arg_t){ DNNL_ARG_BIAS, e->bias };
	}
	if (dnnl_primitive_execute(e->primitive, s->stream, n, args) != dnnl_success)
		return -1;
	return dnnl_stream_wait(s->stream) == dnnl_success ? 0 : -1;
}

int onednn_gemm(struct onednn *s, struct mat c, struct mat a, struct mat b, bool tb, float beta)
{
	struct key k;

	memset(&k, 0, sizeof(k)); /* the key is compared as bytes */
	k.m = c.rows;
	k.n = c.cols;
	k.k = a.cols;
	k.lda = a.ld;
	k.ldb = b.ld;
	k.ldc = c.ld;
	k.beta = beta;
	k.tb = tb;
	k.type = a.t;
	k.out_type = c.t;
	return run(s, &k, NULL, a.p, b.p, NULL, c.p);
}

struct onednn_packed *onednn_pack(struct onednn *s, struct mat w, bool transposed, struct err *err)
{
	struct onednn_packed *p = mem_new(1, sizeof(*p));
	dnnl_memory_desc_t plain, any, src, dst;
	dnnl_primitive_desc_t pd, reorder_pd;
	dnnl_primitive_t reorder;
	dnnl_memory_t from;
	dnnl_exec_arg_t args[2];
	dnnl_status_t status;

	p->k = transposed ? w.cols : w.rows;
	p->n = transposed ? w.rows : w.cols;
	p->t = w.t;
	plain = view(w.t, p->k, p->n, w.ld, transposed);
	dnnl_memory_desc_init_by_tag(&any, 2, (dnnl_dims_t){ p->k, p->n }, type_of(w.t),
				     dnnl_format_tag_any);
	src = view(w.t, 512, p->k, p->k, false); /* the layout does not depend on the rows */
	dst = view(DT_F32, 512, p->n, p->n, false);
	pd = describe(s->engine, &src, &any, NULL, &dst, 0);
	p->desc = pd ? *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0) : plain;
	dnnl_primitive_desc_destroy(pd);
	status = dnnl_memory_create(&p->memory, &p->desc, s->engine, DNNL_MEMORY_ALLOCATE);
	if (status != dnnl_success) {
		err_set(err, "out of memory: a weight of %.1f MB cannot be had",
			(double)dnnl_memory_desc_get_size(&p->desc) / 1e6);
		mem_free(p);
		return NULL;
	}
	dnnl_memory_create(&from, &plain, s->engine, w.p);
	dnnl_reorder_primitive_desc_create(&reorder_pd, &plain, s->engine, &p->desc, s->engine,
					   NULL);
	dnnl_primitive_create(&reorder, reorder_pd);
	args[0] = (dnnl_exec_arg_t){ DNNL_ARG_FROM, from };
	args[1] = (dnnl_exec_arg_t){ DNNL_ARG_TO, p->memory };
	dnnl_primitive_execute(reorder, s->stream, 2, args);
	dnnl_stream_wait(s->stream);
	dnnl_primitive_destroy(reorder);
	dnnl_primitive_desc_destroy(reorder_pd);
	dnnl_memory_destroy(from);
	return p;
}

void onednn_packed_free(struct onednn_packed *p)
{
	if (p)
		dnnl_memory_destroy(p->memory);
	mem_free(p);
}

int onednn_gemm_packed(struct onednn *s, struct mat c, struct mat a, const struct onednn_packed *p,
		       const float *bias, float beta)
{
	struct key k;
	void *weights;

	memset(&k, 0, sizeof(k));
	k.m = c.rows;
	k.n = p->n;
	k.k = p->k;
	k.lda = a.ld;
	k.ldc = c.ld;
	k.beta = beta;
	k.type = p->t;
	k.out_type = c.t;
	k.bias = bias != NULL;
	k.packed = 1;
	dnnl_memory_get_data_handle(p->memory, &weights);
	return run(s, &k, p, a.p, weights, bias, c.p);
}
#else
typedef int onednn_is_not_here;
#endif
