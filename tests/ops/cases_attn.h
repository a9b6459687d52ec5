/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of attention. Shape: layout, its number, heads, key heads, head size, window (0: none). */
#ifndef TESTS_OPS_CASES_ATTN_H
#define TESTS_OPS_CASES_ATTN_H

#include "tests/ops/check.h"
#include "tests/ops/layouts.h"

static bool shapes_attn(int i, int64_t *s)
{
	static const int64_t all[][6] = {
		{ SINGLE, 1, 2, 2, 32 },       { SINGLE, 7, 3, 1, 32 },
		{ SINGLE, 8, 4, 1, 32 },       { SINGLE, 9, 2, 2, 64 },
		{ SINGLE, 15, 3, 1, 64 },      { SINGLE, 16, 4, 1, 64 },
		{ SINGLE, 17, 2, 2, 128 },     { SINGLE, 63, 3, 1, 128 },
		{ SINGLE, 64, 4, 1, 128 },     { SINGLE, 65, 6, 2, 64 },
		{ SINGLE, 200, 1, 1, 32 },     { PACKED, 0, 2, 2, 32 },
		{ PACKED, 0, 3, 1, 64 },       { PACKED, 0, 4, 1, 128 },
		{ TRIE, 7, 2, 2, 128 },        { TRIE, 63, 6, 2, 32 },
		{ TRIE, 65, 4, 1, 64 },        { CACHE, 0, 2, 2, 64 },
		{ CACHE, 1, 6, 2, 32 },        { CACHE, 64, 4, 1, 128 },
		{ UNHELD, 65, 3, 1, 32 },      { SINGLE, 200, 4, 1, 32, 1 },
		{ SINGLE, 200, 2, 2, 64, 70 }, { SINGLE, 65, 6, 2, 32, 64 },
		{ PACKED, 0, 4, 1, 64, 5 },    { TRIE, 65, 4, 1, 64, 67 },
		{ CACHE, 1, 6, 2, 32, 1 },     { CACHE, 64, 4, 1, 128, 30 },
		{ UNHELD, 65, 3, 1, 32, 9 },   { FAN, 30, 6, 2, 32 },
	};

	if (i >= (int)(sizeof(all) / sizeof(*all)))
		return false;
	memcpy(s, all[i], sizeof(all[i]));
	return true;
}

static double attn_pairs(const struct layout *l)
{
	double n = 0;

	for (int i = 0; i < l->n_segs; i++) {
		const struct attn_seg *s = &l->segs[i];
		double queries = s->q_end - s->q_begin;

		for (int k = s->range_begin; k < s->range_end; k++)
			n += queries * (l->ranges[k].k_end - l->ranges[k].k_begin);
		n -= queries * (queries - 1) / 2;
	}
	return n;
}

/* The layout on the device. */
static struct attn_shape attn_send(struct rig *r, const struct layout *l)
{
	struct attn_shape a = {
		.n_heads = (int)r->s[2],
		.n_kv_heads = (int)r->s[3],
		.head_size = (int)r->s[4],
		.scale = 1 / sqrtf((float)r->s[4]),
		.window = (int)r->s[5],
		.n_segs = l->n_segs,
		.n_ranges = l->n_ranges,
		.max_q = l->max_q,
		.max_k = l->max_k,
	};

	a.segs = rig_ints(r, "segs", l->segs, (size_t)l->n_segs * sizeof(*l->segs));
	a.ranges = rig_ints(r, "ranges", l->ranges, (size_t)l->n_ranges * sizeof(*l->ranges));
	return a;
}

struct attn_call {
	struct layout l;
	struct attn_shape shape;
	struct mat q, k, v, o;
	float *lse;
};

static void attn_setup(struct rig *r, struct attn_call *c)
{
	int64_t width, kv_width;

	layout_make(&c->l, (enum layout_kind)r->s[0], (int)r->s[1]);
	c->shape = attn_send(r, &c->l);
	width = (int64_t)c->shape.n_heads * c->shape.head_size;
	kv_width = (int64_t)c->shape.n_kv_heads * c->shape.head_size;
	c->q = rig_in(r, "q", r->t, c->l.q_rows, width);
	c->k = rig_in(r, "k", r->t, c->l.k_rows, kv_width);
	c->v = rig_in(r, "v", r->t, c->l.k_rows, kv_width);
	/* scores are about amp^2, and so is what an error in them does to o */
	c->o = rig_out(r, "o", r->t, c->l.q_rows, width, r->amp * r->amp * r->amp);
	c->lse = rig_out_floats(r, "lse", c->shape.n_heads * c->l.q_rows, 1 + r->amp * r->amp);
	r->flops = 4 * attn_pairs(&c->l) * (double)width;
}

static void case_attn(struct rig *r)
{
	struct attn_call c;
	bool keep_lse = r->s[1] != 64; /* NULL is allowed */

	attn_setup(r, &c);
	RIG_CALL(r)
	r->ops->attn(r->d, c.o, keep_lse ? c.lse : NULL, c.q, c.k, c.v, &c.shape);
}

/* o and lse are the back end's own, as in training. */
static void case_attn_bwd(struct rig *r)
{
	struct attn_call c;
	struct mat dout, dq, dk, dv;
	double magnitude;

	attn_setup(r, &c);
	dout = rig_in(r, "dout", r->t, c.q.rows, c.q.cols);
	magnitude = pow(r->amp, 5); /* dout, v, q or k, and scores are off by amp^2 */
	dq = rig_out(r, "dq", DT_F32, c.q.rows, c.q.cols, magnitude);
	dk = rig_out(r, "dk", DT_F32, c.k.rows, c.k.cols, magnitude * sqrt(c.l.max_q));
	dv = rig_out(r, "dv", DT_F32, c.v.rows, c.v.cols, magnitude);
	r->ops->attn(r->d, c.o, c.lse, c.q, c.k, c.v, &c.shape);
	r->flops *= 2.5;
	RIG_CALL(r)
	r->ops->attn_bwd(r->d, dq, dk, dv, dout, c.o, c.q, c.k, c.v, c.lse, &c.shape);
}

#endif
