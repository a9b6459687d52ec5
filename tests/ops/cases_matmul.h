/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of the matrix products. Shape: rows, columns, inner, flags, 1 = compare threads only. */
#ifndef TESTS_OPS_CASES_MATMUL_H
#define TESTS_OPS_CASES_MATMUL_H

#include "tests/ops/check.h"

enum { BIAS = 1, ADD = 2, ONE_WAY = 4 }; /* linear */
enum { TA = 1, TB = 2, ALPHA = 4, BETA = 8 }; /* gemm */

/* Sizes at which a library splits work between threads; too slow for ref. */
static const int64_t many_rows[] = { 1, 7, 128, 513 };

static bool shapes_linear(int i, int64_t *s)
{
	static const int64_t edge[][3] = {
		{ 1, 1, 1 },    { 7, 8, 9 },     { 8, 7, 15 },    { 9, 63, 16 },   { 15, 64, 17 },
		{ 16, 65, 63 }, { 63, 200, 65 }, { 200, 16, 64 }, { 65, 17, 200 }, { 64, 64, 64 },
	};

	memset(s, 0, 5 * sizeof(*s));
	if (i < 33) { /* the rows of a small batch, all of them */
		s[0] = i + 1;
		s[1] = 48;
		s[2] = 40;
		s[3] = i % 8;
	} else if (i < 33 + 40) {
		memcpy(s, edge[(i - 33) / 4], sizeof(edge[0]));
		s[3] = (i - 33) % 4;
	} else if (i < 33 + 40 + 8) {
		s[0] = many_rows[(i - 73) / 2];
		s[1] = i % 2 ? 576 : 64;
		s[2] = i % 2 ? 192 : 1536;
		s[4] = 1;
	} else {
		return false;
	}
	return true;
}

static struct weight *frozen(struct rig *r, int64_t rows, int64_t cols, unsigned use)
{
	struct mat w = rig_in(r, "w", r->t, rows, cols);
	struct slot *s = &r->slot[r->n - 1];
	struct err err;
	struct weight *p = r->ops->weight_new(r->d, &w, 1, use, &err);

	if (!p) {
		note("%s: %s", r->ops->name, err.msg);
		exit(2);
	}
	/* The source may go: a back end that still reads it is found out. */
	for (int64_t i = 0; i < rows; i++)
		for (int64_t j = 0; j < cols; j++)
			rig_put(s, i, j, 1e9f);
	s->role = LENT;
	r->ops->upload(r->d, s->p, s->before, s->bytes);
	return p;
}

static void case_linear(struct rig *r)
{
	int64_t rows = r->s[0], cols = r->s[1], inner = r->s[2], flags = r->s[3];
	double magnitude = r->amp * r->amp * sqrt((double)inner) + 2 * r->amp;
	enum dtype out = r->wide ? DT_F32 : r->t;
	struct mat x = rig_in(r, "x", r->t, rows, inner), y;
	float *bias = flags & BIAS ? rig_floats(r, "bias", cols, -r->amp, r->amp) : NULL;
	struct weight *w =
		frozen(r, cols, inner, flags & ONE_WAY ? WEIGHT_FWD : WEIGHT_FWD | WEIGHT_BWD);

	y = flags & ADD ? rig_inout(r, "y", out, rows, cols, magnitude)
			: rig_out(r, "y", out, rows, cols, magnitude);
	r->flops = 2.0 * (double)rows * (double)cols * (double)inner;
	RIG_CALL(r)
	r->ops->linear(r->d, y, x, w, bias, flags & ADD);
	r->ops->weight_free(r->d, w);
}

static void case_linear_bwd(struct rig *r)
{
	int64_t rows = r->s[0], cols = r->s[1], inner = r->s[2];
	double magnitude = r->amp * r->amp * sqrt((double)cols);
	struct mat dy = rig_in(r, "dy", r->t, rows, cols);
	struct weight *w =
		frozen(r, cols, inner, r->s[3] & ONE_WAY ? WEIGHT_BWD : WEIGHT_FWD | WEIGHT_BWD);
	struct mat dx = rig_out(r, "dx", r->wide ? DT_F32 : r->t, rows, inner, magnitude);

	r->flops = 2.0 * (double)rows * (double)cols * (double)inner;
	RIG_CALL(r)
	r->ops->linear_bwd(r->d, dx, dy, w);
	r->ops->weight_free(r->d, w);
}

static bool shapes_gemm(int i, int64_t *s)
{
	static const int64_t edge[][3] = {
		{ 1, 1, 1 }, { 7, 9, 8 }, { 17, 65, 15 }, { 64, 16, 200 }, { 16, 63, 65 },
	};

	memset(s, 0, 5 * sizeof(*s));
	if (i < 5 * 16) {
		memcpy(s, edge[i / 16], sizeof(edge[0]));
		s[3] = i % 16;
	} else if (i < 80 + 12) { /* x A^T, dy B, and the gradients dy^T x of LoRA */
		int64_t n = many_rows[(i - 80) / 3], kind = (i - 80) % 3;

		s[0] = kind == 2 ? 16 : n;
		s[1] = kind == 0 ? 16 : 576;
		s[2] = kind == 0 ? 1536 : kind == 1 ? 16 : n;
		s[3] = kind == 0 ? TB : kind == 1 ? 0 : TA | BETA;
		s[4] = 1;
	} else {
		return false;
	}
	return true;
}

static void case_gemm(struct rig *r)
{
	int64_t rows = r->s[0], cols = r->s[1], inner = r->s[2], flags = r->s[3];
	bool ta = flags & TA, tb = flags & TB;
	float alpha = flags & ALPHA ? -0.75f : 1, beta = flags & BETA ? 1 : 0;
	double magnitude = r->amp * r->amp * sqrt((double)inner) + r->amp;
	enum dtype out = r->wide ? DT_F32 : r->t;
	struct mat a = rig_in(r, "a", r->t, ta ? inner : rows, ta ? rows : inner);
	struct mat b = rig_in(r, "b", r->t, tb ? cols : inner, tb ? inner : cols);
	struct mat c = beta != 0 ? rig_inout(r, "c", out, rows, cols, magnitude)
				 : rig_out(r, "c", out, rows, cols, magnitude);

	r->flops = 2.0 * (double)rows * (double)cols * (double)inner;
	RIG_CALL(r)
	r->ops->gemm(r->d, c, a, ta, b, tb, alpha, beta);
}

#endif
