/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Elements of a matrix that are read at a time: what loading takes beside the weights stays small. */
#define PIECE ((int64_t)1 << 20)

/* What loading needs at hand: staging buffers that grow to the largest piece. */
struct loader {
	struct model *m;
	const struct source *src;
	const struct weight_hook *hook;
	void *raw; /* device: the file's bytes of one tensor */
	float *wide; /* device: the same as fp32 */
	void *stacked; /* device: matrices before they are prepared; kept, or its holes would add up */
	size_t raw_bytes, wide_bytes, stacked_bytes;
	bool stored; /* blocks stay as they are */
	struct err *err;
};

/* A buffer of at least so many bytes; its content is lost when it grows. */
static bool reserve(struct loader *l, void **p, size_t *has, size_t bytes)
{
	const struct ops *op = l->m->dev->ops;

	if (bytes > *has) {
		op->free(l->m->dev, *p);
		*p = op->alloc(l->m->dev, bytes, l->err);
		*has = *p ? bytes : 0;
	}
	return *p != NULL;
}

static int reserve_piece(struct loader *l, size_t raw_bytes, size_t elems)
{
	void *wide = l->wide;
	bool ok = reserve(l, &l->raw, &l->raw_bytes, raw_bytes) &&
		  reserve(l, &wide, &l->wide_bytes, elems * sizeof(float));

	l->wide = wide;
	return ok ? 0 : -1;
}

/* Rows of a matrix that are read at a time: all, where a hook has to see it whole. */
static int64_t piece_rows(int64_t rows, int64_t cols, bool whole)
{
	int64_t n = PIECE / cols > 1 ? PIECE / cols : 1;

	return whole || n > rows ? rows : n;
}

/* dst (rows, cols) on the device = tensor `name`, with adapters merged by the hook. */
static int fetch(struct loader *l, const char *name, struct mat dst)
{
	struct dev *d = l->m->dev;
	bool hooked = l->hook && dst.rows > 1 && !strncmp(name, "model.layers.", 13);
	int64_t most = piece_rows(dst.rows, dst.cols, hooked);
	struct source_tensor t;
	size_t row;
	int rc;

	if (source_get(l->src, name, dst.rows, dst.cols, &t, l->err) < 0)
		return -1;
	rc = dtype_bytes(t.type, (uint64_t)t.cols, &row)
		     ? reserve_piece(l, row * (size_t)most, (size_t)(most * t.cols))
		     : err_set(l->err, "tensor '%s' has rows of no whole blocks", name);
	for (int64_t i = 0; rc == 0 && i < dst.rows; i += most) {
		int64_t n = dst.rows - i < most ? dst.rows - i : most;
		struct mat wide = mat_view(l->wide, DT_F32, n, dst.cols);
		const char *data = (const char *)t.data + (size_t)i * row;

		d->ops->upload(d, l->raw, data, (size_t)n * row);
		if (!t.owned)
			source_forget(l->src, data, (size_t)n * row);
		d->ops->dequant(d, wide, l->raw, t.type);
		if (hooked)
			rc = l->hook->apply(l->hook->arg, d, name, wide, l->err);
		d->ops->cast(d, mat_rows(dst, i, n), wide);
	}
	source_tensor_free(&t);
	return rc;
}

static float *vector(struct loader *l, const char *name, int n)
{
	struct dev *d = l->m->dev;
	float *v = d->ops->alloc(d, (size_t)n * sizeof(float), l->err);

	if (v && fetch(l, name, mat_view(v, DT_F32, 1, n)) < 0) {
		d->ops->free(d, v);
		return NULL;
	}
	return v;
}

static size_t matrix_bytes(const struct mat *m)
{
	size_t bytes = 0;

	dtype_bytes(m->t, (uint64_t)(m->rows * m->cols), &bytes);
	return bytes;
}

static size_t aligned(size_t bytes)
{
	return (bytes + 63) / 64 * 64;
}

/* A matrix as the file stores it, or in the activations' type: m->t. p NULL: memory of its own. */
static int fetch_matrix(struct loader *l, const char *name, struct mat *m)
{
	struct dev *d = l->m->dev;
	struct source_tensor t;
	bool stored;

	if (source_get(l->src, name, m->rows, m->cols, &t, l->err) < 0)
		return -1;
	stored = l->stored && dtype_info[t.type].block_elems > 1;
	m->t = stored ? t.type : l->m->act;
	if (!m->p)
		m->p = d->ops->alloc(d, matrix_bytes(m), l->err);
	if (stored && m->p) {
		d->ops->upload(d, m->p, t.data, matrix_bytes(m));
		if (!t.owned)
			source_forget(l->src, t.data, matrix_bytes(m));
	}
	source_tensor_free(&t);
	if (!m->p)
		return -1;
	return stored ? 0 : fetch(l, name, *m);
}

/* Several matrices of one layer with the same input, one below the other, prepared as one. */
static struct weight *stack(struct loader *l, int layer, const char *const *names, const int *rows,
			    int n, int cols, unsigned use)
{
	struct dev *d = l->m->dev;
	struct mat parts[3];
	size_t at = 0;
	char name[160];

	for (int i = 0; i < n; i++) /* blocks take less than the activations' type */
		at += aligned((size_t)rows[i] * (size_t)cols * mat_elem(l->m->act));
	if (!reserve(l, &l->stacked, &l->stacked_bytes, at))
		return NULL;
	at = 0;
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "model.layers.%d.%s.weight", layer, names[i]);
		parts[i] = mat_view((char *)l->stacked + at, DT_COUNT, rows[i], cols);
		if (fetch_matrix(l, name, &parts[i]) < 0)
			return NULL;
		at += aligned(matrix_bytes(&parts[i]));
	}
	return d->ops->weight_new(d, parts, n, use, l->err);
}

static float *biases(struct loader *l, int layer, const char *const *parts, const int *rows, int n)
{
	struct dev *d = l->m->dev;
	int total = 0, at = 0;
	char name[160];
	float *v;

	for (int i = 0; i < n; i++)
		total += rows[i];
	v = d->ops->alloc(d, (size_t)total * sizeof(float), l->err);
	for (int i = 0; v && i < n; i++) {
		snprintf(name, sizeof(name), "model.layers.%d.%s.bias", layer, parts[i]);
		if (fetch(l, name, mat_view(v + at, DT_F32, 1, rows[i])) < 0) {
			d->ops->free(d, v);
			v = NULL;
		}
		at += rows[i];
	}
	return v;
}

static float *norm(struct loader *l, int layer, const char *part, int n)
{
	char name[160];

	snprintf(name, sizeof(name), "model.layers.%d.%s.weight", layer, part);
	return vector(l, name, n);
}

static int load_norms(struct loader *l, int i)
{
	const struct arch *a = &l->m->arch;
	struct layer *y = &l->m->layers[i];

	if (!(y->attn_norm = norm(l, i, "input_layernorm", a->hidden)) ||
	    !(y->ffn_norm = norm(l, i, "post_attention_layernorm", a->hidden)))
		return -1;
	if (!a->qk_norm)
		return 0;
	y->q_norm = norm(l, i, "self_attn.q_norm", a->head_size);
	y->k_norm = y->q_norm ? norm(l, i, "self_attn.k_norm", a->head_size) : NULL;
	return y->k_norm ? 0 : -1;
}

static int load_layer(struct loader *l, int i, unsigned use)
{
	static const char *const qkv[] = { "self_attn.q_proj", "self_attn.k_proj",
					   "self_attn.v_proj" };
	static const char *const gate_up[] = { "mlp.gate_proj", "mlp.up_proj" };
	static const char *const o[] = { "self_attn.o_proj" }, *const down[] = { "mlp.down_proj" };
	const struct arch *a = &l->m->arch;
	struct layer *y = &l->m->layers[i];
	int q = a->n_heads * a->head_size, kv = a->n_kv_heads * a->head_size;

	if (load_norms(l, i) < 0 ||
	    !(y->qkv = stack(l, i, qkv, (int[]){ q, kv, kv }, 3, a->hidden, use)) ||
	    !(y->o = stack(l, i, o, &a->hidden, 1, q, use)) ||
	    !(y->gate_up = stack(l, i, gate_up, (int[]){ a->ffn, a->ffn }, 2, a->hidden, use)) ||
	    !(y->down = stack(l, i, down, &a->hidden, 1, a->ffn, use)))
		return -1;
	if (a->qkv_bias && !(y->qkv_bias = biases(l, i, qkv, (int[]){ q, kv, kv }, 3)))
		return -1;
	if (a->o_bias && !(y->o_bias = biases(l, i, o, &a->hidden, 1)))
		return -1;
	if (!a->mlp_bias)
		return 0;
	y->gate_up_bias = biases(l, i, gate_up, (int[]){ a->ffn, a->ffn }, 2);
	y->down_bias = y->gate_up_bias ? biases(l, i, down, &a->hidden, 1) : NULL;
	return y->down_bias ? 0 : -1;
}

/* The embedding as a table, and the head (the same matrix when tied) prepared for products. */
static int load_ends(struct loader *l, unsigned use)
{
	struct model *m = l->m;
	struct dev *d = m->dev;
	const struct arch *a = &m->arch;
	struct mat head = mat_view(NULL, DT_COUNT, a->vocab, a->hidden);

	m->embed = head;
	if (fetch_matrix(l, "model.embed_tokens.weight", &m->embed) < 0 ||
	    !(m->norm = vector(l, "model.norm.weight", a->hidden)))
		return -1;
	if (a->tied) {
		m->head = d->ops->weight_new(d, &m->embed, 1, use | WEIGHT_LENT, l->err);
	} else if (fetch_matrix(l, "lm_head.weight", &head) == 0) {
		m->head = d->ops->weight_new(d, &head, 1, use, l->err);
		d->ops->free(d, head.p);
	}
	return m->head ? 0 : -1;
}

/* cos and sin of every position's angles, taken in fp32 as transformers does. */
static int rope_tables(struct model *m, struct err *err)
{
	struct dev *d = m->dev;
	const struct arch *a = &m->arch;
	int half = a->head_size / 2;
	size_t n = (size_t)m->n_positions * (size_t)half;
	float *c = mem_try(n, sizeof(*c)), *s = mem_try(n, sizeof(*s));
	float freq[ROPE_MAX_HEAD / 2], factor;
	int rc = -1;

	factor = rope_frequencies(&a->rope, a->head_size, a->max_positions, m->n_positions, freq);
	m->cos_table = d->ops->alloc(d, n * sizeof(float), err);
	m->sin_table = m->cos_table ? d->ops->alloc(d, n * sizeof(float), err) : NULL;
	if (!c || !s) {
		err_set(err, "out of memory: rotary tables of %d positions", m->n_positions);
	} else if (m->sin_table) {
		for (size_t i = 0; i < n; i++) {
			float angle = (float)(i / (size_t)half) * freq[i % (size_t)half];

			c[i] = (float)cos((double)angle) * factor;
			s[i] = (float)sin((double)angle) * factor;
		}
		d->ops->upload(d, m->cos_table, c, n * sizeof(float));
		d->ops->upload(d, m->sin_table, s, n * sizeof(float));
		rc = 0;
	}
	mem_free(c);
	mem_free(s);
	return rc;
}

int model_positions(const struct arch *a, int asked)
{
	int all = rope_context(&a->rope, a->max_positions);

	if (!asked)
		asked = a->rope.type == ROPE_DYNAMIC && a->max_positions < 8192 ? a->max_positions
										: 8192;
	return asked < all ? asked : all;
}

void model_describe(struct model *m, struct dev *dev, const struct source *src,
		    const struct model_options *o)
{
	memset(m, 0, sizeof(*m));
	m->dev = dev;
	m->arch = src->arch;
	m->act = o->act != DT_COUNT ? o->act : src->arch.dtype == DT_F32 ? DT_F32 : DT_BF16;
	m->n_positions = model_positions(&m->arch, o->n_positions);
}

int model_open(struct model *m, struct dev *dev, const struct source *src,
	       const struct model_options *o, struct err *err)
{
	unsigned use = WEIGHT_FWD | (o->train ? WEIGHT_BWD : 0);
	struct loader l = {
		.m = m, .src = src, .hook = o->hook, .stored = o->stored && !o->hook, .err = err
	};
	int rc;

	model_describe(m, dev, src, o);
	m->layers = mem_new((size_t)m->arch.n_layers, sizeof(*m->layers));
	rc = load_ends(&l, use);
	for (int i = 0; rc == 0 && i < m->arch.n_layers; i++)
		rc = load_layer(&l, i, use);
	if (rc == 0)
		rc = rope_tables(m, err);
	dev->ops->free(dev, l.raw);
	dev->ops->free(dev, l.wide);
	dev->ops->free(dev, l.stacked);
	if (rc < 0)
		model_close(m);
	return rc;
}

void model_close(struct model *m)
{
	struct dev *d = m->dev;

	if (!d)
		return;
	for (int i = 0; m->layers && i < m->arch.n_layers; i++) {
		struct layer *y = &m->layers[i];
		float *vectors[] = { y->attn_norm, y->ffn_norm, y->q_norm,       y->k_norm,
				     y->qkv_bias,  y->o_bias,   y->gate_up_bias, y->down_bias };

		for (size_t v = 0; v < sizeof(vectors) / sizeof(*vectors); v++)
			d->ops->free(d, vectors[v]);
		d->ops->weight_free(d, y->qkv);
		d->ops->weight_free(d, y->o);
		d->ops->weight_free(d, y->gate_up);
		d->ops->weight_free(d, y->down);
	}
	d->ops->weight_free(d, m->head);
	d->ops->free(d, m->embed.p);
	d->ops->free(d, m->norm);
	d->ops->free(d, m->cos_table);
	d->ops->free(d, m->sin_table);
	mem_free(m->layers);
	memset(m, 0, sizeof(*m));
}

/* Norms and biases of a layer, in floats. */
static size_t norm_floats(const struct arch *a)
{
	return 2 * (size_t)a->hidden + (a->qk_norm ? 2 * (size_t)a->head_size : 0);
}

static size_t bias_floats(const struct arch *a)
{
	int qkv = (a->n_heads + 2 * a->n_kv_heads) * a->head_size;

	return (size_t)((a->qkv_bias ? qkv : 0) + (a->o_bias ? a->hidden : 0) +
			(a->mlp_bias ? 2 * a->ffn + a->hidden : 0));
}

void model_parts(const struct model *m, bool train, struct model_part parts[MODEL_PARTS],
		 size_t *staging)
{
	const struct arch *a = &m->arch;
	const struct ops *op = m->dev->ops;
	unsigned use = WEIGHT_FWD | (train ? WEIGHT_BWD : 0);
	size_t layers = (size_t)a->n_layers, e = mat_elem(m->act), d = (size_t)a->hidden;
	size_t widest = 2 * (size_t)a->ffn * d * e, most = (size_t)a->vocab * d;
	int q = a->n_heads * a->head_size, qkv = q + 2 * a->n_kv_heads * a->head_size;
	const struct model_part all[MODEL_PARTS] = {
		{ "embedding", (size_t)a->vocab * d * e },
		{ "head", op->weight_bytes(m->dev, m->act, a->vocab, a->hidden,
					   use | (a->tied ? WEIGHT_LENT : 0)) },
		{ "qkv", layers * op->weight_bytes(m->dev, m->act, qkv, a->hidden, use) },
		{ "o", layers * op->weight_bytes(m->dev, m->act, a->hidden, q, use) },
		{ "gate_up",
		  layers * op->weight_bytes(m->dev, m->act, 2 * a->ffn, a->hidden, use) },
		{ "down", layers * op->weight_bytes(m->dev, m->act, a->hidden, a->ffn, use) },
		{ "norms", (layers * norm_floats(a) + d) * sizeof(float) },
		{ "biases", layers * bias_floats(a) * sizeof(float) },
		{ "rotary tables", (size_t)(m->n_positions * a->head_size) * sizeof(float) },
	};

	memcpy(parts, all, sizeof(all));
	/* A layer's stacked matrices before they are prepared, and a piece of the file, raw and wide. */
	*staging = widest + 2 * (most < PIECE ? most : PIECE) * sizeof(float);
}
