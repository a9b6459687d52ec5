/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backward ops of ref against finite differences of its forward ops. With random c,
 * L(x) = sum c y(x) is taken in double; its derivative in a random direction u is
 *
 *	(8 (L(x + h u) - L(x - h u)) - (L(x + 2 h u) - L(x - 2 h u))) / (12 h)  up to  h^4 L'''''/30,
 *
 * and must be the product of the op's gradient with u. What is perturbed is fp32, and so is y: with
 * h = 2^-6 their roundings come to some 2^-24 / h = 4e-6 of |gradient| |u|, and h^4 = 6e-8 is below.
 */
#include "base/mem.h"
#include "base/rng.h"
#include "kernels/ops.h"
#include "tests/ops/layouts.h"
#include "tests/tap.h"

#define STEP       0x1p-6
#define BOUND      1e-5 /* of |gradient| |u| */
#define DIRECTIONS 4
#define MATS       3

static struct dev *dev;
static const struct ops *op;
static uint64_t counter; /* of random numbers: every run has the same */

/* A function of some matrices, and its gradients. */
struct problem {
	const char *name;
	struct mat in[MATS], grad[MATS], y, c; /* c: dL/dy */
	const char *in_name[MATS];
	int n_in;
	void (*forward)(struct problem *p);
	void (*backward)(struct problem *p);
	/* what the op takes besides */
	float *vec, *stat, *cos_table, *sin_table;
	int32_t *ids;
	int heads;
	struct weight *w;
	struct layout l;
	struct attn_shape attn;
};

static float uniform(void)
{
	return 2 * rng_uniform(11, 0, counter++) - 1;
}

static void *room(size_t bytes)
{
	struct err err;
	void *p = op->alloc(dev, bytes, &err);

	if (!p) {
		note("%s", err.msg);
		exit(2);
	}
	memset(p, 0, bytes);
	return p;
}

/* ref lives on the host: its buffers can be read and written here. */
static struct mat fresh(int64_t rows, int64_t cols, float amp)
{
	struct mat m = mat_view(room((size_t)(rows * cols) * 4), DT_F32, rows, cols);

	for (int64_t i = 0; i < rows * cols; i++)
		((float *)m.p)[i] = amp * uniform();
	return m;
}

static int64_t count(struct mat m)
{
	return m.rows * m.cols;
}

static double inner(struct mat a, struct mat b)
{
	double sum = 0;

	for (int64_t i = 0; i < count(a); i++)
		sum += (double)((float *)a.p)[i] * ((float *)b.p)[i];
	return sum;
}

/* L at x + h u. */
static double loss_at(struct problem *p, struct mat x, const float *at, struct mat u, double h)
{
	for (int64_t i = 0; i < count(x); i++)
		((float *)x.p)[i] = (float)(at[i] + h * ((float *)u.p)[i]);
	p->forward(p);
	return inner(p->y, p->c);
}

/* Largest |difference| / (|gradient| |u|) of input k over some directions. */
static double worst_of(struct problem *p, int k)
{
	struct mat x = p->in[k], u = fresh(x.rows, x.cols, 1);
	float *at = mem_new((size_t)count(x), sizeof(float));
	double worst = 0;

	memcpy(at, x.p, (size_t)count(x) * sizeof(float));
	for (int d = 0; d < DIRECTIONS; d++) {
		double numeric, given = inner(p->grad[k], u);
		double size = sqrt(inner(p->grad[k], p->grad[k]) * inner(u, u));

		numeric = (8 * (loss_at(p, x, at, u, STEP) - loss_at(p, x, at, u, -STEP)) -
			   (loss_at(p, x, at, u, 2 * STEP) - loss_at(p, x, at, u, -2 * STEP))) /
			  (12 * STEP);
		worst = fmax(worst, fabs(numeric - given) / fmax(size, 1e-30));
		for (int64_t i = 0; i < count(u); i++)
			((float *)u.p)[i] = uniform();
	}
	memcpy(x.p, at, (size_t)count(x) * sizeof(float));
	mem_free(at);
	op->free(dev, u.p);
	return worst;
}

static void check_problem(struct problem *p)
{
	p->forward(p);
	p->backward(p);
	for (int k = 0; k < p->n_in; k++) {
		double worst = worst_of(p, k);

		check(worst <= BOUND, "%s: gradient of %s", p->name, p->in_name[k]);
		note("largest error %.2g of |gradient| |direction|", worst);
	}
	for (int k = 0; k < p->n_in; k++) {
		op->free(dev, p->in[k].p);
		op->free(dev, p->grad[k].p);
	}
	op->free(dev, p->y.p);
	op->free(dev, p->c.p);
	op->free(dev, p->vec);
	op->free(dev, p->stat);
	op->free(dev, p->ids);
}

static void input(struct problem *p, const char *name, int64_t rows, int64_t cols, float amp)
{
	p->in_name[p->n_in] = name;
	p->in[p->n_in] = fresh(rows, cols, amp);
	p->grad[p->n_in++] = fresh(rows, cols, 0);
}

static void output(struct problem *p, int64_t rows, int64_t cols)
{
	p->y = fresh(rows, cols, 0);
	p->c = fresh(rows, cols, 1);
}

static void rmsnorm_forward(struct problem *p)
{
	op->rmsnorm(dev, p->y, p->stat, p->in[0], p->heads, p->vec, 1e-5f);
}

static void rmsnorm_backward(struct problem *p)
{
	op->rmsnorm_bwd(dev, p->grad[0], p->c, p->in[0], p->heads, p->stat, p->vec);
}

static void check_rmsnorm(const char *name, int heads)
{
	struct problem p = { .name = name, .heads = heads };

	input(&p, "x", 5, 33 * heads, 1);
	output(&p, 5, 33 * heads);
	p.vec = fresh(1, 33, 2).p;
	p.stat = fresh(heads, 5, 0).p;
	p.forward = rmsnorm_forward;
	p.backward = rmsnorm_backward;
	check_problem(&p);
}

static void rope_forward(struct problem *p)
{
	op->copy(dev, p->y.p, p->in[0].p, (size_t)count(p->y) * 4);
	op->rope(dev, p->y, p->heads, p->ids, p->cos_table, p->sin_table, false);
}

static void rope_backward(struct problem *p)
{
	op->copy(dev, p->grad[0].p, p->c.p, (size_t)count(p->c) * 4);
	op->rope(dev, p->grad[0], p->heads, p->ids, p->cos_table, p->sin_table, true);
}

static void check_rope(void)
{
	struct problem p = { .name = "rope", .heads = 3 };

	input(&p, "x", 4, 3 * 8, 1);
	output(&p, 4, 3 * 8);
	p.cos_table = room(20 * 4 * sizeof(float));
	p.sin_table = room(20 * 4 * sizeof(float));
	for (int i = 0; i < 20 * 4; i++) {
		double a = i / 4 * pow(100, -(i % 4) / 4.0);

		p.cos_table[i] = (float)cos(a);
		p.sin_table[i] = (float)sin(a);
	}
	p.ids = room(4 * sizeof(int32_t));
	for (int i = 0; i < 4; i++)
		p.ids[i] = 19 - 5 * i;
	p.forward = rope_forward;
	p.backward = rope_backward;
	check_problem(&p);
	op->free(dev, p.cos_table);
	op->free(dev, p.sin_table);
}

static void swiglu_forward(struct problem *p)
{
	op->swiglu(dev, p->y, p->in[0], p->in[1]);
}

static void swiglu_backward(struct problem *p)
{
	op->swiglu_bwd(dev, p->grad[0], p->grad[1], p->c, p->in[0], p->in[1]);
}

static void check_swiglu(void)
{
	struct problem p = { .name = "swiglu" };

	input(&p, "gate", 7, 9, 5);
	input(&p, "up", 7, 9, 1);
	output(&p, 7, 9);
	p.forward = swiglu_forward;
	p.backward = swiglu_backward;
	check_problem(&p);
}

/* y = logp (n, 1). dlogits is the gradient of -logp for unit weight. */
static void xent_forward(struct problem *p)
{
	struct mat none = { 0 };

	op->xent(dev, p->y.p, none, p->in[0], p->ids);
}

static void xent_backward(struct problem *p)
{
	op->xent(dev, p->y.p, p->grad[0], p->in[0], p->ids);
	for (int64_t i = 0; i < p->c.rows; i++)
		((float *)p->c.p)[i] *= -1;
	op->scale_rows(dev, p->grad[0], p->c.p);
	for (int64_t i = 0; i < p->c.rows; i++)
		((float *)p->c.p)[i] *= -1;
}

static void check_xent(void)
{
	struct problem p = { .name = "xent" };

	input(&p, "logits", 6, 17, 4);
	output(&p, 6, 1);
	p.ids = room(6 * sizeof(int32_t));
	for (int i = 0; i < 6; i++)
		p.ids[i] = i * 16 / 5;
	p.forward = xent_forward;
	p.backward = xent_backward;
	check_problem(&p);
}

static void linear_forward(struct problem *p)
{
	op->linear(dev, p->y, p->in[0], p->w, p->vec, false);
}

static void linear_backward(struct problem *p)
{
	op->linear_bwd(dev, p->grad[0], p->c, p->w);
}

static void check_linear(void)
{
	struct problem p = { .name = "linear" };
	struct mat w = fresh(11, 19, 1);
	struct err err;

	input(&p, "x", 5, 19, 1);
	output(&p, 5, 11);
	p.vec = fresh(1, 11, 1).p;
	p.w = op->weight_new(dev, &w, 1, WEIGHT_FWD | WEIGHT_BWD, &err);
	p.forward = linear_forward;
	p.backward = linear_backward;
	check_problem(&p);
	op->weight_free(dev, p.w);
	op->free(dev, w.p);
}

/* LoRA's pair of products as the model takes them: y = 1/2 a b^T; da = 1/2 c b, db = 1/2 c^T a. */
static void gemm_forward(struct problem *p)
{
	op->gemm(dev, p->y, p->in[0], false, p->in[1], true, 0.5f, 0);
}

static void gemm_backward(struct problem *p)
{
	op->gemm(dev, p->grad[0], p->c, false, p->in[1], false, 0.5f, 1);
	op->gemm(dev, p->grad[1], p->c, true, p->in[0], false, 0.5f, 1);
}

static void check_gemm(void)
{
	struct problem p = { .name = "gemm" };

	input(&p, "a", 5, 3, 1);
	input(&p, "b", 9, 3, 1);
	output(&p, 5, 9);
	p.forward = gemm_forward;
	p.backward = gemm_backward;
	check_problem(&p);
}

static void dropout_forward(struct problem *p)
{
	op->dropout(dev, p->y, p->in[0], 0.3f, 5, 6);
}

static void dropout_backward(struct problem *p)
{
	op->dropout(dev, p->grad[0], p->c, 0.3f, 5, 6);
}

static void check_dropout(void)
{
	struct problem p = { .name = "dropout" };

	input(&p, "x", 6, 11, 1);
	output(&p, 6, 11);
	p.forward = dropout_forward;
	p.backward = dropout_backward;
	check_problem(&p);
}

/* The gradient of gather is scatter_add: rows that were taken twice get both. */
static void gather_forward(struct problem *p)
{
	op->gather(dev, p->y, p->in[0], p->ids);
}

static void gather_backward(struct problem *p)
{
	op->scatter_add(dev, p->grad[0], p->c, p->ids);
}

static void check_gather(void)
{
	struct problem p = { .name = "gather and scatter_add" };
	static const int32_t rows[] = { 3, 0, 3, 4, 0, 3 };

	input(&p, "x", 5, 7, 1);
	output(&p, 6, 7);
	p.ids = room(sizeof(rows));
	memcpy(p.ids, rows, sizeof(rows));
	p.forward = gather_forward;
	p.backward = gather_backward;
	check_problem(&p);
}

static void attn_forward(struct problem *p)
{
	op->attn(dev, p->y, p->stat, p->in[0], p->in[1], p->in[2], &p->attn);
}

static void attn_backward(struct problem *p)
{
	op->attn_bwd(dev, p->grad[0], p->grad[1], p->grad[2], p->c, p->y, p->in[0], p->in[1],
		     p->in[2], p->stat, &p->attn);
}

static void check_attn(const char *name, struct layout l, int heads, int kv_heads, int size,
		       int window)
{
	struct problem p = { .name = name, .l = l };

	p.attn = (struct attn_shape){ .n_heads = heads,
				      .n_kv_heads = kv_heads,
				      .head_size = size,
				      .scale = 1 / sqrtf((float)size),
				      .window = window,
				      .segs = p.l.segs,
				      .ranges = p.l.ranges,
				      .n_segs = l.n_segs,
				      .n_ranges = l.n_ranges,
				      .max_q = l.max_q,
				      .max_k = l.max_k };
	input(&p, "q", l.q_rows, heads * size, 1.5f);
	input(&p, "k", l.k_rows, kv_heads * size, 1.5f);
	input(&p, "v", l.k_rows, kv_heads * size, 1);
	output(&p, l.q_rows, heads * size);
	p.stat = fresh(heads, l.q_rows, 0).p;
	p.forward = attn_forward;
	p.backward = attn_backward;
	check_problem(&p);
}

static void check_attns(void)
{
	struct layout l;

	layout_make(&l, SINGLE, 6);
	check_attn("attn, one sequence", l, 3, 1, 8, 0);
	l = (struct layout){ 0 };
	layout_add(&l, 0, 4, 0, 0, 0, 4);
	layout_add(&l, 4, 1, 0, 0, 4, 1);
	layout_add(&l, 5, 7, 0, 0, 5, 7);
	check_attn("attn, packed", l, 2, 2, 6, 0);
	check_attn("attn, packed, a window of 3", l, 2, 2, 6, 3);
	l = (struct layout){ 0 };
	layout_pair(&l, layout_pair(&l, 0, 5, 4, 2), 1, 3, 4);
	check_attn("attn, shared prompts", l, 4, 1, 8, 0);
	check_attn("attn, shared prompts, a window of 4", l, 4, 1, 8, 4);
	l = (struct layout){ 0 };
	layout_add(&l, 0, 1, 0, 0, 0, 4);
	layout_add(&l, 1, 3, 0, 0, 4, 9);
	check_attn("attn, keys that were there", l, 4, 2, 8, 0);
}

int main(void)
{
	struct err err;

	dev = ops_open("ref", 0, &err);
	if (!dev) {
		note("%s", err.msg);
		return 2;
	}
	op = dev->ops;
	check_rmsnorm("rmsnorm", 1);
	check_rmsnorm("rmsnorm, by heads", 3);
	check_rope();
	check_swiglu();
	check_xent();
	check_linear();
	check_gemm();
	check_dropout();
	check_gather();
	check_attns();
	op->close(dev);
	return tap_done();
}
