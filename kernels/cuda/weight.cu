/* SPDX-License-Identifier: Apache-2.0 */
/* Frozen weights as their file has them. Types other than the activations' are expanded into scratch, a
 * slice of rows at a time, before the product. */
#include "kernels/cuda/blocks.cuh"

#include <stdio.h>
#include <stdlib.h>

#define SLICE_BYTES ((size_t)64 << 20)
#define PARTS       3

struct weight {
	struct mat part[PARTS]; /* a block type's ld: as in its rows */
	int n;
	int64_t rows, cols;
	bool own;
};

static bool plain(enum dtype t)
{
	return t == DT_F32 || t == DT_BF16;
}

/* Parts of one plain type lie one below the other as one part. */
static int merged(const struct mat *parts, int n, struct mat out[PARTS])
{
	bool same = plain(parts[0].t);

	for (int i = 1; i < n; i++)
		same = same && parts[i].t == parts[0].t;
	out[0] = parts[0];
	for (int i = 1; i < n; i++) {
		if (same)
			out[0].rows += parts[i].rows;
		else
			out[i] = parts[i];
	}
	return same ? 1 : n;
}

static void copy_rows(struct dev *d, char *to, struct mat m)
{
	size_t row = type_bytes(m.t, m.cols), from = type_bytes(m.t, m.ld);

	if (row == from)
		d->ops->copy(d, to, m.p, row * (size_t)m.rows);
	for (int64_t i = 0; row != from && i < m.rows; i++)
		d->ops->copy(d, to + (size_t)i * row, (char *)m.p + (size_t)i * from, row);
}

struct weight *cuda_weight_new(struct dev *d, const struct mat *parts, int n, unsigned use,
			       struct err *err)
{
	struct weight *w = (struct weight *)calloc(1, sizeof(*w));

	if (!w) {
		snprintf(err->msg, sizeof(err->msg), "out of memory");
		err->kind = ERR_INPUT;
		return NULL;
	}
	w->cols = parts[0].cols;
	for (int i = 0; i < n; i++)
		w->rows += parts[i].rows;
	w->own = !(use & WEIGHT_LENT) || (n > 1 && plain(parts[0].t));
	w->n = w->own ? merged(parts, n, w->part) : n;
	if (!w->own) {
		memcpy(w->part, parts, (size_t)n * sizeof(*parts));
		return w;
	}
	for (int k = 0, i = 0; k < w->n; k++) {
		struct mat *p = &w->part[k];
		char *to = (char *)d->ops->alloc(d, type_bytes(p->t, p->rows * p->cols), err);

		p->p = to;
		p->ld = p->cols;
		if (!to) {
			w->n = k;
			cuda_weight_free(d, w);
			return NULL;
		}
		for (int64_t done = 0; done < p->rows; done += parts[i++].rows)
			copy_rows(d, to + type_bytes(p->t, done * p->cols), parts[i]);
	}
	return w;
}

void cuda_weight_free(struct dev *d, struct weight *w)
{
	for (int i = 0; w && w->own && i < w->n; i++)
		d->ops->free(d, w->part[i].p);
	free(w);
}

size_t cuda_weight_bytes(struct dev *d, enum dtype t, int64_t rows, int64_t cols, unsigned use)
{
	(void)d;
	return use & WEIGHT_LENT ? 0 : type_bytes(t, rows * cols);
}

static size_t largest(size_t a, size_t b)
{
	return a > b ? a : b;
}

void cuda_matmul_scratch(const struct cuda *c, const struct op_limits *l, size_t bytes[SCRATCHES])
{
	size_t most =
		(size_t)l->cols * largest((size_t)l->cols, (size_t)l->vocab) * mat_elem(l->act);

	(void)c;
	bytes[SCRATCH_WORK] = WORK_BYTES;
	bytes[SCRATCH_W] = most < SLICE_BYTES ? most : SLICE_BYTES;
}

/* The type that x and w meet in: fp32, if one of them has it. */
static enum dtype common_type(enum dtype x, const struct weight *w)
{
	for (int i = 0; i < w->n; i++)
		if (w->part[i].t == DT_F32)
			return DT_F32;
	return x;
}

/* Rows [at, at + n) of w as type t: where they are, or in scratch. Fewer than n may come: *n says. */
static struct mat weight_rows(struct cuda *c, const struct weight *w, enum dtype t, int64_t at,
			      int64_t *n, const char *op)
{
	int64_t most = (int64_t)(SLICE_BYTES / ((size_t)w->cols * mat_elem(t))) / 8 * 8, first = 0;
	struct mat to = { NULL, t, 0, w->cols, w->cols };

	*n = w->rows - at;
	if (w->n == 1 && w->part[0].t == t)
		return mat_rows(w->part[0], at, *n);
	most = most < 8 ? 8 : most;
	*n = *n < most ? *n : most;
	to.rows = *n;
	to.p = cuda_scratch(c, SCRATCH_W, (size_t)(*n * w->cols) * mat_elem(t), op);
	for (int i = 0; to.p && i < w->n; first += w->part[i++].rows) {
		struct mat p = w->part[i];
		int64_t from = at > first ? at : first;
		int64_t end = at + *n < first + p.rows ? at + *n : first + p.rows;

		if (from >= end)
			continue;
		if (plain(p.t))
			cuda_cast(&c->dev, mat_rows(to, from - at, end - from),
				  mat_rows(p, from - first, end - from));
		else
			for (int64_t k = from; k < end; k += p.ld == p.cols ? end - from : 1)
				cuda_dequant(&c->dev,
					     mat_rows(to, k - at, p.ld == p.cols ? end - from : 1),
					     (char *)p.p +
						     (size_t)(k - first) * type_bytes(p.t, p.ld),
					     p.t);
	}
	return to;
}

/* m itself, or a copy in type t in scratch at *at, which moves on. False: no memory. */
static bool as_type(struct cuda *c, struct mat *m, enum dtype t, char **at, bool fill)
{
	struct mat to = mat_view(*at, t, m->rows, m->cols);

	if (m->t == t)
		return true;
	if (!*at)
		return false;
	if (fill)
		cuda_cast(&c->dev, to, *m);
	*at += ((size_t)(m->rows * m->cols) * mat_elem(t) + 255) / 256 * 256;
	*m = to;
	return true;
}

void cuda_linear(struct dev *d, struct mat y, struct mat x, const struct weight *w,
		 const float *bias, bool add)
{
	struct cuda *c = cuda_of(d);
	enum dtype t = common_type(x.t, w), out = bias ? DT_F32 : y.t;
	size_t bytes = (x.t == t ? 0 : (size_t)(x.rows * x.cols) * 4 + 256) +
		       (y.t == out ? 0 : (size_t)(y.rows * y.cols) * 4 + 256);
	char *scratch = bytes ? (char *)cuda_scratch(c, SCRATCH_A, bytes, "linear") : NULL;
	struct mat to = y;

	if (!as_type(c, &x, t, &scratch, true) || !as_type(c, &to, out, &scratch, add))
		return;
	for (int64_t at = 0, n; at < w->rows; at += n) {
		struct mat rows = weight_rows(c, w, t, at, &n, "linear");

		if (rows.p)
			cuda_product(c, "linear", mat_cols(to, at, n), x, false, rows, true, 1, add,
				     bias ? bias + at : NULL);
	}
	if (to.p != y.p)
		cuda_cast(d, y, to);
}

void cuda_linear_bwd(struct dev *d, struct mat dx, struct mat dy, const struct weight *w)
{
	struct cuda *c = cuda_of(d);
	enum dtype t = common_type(dy.t, w), out = dx.t;
	struct mat to = dx;
	size_t bytes;
	char *scratch;
	int64_t n;

	/* Slices add up, in fp32. */
	if (!(w->n == 1 && w->part[0].t == t) &&
	    (size_t)(w->rows * w->cols) * mat_elem(t) > SLICE_BYTES)
		out = DT_F32;
	bytes = (dy.t == t ? 0 : (size_t)(dy.rows * dy.cols) * 4 + 256) +
		(dx.t == out ? 0 : (size_t)(dx.rows * dx.cols) * 4 + 256);
	scratch = bytes ? (char *)cuda_scratch(c, SCRATCH_A, bytes, "linear_bwd") : NULL;
	if (!as_type(c, &dy, t, &scratch, true) || !as_type(c, &to, out, &scratch, false))
		return;
	for (int64_t at = 0; at < w->rows; at += n) {
		struct mat rows = weight_rows(c, w, t, at, &n, "linear_bwd");

		if (rows.p)
			cuda_product(c, "linear_bwd", to, mat_cols(dy, at, n), false, rows, false,
				     1, at > 0, NULL);
	}
	if (to.p != dx.p)
		cuda_cast(d, dx, to);
}

int cuda_steady_rows(struct dev *d, int n)
{
	(void)d;
	return n;
}
