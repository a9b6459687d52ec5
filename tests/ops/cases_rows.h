/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of the ops that move rows, normalise, rotate and fold them. Shape: rows, columns. */
#ifndef TESTS_OPS_CASES_ROWS_H
#define TESTS_OPS_CASES_ROWS_H

#include "tests/ops/check.h"

/* Around the widths of vectors, and one above the size from which threads are used. */
static bool shapes_rows(int i, int64_t *s)
{
	static const int64_t all[][2] = {
		{ 1, 1 },   { 1, 7 },   { 7, 8 },   { 8, 9 },   { 9, 15 },    { 15, 16 },
		{ 16, 17 }, { 17, 63 }, { 63, 64 }, { 64, 65 }, { 200, 200 }, { 3, 6000 },
	};

	if (i >= (int)(sizeof(all) / sizeof(*all)))
		return false;
	s[0] = all[i][0];
	s[1] = all[i][1];
	return true;
}

static void case_copy(struct rig *r)
{
	size_t n = (size_t)(r->s[0] * r->s[1]);
	float *x = rig_floats(r, "x", (int64_t)n, -1, 1);
	float *y = rig_out_floats(r, "y", (int64_t)n, 1);

	r->bytes_moved = 8 * (double)n;
	RIG_CALL(r)
	r->ops->copy(r->d, y, x, n * sizeof(float));
}

static void case_zero(struct rig *r)
{
	size_t n = (size_t)(r->s[0] * r->s[1]);
	float *y = rig_out_floats(r, "y", (int64_t)n, 1);

	r->bytes_moved = 4 * (double)n;
	RIG_CALL(r)
	r->ops->zero(r->d, y, n * sizeof(float));
}

/* Any bits: ties, denormal and infinite numbers, NaN (quiet ones: loads may quieten). */
static void case_cast(struct rig *r)
{
	enum dtype to = r->t == DT_BF16 || !r->wide ? DT_BF16 : DT_F32;
	struct slot *s = rig_slot(r, "src", IN, r->t, r->s[0], r->s[1], true);
	struct mat src, dst;

	for (int64_t i = 0; i < s->rows; i++) {
		for (int64_t j = 0; j < s->cols; j++) {
			uint32_t u = (uint32_t)rig_bits(r), kind = (uint32_t)(rig_bits(r) % 4);
			float x;

			u = kind == 0 ? (u & 0xffff0000u) | 0x8000 : u; /* a tie */
			u = (u & 0x7fffffffu) > 0x7f800000u ? u | 0x400000u : u;
			memcpy(&x, &u, 4);
			rig_put(s, i, j, r->extreme ? x : rig_uniform(r));
		}
	}
	src = rig_send(r, s);
	if (r->t == DT_BF16 && r->wide)
		to = DT_F32;
	dst = rig_out(r, "dst", to, r->s[0], r->s[1], 1);
	r->bytes_moved = (double)(r->s[0] * r->s[1]) * (double)(mat_elem(r->t) + mat_elem(to));
	RIG_CALL(r)
	r->ops->cast(r->d, dst, src);
}

static void case_embed(struct rig *r)
{
	int64_t n = r->s[0], width = r->s[1], vocab = r->bench ? r->s[2] : n / 2 + 1;
	struct mat table = rig_in(r, "table", r->t, vocab, width);
	struct mat y = rig_out(r, "y", DT_F32, n, width, 1);
	int32_t *ids = rig_ids(r, "ids", n, vocab);

	r->bytes_moved = (double)(n * width) * (double)(4 + mat_elem(r->t));
	RIG_CALL(r)
	r->ops->embed(r->d, y, table, ids);
}

static void case_gather(struct rig *r)
{
	int64_t n = r->s[0], width = r->s[1], from = n + 3;
	struct mat x = rig_in(r, "x", DT_F32, from, width);
	struct mat y = rig_out(r, "y", DT_F32, n, width, 1);
	int32_t *rows = rig_ids(r, "rows", n, from);

	r->bytes_moved = 8 * (double)(n * width);
	RIG_CALL(r)
	r->ops->gather(r->d, y, x, rows);
}

/* Few rows to add to, so that they repeat and the order shows. */
static void case_scatter_add(struct rig *r)
{
	int64_t n = r->s[0], width = r->s[1], to = n / 3 + 1;
	struct mat x = rig_in(r, "x", DT_F32, n, width);
	struct mat y = rig_inout(r, "y", DT_F32, to, width, 1);
	int32_t *rows = rig_ids(r, "rows", n, to);

	r->bytes_moved = 12 * (double)(n * width);
	RIG_CALL(r)
	r->ops->scatter_add(r->d, y, x, rows);
}

static void case_add(struct rig *r)
{
	struct mat x = rig_in(r, "x", r->t, r->s[0], r->s[1]);
	struct mat y = rig_inout(r, "y", DT_F32, r->s[0], r->s[1], 1);

	r->bytes_moved = (double)(r->s[0] * r->s[1]) * (double)(8 + mat_elem(r->t));
	RIG_CALL(r)
	r->ops->add(r->d, y, x);
}

static void case_scale_rows(struct rig *r)
{
	struct mat x = rig_inout(r, "x", DT_F32, r->s[0], r->s[1], 1);
	float *coef = rig_floats(r, "coef", r->s[0], -2, 2);

	r->bytes_moved = 8 * (double)(r->s[0] * r->s[1]);
	RIG_CALL(r)
	r->ops->scale_rows(r->d, x, coef);
}

static void case_dropout(struct rig *r)
{
	struct mat x = rig_in(r, "x", r->t, r->s[0], r->s[1]);
	struct mat y = rig_out(r, "y", r->t, r->s[0], r->s[1], 1);
	float p = r->extreme ? 0.9f : 0.1f;

	r->bytes_moved = 2 * (double)(r->s[0] * r->s[1]) * (double)mat_elem(r->t);
	RIG_CALL(r)
	r->ops->dropout(r->d, y, x, p, rig_bits(r), 7);
}

static void case_rmsnorm(struct rig *r)
{
	struct mat x = rig_in(r, "x", DT_F32, r->s[0], r->s[1]);
	struct mat y = rig_out(r, "y", r->wide ? DT_F32 : r->t, r->s[0], r->s[1], 0);
	float *w = rig_floats(r, "w", r->s[1], -2, 2);
	float *rstd = rig_out_floats(r, "rstd", r->s[0], 0);

	r->bytes_moved = (double)(r->s[0] * r->s[1]) * (double)(4 + mat_elem(y.t));
	RIG_CALL(r)
	r->ops->rmsnorm(r->d, y, rstd, x, 1, w, 1e-5f);
}

static void case_rmsnorm_bwd(struct rig *r)
{
	struct mat x = rig_in(r, "x", DT_F32, r->s[0], r->s[1]);
	struct mat dy = rig_in(r, "dy", DT_F32, r->s[0], r->s[1]);
	/* rstd is at most 2 here, g at most 2 amp, x rstd at most 2 amp */
	struct mat dx =
		rig_inout(r, "dx", DT_F32, r->s[0], r->s[1], 8.0 * r->amp * r->amp * r->amp);
	float *w = rig_floats(r, "w", r->s[1], -2, 2);
	float *rstd = rig_floats(r, "rstd", r->s[0], 0.1f, 2);

	r->bytes_moved = 16 * (double)(r->s[0] * r->s[1]);
	RIG_CALL(r)
	r->ops->rmsnorm_bwd(r->d, dx, dy, x, 1, rstd, w);
}

/* rows, heads, head size */
static bool shapes_heads(int i, int64_t *s)
{
	static const int64_t all[][3] = {
		{ 1, 2, 32 },  { 7, 3, 64 },   { 9, 4, 128 }, { 17, 16, 128 },
		{ 64, 8, 16 }, { 65, 5, 200 }, { 3, 1, 33 },
	};

	if (i >= (int)(sizeof(all) / sizeof(*all)))
		return false;
	memcpy(s, all[i], sizeof(all[i]));
	return true;
}

/* In place: as q and k are normalised. */
static void case_rmsnorm_heads(struct rig *r)
{
	int64_t rows = r->s[0], heads = r->s[1], size = r->s[2];
	struct mat x = rig_inout(r, "x", DT_F32, rows, heads * size, 0);
	float *w = rig_floats(r, "w", size, -2, 2);
	float *rstd = rig_out_floats(r, "rstd", rows * heads, 0);

	r->bytes_moved = 8 * (double)(rows * heads * size);
	RIG_CALL(r)
	r->ops->rmsnorm(r->d, x, rstd, x, (int)heads, w, 1e-5f);
}

static void case_rmsnorm_heads_bwd(struct rig *r)
{
	int64_t rows = r->s[0], heads = r->s[1], size = r->s[2];
	struct mat x = rig_in(r, "x", DT_F32, rows, heads * size);
	struct mat dy = rig_in(r, "dy", DT_F32, rows, heads * size);
	struct mat dx =
		rig_inout(r, "dx", DT_F32, rows, heads * size, 8.0 * r->amp * r->amp * r->amp);
	float *w = rig_floats(r, "w", size, -2, 2);
	float *rstd = rig_floats(r, "rstd", rows * heads, 0.1f, 2);

	r->bytes_moved = 16 * (double)(rows * heads * size);
	RIG_CALL(r)
	r->ops->rmsnorm_bwd(r->d, dx, dy, x, (int)heads, rstd, w);
}

/* heads, head size; rows by turns */
static bool shapes_rope(int i, int64_t *s)
{
	static const int64_t rows[] = { 1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 200 };
	static const int64_t sizes[] = { 32, 64, 128 };

	if (i >= 33)
		return false;
	s[0] = rows[i / 3];
	s[1] = 1 + i % 4;
	s[2] = sizes[i % 3];
	s[3] = i % 2; /* inverse */
	return true;
}

static void case_rope(struct rig *r)
{
	int64_t rows = r->s[0], heads = r->s[1], half = r->s[2] / 2, positions = 300;
	struct mat x = rig_inout(r, "x", DT_F32, rows, heads * half * 2, r->amp);
	int32_t *pos = rig_ids(r, "pos", rows, positions);
	struct slot *c = rig_slot(r, "cos", IN, DT_F32, positions, half, false);
	struct slot *s = rig_slot(r, "sin", IN, DT_F32, positions, half, false);
	float *cos_table, *sin_table;

	for (int64_t p = 0; p < positions; p++) {
		for (int64_t j = 0; j < half; j++) {
			double a = (double)p * pow(10000, -(double)j / (double)half);

			rig_put(c, p, j, (float)cos(a));
			rig_put(s, p, j, (float)sin(a));
		}
	}
	cos_table = rig_send(r, c).p;
	sin_table = rig_send(r, s).p;
	r->bytes_moved = 16.0 * (double)(rows * heads * half);
	RIG_CALL(r)
	r->ops->rope(r->d, x, (int)heads, pos, cos_table, sin_table, r->s[3] != 0);
}

static void case_swiglu(struct rig *r)
{
	enum dtype t = r->wide ? DT_F32 : r->t;
	struct mat gate = rig_in(r, "gate", t, r->s[0], r->s[1]);
	struct mat up = rig_in(r, "up", t, r->s[0], r->s[1]);
	struct mat y = rig_out(r, "y", r->t, r->s[0], r->s[1], 1);

	r->bytes_moved = 3 * (double)(r->s[0] * r->s[1]) * (double)mat_elem(r->t);
	RIG_CALL(r)
	r->ops->swiglu(r->d, y, gate, up);
}

static void case_swiglu_bwd(struct rig *r)
{
	enum dtype t = r->wide ? DT_F32 : r->t;
	struct mat gate = rig_in(r, "gate", t, r->s[0], r->s[1]);
	struct mat up = rig_in(r, "up", t, r->s[0], r->s[1]);
	struct mat dy = rig_in(r, "dy", DT_F32, r->s[0], r->s[1]);
	struct mat dgate = rig_out(r, "dgate", r->t, r->s[0], r->s[1], r->amp * r->amp);
	struct mat dup = rig_out(r, "dup", r->t, r->s[0], r->s[1], r->amp * r->amp);

	r->bytes_moved = (double)(r->s[0] * r->s[1]) * (double)(4 + 4 * mat_elem(r->t));
	RIG_CALL(r)
	r->ops->swiglu_bwd(r->d, dgate, dup, dy, gate, up);
}

/* Vocabularies; s[2]: without dlogits */
static bool shapes_xent(int i, int64_t *s)
{
	static const int64_t all[][3] = {
		{ 1, 1, 0 },    { 7, 7, 0 },     { 8, 9, 1 },     { 9, 15, 0 },   { 1, 16, 0 },
		{ 17, 17, 0 },  { 63, 63, 0 },   { 64, 65, 1 },   { 65, 200, 0 }, { 3, 1023, 0 },
		{ 3, 1025, 0 }, { 2, 50257, 0 }, { 3, 50257, 1 },
	};

	if (i >= (int)(sizeof(all) / sizeof(*all)))
		return false;
	memcpy(s, all[i], sizeof(all[i]));
	return true;
}

static void case_xent(struct rig *r)
{
	struct mat logits = rig_in(r, "logits", DT_F32, r->s[0], r->s[1]), dlogits = { 0 };
	int32_t *targets = rig_ids(r, "targets", r->s[0], r->s[1]);
	float *logp = rig_out_floats(r, "logp", r->s[0], 1 + log((double)r->s[1]));

	r->slot[0].role = LENT;
	if (!r->s[2])
		dlogits = rig_out(r, "dlogits", r->t, r->s[0], r->s[1], 1);
	r->bytes_moved = (double)(r->s[0] * r->s[1]) * (double)(4 + mat_elem(r->t));
	RIG_CALL(r)
	r->ops->xent(r->d, logp, dlogits, logits, targets);
}

/* Around vectors and the blocks of a sum. */
static bool shapes_flat(int i, int64_t *s)
{
	static const int64_t all[] = { 1,  7,  8,   9,    15,   16,   17,    63,
				       64, 65, 200, 4095, 4096, 4097, 50257, 131072 };

	if (i >= (int)(sizeof(all) / sizeof(*all)))
		return false;
	s[0] = all[i];
	return true;
}

/* The extreme numbers sum to a tie of float, 2^24 + 1, and a little that a sum in double keeps or
 * loses with the place where it is cut into blocks: blocks that hang on the threads show. */
static void case_sumsq(struct rig *r)
{
	struct slot *s = rig_slot(r, "g", IN, DT_F32, 1, r->s[0], false);
	float *g, *out;

	for (int64_t i = 0; i < r->s[0]; i++)
		rig_put(s, 0, i,
			!r->extreme ? rig_uniform(r)
			: i < 2     ? (i ? 1 : 4096)
			: i % 64    ? 0
				    : 0x1p-15f);
	g = rig_send(r, s).p;
	out = rig_out_floats(r, "out", 1, 0);
	r->bytes_moved = 4 * (double)r->s[0];
	RIG_CALL(r)
	r->ops->sumsq(r->d, out, g, (size_t)r->s[0]);
}

static void case_adamw(struct rig *r)
{
	int64_t n = r->s[0];
	float *p = rig_floats(r, "p", n, -1, 1), *m = rig_floats(r, "m", n, -1, 1);
	float *v = rig_floats(r, "v", n, 0, 2);
	float *g = rig_floats(r, "g", n, -r->amp, r->amp);
	struct adamw h = { .lr = 1e-2f, .beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f };

	for (int i = 0; i < 3; i++) {
		r->slot[i].role = OUT;
		r->slot[i].magnitude = i < 2 ? 1 + r->amp : 1;
	}
	h.weight_decay = 0.01f;
	h.correction1 = 1 - h.beta1 * h.beta1;
	h.correction2 = 1 - h.beta2 * h.beta2;
	h.grad_scale = r->extreme ? 0.25f : 1;
	r->bytes_moved = 28 * (double)n;
	RIG_CALL(r)
	r->ops->adamw(r->d, p, m, v, g, (size_t)n, &h);
}

#endif
