/* SPDX-License-Identifier: Apache-2.0 */
/* Which way a product goes: through oneDNN where it multiplies bf16 at speed, else through ours. */
#include "kernels/cpu/product.h"

#include "base/mem.h"

#include <omp.h>
#include <string.h>

struct weight {
	struct stack b; /* as it is stored; empty where the library has layouts of its own */
	bool lent, once; /* once: for products forward only, read as it is stored */
	struct onednn_packed *fwd, *bwd;
};

/* Products of fewer multiplications than this stay on one thread. */
#define WORTH_THREADS (1 << 18)

/* m without gaps as fp32; itself when it is. */
static struct mat fp32(struct cpu *c, struct mat m)
{
	struct mat f;

	if (m.t == DT_F32)
		return m;
	f = mat_view(cpu_scratch(c, SCRATCH_A, (size_t)(m.rows * m.cols) * 4), DT_F32, m.rows,
		     m.cols);
	cpu_cast(&c->dev, f, m);
	return f;
}

/* C = alpha op(A) op(B) + beta C + bias by our own loops. */
static void own(struct cpu *c, struct product p, bool dot)
{
	int64_t inner = p.ta ? p.a.rows : p.a.cols;
	int threads = p.c.rows * p.c.cols * inner > WORTH_THREADS ? c->threads : 1;

	p.a = fp32(c, p.a);
	(dot ? dot_product : tile_product)(&p, c->isa, threads, cpu_rooms(c));
}

#ifdef HAVE_DNNL
/* The parts as one matrix without gaps. */
static struct mat joined(struct cpu *c, const struct mat *parts, int n)
{
	int64_t rows = 0, at = 0;
	struct mat all;

	if (n == 1 && parts->ld == parts->cols)
		return *parts;
	for (int i = 0; i < n; i++)
		rows += parts[i].rows;
	all = mat_view(cpu_scratch(c, SCRATCH_A, (size_t)(rows * parts->cols) * 2), DT_BF16, rows,
		       parts->cols);
	for (int i = 0; i < n; at += parts[i++].rows)
		cpu_cast(&c->dev, mat_rows(all, at, parts[i].rows), parts[i]);
	return all;
}

static int pack(struct cpu *c, struct weight *w, const struct mat *parts, int n, unsigned use,
		struct err *err)
{
	struct mat all = joined(c, parts, n);

	if (use & WEIGHT_FWD && !(w->fwd = onednn_pack(c->library, all, true, err)))
		return -1;
	if (use & WEIGHT_BWD && !(w->bwd = onednn_pack(c->library, all, false, err)))
		return -1;
	return 0;
}
#endif

/* The library takes products of bf16; blocks and fp32 are multiplied as they are. */
static bool library_takes(const struct cpu *c, const struct mat *parts, int n)
{
	bool all = c->library != NULL;

	for (int i = 0; i < n; i++)
		all = all && parts[i].t == DT_BF16;
	return all;
}

/* A copy without gaps. */
static int copy_part(struct cpu *c, struct mat *to, struct mat m, struct err *err)
{
	size_t row, from;

	dtype_bytes(m.t, (uint64_t)m.cols, &row);
	dtype_bytes(m.t, (uint64_t)m.ld, &from);
	*to = mat_view(host_alloc(&c->dev, (size_t)m.rows * row, err), m.t, m.rows, m.cols);
	for (int64_t i = 0; to->p && i < m.rows; i++)
		memcpy((char *)to->p + (size_t)i * row, (char *)m.p + (size_t)i * from, row);
	return to->p ? 0 : -1;
}

static int keep(struct cpu *c, struct weight *w, const struct mat *parts, int n, struct err *err)
{
	for (int i = 0; i < n; i++) {
		w->b.rows += parts[i].rows;
		w->b.cols = parts[i].cols;
		w->b.part[w->b.n++] = parts[i];
		if (!w->lent && copy_part(c, &w->b.part[i], parts[i], err) < 0)
			return -1;
	}
	return 0;
}

struct weight *cpu_weight_new(struct dev *d, const struct mat *parts, int n, unsigned use,
			      struct err *err)
{
	struct cpu *c = (struct cpu *)d;
	struct weight *w = mem_new(1, sizeof(*w));
	int rc;

	w->lent = use & WEIGHT_LENT;
	w->once = !(use & WEIGHT_BWD);
#ifdef HAVE_DNNL
	if (library_takes(c, parts, n))
		rc = pack(c, w, parts, n, use, err);
	else
#endif
		rc = keep(c, w, parts, n, err);
	if (rc == 0)
		return w;
	cpu_weight_free(d, w);
	return NULL;
}

void cpu_weight_free(struct dev *d, struct weight *w)
{
	if (!w)
		return;
	for (int i = 0; i < w->b.n && !w->lent; i++)
		host_free(d, w->b.part[i].p);
#ifdef HAVE_DNNL
	onednn_packed_free(w->fwd);
	onednn_packed_free(w->bwd);
#endif
	mem_free(w);
}

size_t cpu_weight_bytes(struct dev *d, enum dtype t, int64_t rows, int64_t cols, unsigned use)
{
	struct mat m = { NULL, t, rows, cols, cols };
	size_t bytes = 0;

	dtype_bytes(t, (uint64_t)(rows * cols), &bytes);
	if (library_takes((struct cpu *)d, &m, 1))
		return bytes * ((use & WEIGHT_FWD ? 1u : 0) + (use & WEIGHT_BWD ? 1u : 0));
	return use & WEIGHT_LENT ? 0 : bytes;
}

#ifdef HAVE_DNNL
/* m itself when it is of type t and without gaps, else a copy of it that is. */
static struct mat dense(struct cpu *c, enum cpu_scratch which, struct mat m, enum dtype t)
{
	struct mat f;

	if (m.t == t && m.ld == m.cols)
		return m;
	f = mat_view(cpu_scratch(c, which, (size_t)(m.rows * m.cols) * mat_elem(t)), t, m.rows,
		     m.cols);
	cpu_cast(&c->dev, f, m);
	return f;
}

/* One product with a packed weight. With gaps between the rows of x or y the library falls back to
 * its reference loops, a thousand times slower: such views go through scratch. */
static void packed(struct cpu *c, struct mat y, struct mat x, const struct onednn_packed *p,
		   const float *bias, bool add)
{
	struct mat to = dense(c, SCRATCH_B, y, y.t);

	x = dense(c, SCRATCH_A, x, DT_BF16);
	if (onednn_gemm_packed(c->library, to, x, p, bias, add) < 0)
		mem_new(SIZE_MAX, 1); /* only out of memory is left as a reason */
	if (to.p != y.p)
		cpu_cast(&c->dev, y, to);
}
#endif

void cpu_linear(struct dev *d, struct mat y, struct mat x, const struct weight *w,
		const float *bias, bool add)
{
	struct cpu *c = (struct cpu *)d;

#ifdef HAVE_DNNL
	if (w->fwd) {
		packed(c, y, x, w->fwd, bias, add);
		return;
	}
#endif
	own(c, (struct product){ y, x, w->b, 1, add, bias, false, true }, w->once);
}

void cpu_linear_bwd(struct dev *d, struct mat dx, struct mat dy, const struct weight *w)
{
	struct cpu *c = (struct cpu *)d;

#ifdef HAVE_DNNL
	if (w->bwd) {
		packed(c, dx, dy, w->bwd, NULL, false);
		return;
	}
#endif
	own(c, (struct product){ dx, dy, w->b, 1, 0, NULL, false, false }, false);
}

#ifdef HAVE_DNNL
#define STRIP 32 /* a cache line of bf16 */

/* a^T without gaps: the library is slow at transposed left sides, and those here are skinny. */
static struct mat transposed(struct cpu *c, struct mat a)
{
	const uint16_t *from = a.p;
	uint16_t *to = cpu_scratch(c, SCRATCH_C, (size_t)(a.rows * a.cols) * sizeof(*to));

#pragma omp parallel for if (a.rows * a.cols > PARALLEL_FROM)
	for (int64_t at = 0; at < a.rows; at += STRIP) {
		int64_t end = at + STRIP < a.rows ? at + STRIP : a.rows;

		for (int64_t j = 0; j < a.cols; j++)
			for (int64_t i = at; i < end; i++)
				to[j * a.rows + i] = from[i * a.ld + j];
	}
	return mat_view(to, DT_BF16, a.cols, a.rows);
}

/* c = alpha x + beta c, rounded once. x is fp32. */
static void scale_into(struct mat c, struct mat x, float alpha, float beta)
{
#pragma omp parallel for if (c.rows * c.cols > PARALLEL_FROM)
	for (int64_t i = 0; i < c.rows; i++)
		for (int64_t j = 0; j < c.cols; j++)
			elem_set(c, i, j,
				 alpha * elem_get(x, i, j) +
					 (beta != 0 ? beta * elem_get(c, i, j) : 0));
}

/* The library multiplies plain matrices with AMX ten times slower when the result is scaled, or is bf16
 * with gaps between its rows; it adds to a result at two thirds of the speed when a has gaps. */
static int library_gemm(struct cpu *cpu, struct mat c, struct mat a, bool ta, struct mat b, bool tb,
			float alpha, float beta)
{
	bool direct = alpha == 1 && (c.t == DT_F32 || c.ld == c.cols);
	struct mat to = c;

	if (!direct)
		to = mat_view(cpu_scratch(cpu, SCRATCH_B,
					  (size_t)(c.rows * c.cols) * sizeof(float)),
			      DT_F32, c.rows, c.cols);
	if (ta)
		a = transposed(cpu, a);
	else if (beta != 0)
		a = dense(cpu, SCRATCH_C, a, DT_BF16);
	if (onednn_gemm(cpu->library, to, a, b, tb, direct ? beta : 0) < 0)
		return -1;
	if (!direct)
		scale_into(c, to, alpha, beta);
	return 0;
}
#endif

void cpu_gemm(struct dev *d, struct mat c, struct mat a, bool ta, struct mat b, bool tb,
	      float alpha, float beta)
{
	struct cpu *cpu = (struct cpu *)d;

#ifdef HAVE_DNNL
	if (library_takes(cpu, &b, 1) && library_gemm(cpu, c, a, ta, b, tb, alpha, beta) == 0)
		return;
#endif
	own(cpu, (struct product){ c, a, stack_of(b), alpha, beta, NULL, ta, tb }, false);
}

/* The library's products on AVX-512 add up in another order where 1 to 3 of 6 rows are left over of 64. */
int cpu_steady_rows(struct dev *d, int n)
{
	const struct cpu *c = (const struct cpu *)d;

	while (c->library && n % 64 % 6 >= 1 && n % 64 % 6 <= 3)
		n++;
	return n;
}

void cpu_sgemm(const struct cpu *c, bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha,
	       const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *out,
	       int64_t ldc)
{
	struct mat ma = { (void *)a, DT_F32, ta ? k : m, ta ? m : k, lda };
	struct mat mb = { (void *)b, DT_F32, tb ? n : k, tb ? k : n, ldb };
	struct product p = {
		{ out, DT_F32, m, n, ldc }, ma, stack_of(mb), alpha, beta, NULL, ta, tb
	};
	float *room = (float *)c->scratch[SCRATCH_ROOMS] + omp_get_thread_num() * ROOM;

	tile_product(&p, c->isa, 1, room);
}
