/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rig of the op tests. A case is a function that asks the rig for inputs and outputs and calls
 * one op. It is run on ref and on every back end with the same seed, so that the same buffers hold
 * the same numbers, and then the rigs are compared: outputs within tolerance, inputs unchanged,
 * and nothing written between or behind the rows of a view. The bench runs the same cases.
 */
#ifndef TESTS_OPS_CHECK_H
#define TESTS_OPS_CHECK_H

#include "base/mem.h"
#include "base/tool.h"
#include "kernels/ops.h"
#include "tests/ops/tolerances.h"
#include "tests/tap.h"

#define SLOTS      16
#define GUARD      64 /* bytes behind a buffer that nobody may write */
#define CANARY     0xff /* a NaN in every float type: an output that is read or left shows */
#define BENCH_RUNS 9

/* LENT: an input that the op may spoil. */
enum role { IN, OUT, LENT };

/* Rows of cols elements, ld apart, the first of them `first` elements into the buffer. */
struct slot {
	const char *name;
	enum role role;
	enum dtype t;
	int64_t rows, cols, ld, first;
	double magnitude;
	size_t bytes;
	unsigned char *before, *after; /* host */
	void *p; /* device */
};

struct rig {
	struct dev *d;
	const struct ops *ops;
	enum dtype t; /* the activations' type */
	bool wide; /* F,A: take F */
	bool extreme; /* strided views, values with zeros and far apart; else dense and [-1, 1] */
	float amp; /* no input is larger */
	const int64_t *s; /* shape: the case knows what the numbers are */
	uint64_t state;
	struct slot slot[SLOTS];
	int n;
	bool bench;
	int runs;
	double started, seconds[BENCH_RUNS], flops, bytes_moved;
};

/* A small generator: thousands of buffers are filled (splitmix64). */
static inline uint64_t rig_bits(struct rig *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline float rig_uniform(struct rig *r)
{
	return (float)(rig_bits(r) >> 40) * 0x1p-23f - 1;
}

static float rig_value(struct rig *r)
{
	float u = rig_uniform(r);

	if (!r->extreme)
		return u;
	switch (rig_bits(r) % 8) {
	case 0:
		return u < 0 ? -0.0f : 0.0f;
	case 1:
		return u * 1e-30f;
	case 2:
		return u < 0 ? -r->amp : r->amp;
	default:
		return u * r->amp / 8;
	}
}

static inline void rig_put(struct slot *s, int64_t i, int64_t j, float x)
{
	int64_t at = s->first + i * s->ld + j;

	if (s->t == DT_BF16)
		((uint16_t *)s->before)[at] = f32_to_bf16(x);
	else
		((float *)s->before)[at] = x;
}

/* A buffer full of canaries; a view of it with gaps when `gaps` and the rig wants them. */
static struct slot *rig_slot(struct rig *r, const char *name, enum role role, enum dtype t,
			     int64_t rows, int64_t cols, bool gaps)
{
	struct slot *s = &r->slot[r->n++];

	*s = (struct slot){ .name = name, .role = role, .t = t, .rows = rows, .cols = cols };
	s->first = gaps && r->extreme ? 1 : 0;
	s->ld = cols + 3 * s->first;
	s->magnitude = r->amp;
	s->bytes = (size_t)(s->first + rows * s->ld) * mat_elem(t) + GUARD;
	s->before = mem_new(s->bytes, 1);
	memset(s->before, CANARY, s->bytes);
	return s;
}

static struct mat rig_send(struct rig *r, struct slot *s)
{
	struct err err;

	s->p = r->ops->alloc(r->d, s->bytes, &err);
	if (!s->p) {
		note("%s", err.msg);
		exit(2);
	}
	r->ops->upload(r->d, s->p, s->before, s->bytes);
	return mat_cols(mat_view(s->p, s->t, s->rows, s->ld), s->first, s->cols);
}

static void rig_fill(struct rig *r, struct slot *s)
{
	for (int64_t i = 0; i < s->rows; i++)
		for (int64_t j = 0; j < s->cols; j++)
			rig_put(s, i, j, rig_value(r));
}

static struct mat rig_in(struct rig *r, const char *name, enum dtype t, int64_t rows, int64_t cols)
{
	struct slot *s = rig_slot(r, name, IN, t, rows, cols, true);

	rig_fill(r, s);
	return rig_send(r, s);
}

static struct mat rig_out(struct rig *r, const char *name, enum dtype t, int64_t rows, int64_t cols,
			  double magnitude)
{
	struct slot *s = rig_slot(r, name, OUT, t, rows, cols, true);

	s->magnitude = magnitude;
	return rig_send(r, s);
}

/* An output that holds numbers before: +=, or in place. */
static struct mat rig_inout(struct rig *r, const char *name, enum dtype t, int64_t rows,
			    int64_t cols, double magnitude)
{
	struct slot *s = rig_slot(r, name, OUT, t, rows, cols, true);

	s->magnitude = magnitude;
	rig_fill(r, s);
	return rig_send(r, s);
}

/* n floats without gaps, in [lo, hi). */
static float *rig_floats(struct rig *r, const char *name, int64_t n, float lo, float hi)
{
	struct slot *s = rig_slot(r, name, IN, DT_F32, 1, n, false);

	for (int64_t i = 0; i < n; i++)
		rig_put(s, 0, i, lo + (hi - lo) * (0.5f + 0.5f * rig_uniform(r)));
	return rig_send(r, s).p;
}

static float *rig_out_floats(struct rig *r, const char *name, int64_t n, double magnitude)
{
	struct slot *s = rig_slot(r, name, OUT, DT_F32, 1, n, false);

	s->magnitude = magnitude;
	return rig_send(r, s).p;
}

/* n numbers below `below`. */
static int32_t *rig_ids(struct rig *r, const char *name, int64_t n, int64_t below)
{
	struct slot *s = rig_slot(r, name, IN, DT_I32, 1, n, false);

	for (int64_t i = 0; i < n; i++)
		((int32_t *)s->before)[i] = (int32_t)(rig_bits(r) % (uint64_t)below);
	return rig_send(r, s).p;
}

static inline void *rig_ints(struct rig *r, const char *name, const void *v, size_t bytes)
{
	struct slot *s = rig_slot(r, name, IN, DT_I32, 1, (int64_t)bytes / 4, false);

	memcpy(s->before, v, bytes);
	return rig_send(r, s).p;
}

/* RIG_CALL(r) op(...): once in a test; in the bench one warm-up and BENCH_RUNS timed ones. */
#define RIG_CALL(r) for ((r)->runs = -1; rig_again(r);)

static bool rig_again(struct rig *r)
{
	struct err err;
	int last = r->bench ? BENCH_RUNS : 0;

	if (r->bench)
		r->ops->sync(r->d, &err);
	if (r->runs > 0)
		r->seconds[r->runs - 1] = clock_now() - r->started;
	if (r->runs++ == last)
		return false;
	r->started = clock_now();
	return true;
}

/* Waits, fetches all buffers and gives the device's memory back. 0 or -1. */
static int rig_collect(struct rig *r)
{
	struct err err;
	int bad = r->ops->sync(r->d, &err);

	if (bad)
		note("%s: %s", r->ops->name, err.msg);
	for (int i = 0; i < r->n; i++) {
		struct slot *s = &r->slot[i];

		s->after = mem_new(s->bytes, 1);
		r->ops->download(r->d, s->after, s->p, s->bytes);
		r->ops->free(r->d, s->p);
		s->p = NULL;
	}
	return bad;
}

static void rig_free(struct rig *r)
{
	for (int i = 0; i < r->n; i++) {
		mem_free(r->slot[i].before);
		mem_free(r->slot[i].after);
	}
	r->n = 0;
}

/* What came of the comparisons of one op, back end and type. */
struct verdict {
	int cases, bad;
	double worst; /* largest |got - want| / (|want| + magnitude) */
	double share; /* largest part of its bound that an error took */
	char first[400]; /* what is wrong with the first bad case */
};

__attribute__((format(printf, 2, 3))) static void verdict_bad(struct verdict *v, const char *fmt,
							      ...)
{
	va_list ap;

	if (v->bad++)
		return;
	va_start(ap, fmt);
	vsnprintf(v->first, sizeof(v->first), fmt, ap);
	va_end(ap);
}

static double slot_value(const struct slot *s, const unsigned char *bytes, int64_t at)
{
	return s->t == DT_BF16 ? bf16_to_f32(((const uint16_t *)bytes)[at])
			       : ((const float *)bytes)[at];
}

/* Is every byte that is no element of the view what it was? */
static bool gaps_stand(const struct slot *s)
{
	size_t size = mat_elem(s->t), from = 0;

	for (int64_t i = 0; i <= s->rows; i++) {
		size_t to = i < s->rows ? (size_t)(s->first + i * s->ld) * size : s->bytes;

		if (memcmp(s->before + from, s->after + from, to - from))
			return false;
		from = to + (size_t)s->cols * size;
	}
	return true;
}

static void judge_out(struct verdict *v, const struct slot *got, const struct slot *want,
		      const struct tolerance *tol, enum dtype t, const char *where)
{
	bool exact = tol->rel == 0 && tol->abs_f32 == 0;
	double rel = exact ? 0 : tol->rel + (got->t == DT_BF16 ? BF16_STEP : 0);
	double abs = (t == DT_BF16 ? tol->abs_bf16 : tol->abs_f32) * got->magnitude;
	size_t size = mat_elem(got->t);

	for (int64_t k = 0; k < got->rows * got->cols; k++) {
		int64_t i = k / got->cols, j = k % got->cols;
		int64_t at = got->first + i * got->ld + j;
		double g, w, e, bound;

		if (!memcmp(got->after + (size_t)at * size, want->after + (size_t)at * size, size))
			continue;
		g = slot_value(got, got->after, at);
		w = slot_value(want, want->after, at);
		e = fabs(g - w);
		bound = rel * fabs(w) + abs;
		if (!(e <= bound)) {
			verdict_bad(v, "%s: %s[%lld][%lld] is %.9g, ref has %.9g, bound %.3g",
				    where, got->name, (long long)i, (long long)j, g, w, bound);
			return;
		}
		v->share = fmax(v->share, e / bound);
		v->worst = fmax(v->worst, e / (fabs(w) + got->magnitude));
	}
}

static void judge(struct verdict *v, const struct rig *got, const struct rig *want,
		  const struct tolerance *tol, const char *where)
{
	v->cases++;
	for (int i = 0; i < got->n; i++) {
		const struct slot *s = &got->slot[i];

		if (!gaps_stand(s))
			verdict_bad(v, "%s: wrote beside or behind %s", where, s->name);
		else if (s->role == IN && memcmp(s->before, s->after, s->bytes))
			verdict_bad(v, "%s: changed its input %s", where, s->name);
		else if (s->role == OUT && want)
			judge_out(v, s, &want->slot[i], tol, got->t, where);
	}
}

/* The same bytes in both? */
static void judge_same(struct verdict *v, const struct rig *a, const struct rig *b,
		       const char *where)
{
	for (int i = 0; i < a->n; i++)
		if (a->slot[i].role == OUT &&
		    memcmp(a->slot[i].after, b->slot[i].after, a->slot[i].bytes))
			verdict_bad(v, "%s: %s differs from the run with one thread", where,
				    a->slot[i].name);
}

#endif
