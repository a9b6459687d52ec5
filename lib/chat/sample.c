/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/sample.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>

const struct sampling sampling_default = {
	.temperature = 0, .top_p = 1, .repetition_penalty = 1, .max_new_tokens = 512
};

struct candidate {
	float logit;
	uint32_t id;
};

/* Every id of the history once: logits above 0 are divided, those below multiplied. */
static void penalise(float *logits, size_t n, const uint32_t *v, size_t count, double penalty,
		     uint8_t *seen)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t id = v[i];

		if (id >= n || seen[id])
			continue;
		seen[id] = 1;
		logits[id] = (float)(logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty);
	}
}

static void forget(const uint32_t *v, size_t count, size_t n, uint8_t *seen)
{
	for (size_t i = 0; i < count; i++)
		if (v[i] < n)
			seen[v[i]] = 0;
}

/* The largest number, the lowest id on ties; SAMPLE_BROKEN when all are NaN or -Inf. */
static uint32_t largest(const float *logits, size_t n)
{
	float best = -INFINITY;
	uint32_t id = SAMPLE_BROKEN;

	for (size_t i = 0; i < n; i++)
		if (logits[i] > best) {
			best = logits[i];
			id = (uint32_t)i;
		}
	return best < INFINITY ? id : SAMPLE_BROKEN;
}

/* By falling logit, then by id: an order that no tie leaves open. */
static bool before(struct candidate a, struct candidate b)
{
	return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

static void sink(struct candidate *heap, size_t n, size_t i)
{
	struct candidate c = heap[i];

	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		child += child + 1 < n && before(heap[child + 1], heap[child]);
		if (!before(heap[child], c))
			break;
		heap[i] = heap[child];
	}
	heap[i] = c;
}

/*
 * Candidates in order, as far as they are asked for: of a whole vocabulary a few are needed, so a
 * heap (n steps to build, log n a candidate) beats sorting. Those taken lie at the array's end.
 */
struct ranking {
	struct candidate *c;
	size_t n, left; /* all; still in the heap */
};

static struct candidate ranked(struct ranking *r, size_t i)
{
	while (r->n - r->left <= i) {
		struct candidate first = r->c[0];

		r->c[0] = r->c[--r->left];
		if (r->left)
			sink(r->c, r->left, 0);
		r->c[r->left] = first;
	}
	return r->c[r->n - 1 - i];
}

/* How many stay after top-k: all that tie with the k-th stay with it. */
static size_t cut_top_k(struct ranking *r, long k)
{
	size_t keep = (size_t)k;
	float last;

	if (k <= 0 || keep >= r->n)
		return r->n;
	last = ranked(r, keep - 1).logit;
	while (keep < r->n && ranked(r, keep).logit == last)
		keep++;
	return keep;
}

/* Sum of the unnormalised probabilities of the first `keep` (the largest logit is 0). */
static double mass(struct ranking *r, size_t keep)
{
	double sum = 0;

	if (keep == r->n) {
		for (size_t i = 0; i < r->n; i++) /* in whatever order: no ranking needed */
			sum += exp(r->c[i].logit);
		return sum;
	}
	for (size_t i = 0; i < keep; i++)
		sum += exp(ranked(r, i).logit);
	return sum;
}

/* How many of the first `keep` are at least min_p times as likely as the first. */
static size_t cut_min_p(struct ranking *r, size_t keep, double min_p)
{
	size_t n = 1;

	while (n < keep && exp(ranked(r, n).logit) >= min_p)
		n++;
	return n;
}

/* Top-k, then the smallest set whose probability reaches top_p (at least one), then min-p, then the
 * draw u. */
static uint32_t draw(struct ranking *r, const struct sampling *s, double u)
{
	size_t keep = cut_top_k(r, s->top_k);
	double total = mass(r, keep), sum = 0;
	size_t i = 0;

	if (s->top_p < 1) {
		for (; i < keep && (i == 0 || sum < s->top_p * total); i++)
			sum += exp(ranked(r, i).logit);
		keep = i;
		total = sum;
	}
	if (s->min_p > 0) {
		keep = cut_min_p(r, keep, s->min_p);
		total = mass(r, keep);
	}
	sum = 0;
	for (i = 0; i + 1 < keep; i++) {
		sum += exp(ranked(r, i).logit);
		if (u * total < sum)
			break;
	}
	return ranked(r, i).id;
}

static void make_room(struct sampler *w, size_t n)
{
	if (w->n >= n)
		return;
	sampler_close(w);
	w->heap = mem_new(n, sizeof(*w->heap));
	w->seen = mem_new(n, sizeof(*w->seen));
	w->n = n;
}

uint32_t sample_token(struct sampler *w, float *logits, size_t n, const struct history *h,
		      const struct sampling *s, uint32_t stream)
{
	struct ranking r = { .n = n, .left = n };
	uint32_t best;
	double u;

	make_room(w, n);
	if (s->repetition_penalty != 1) {
		penalise(logits, n, h->prompt, h->n_prompt, s->repetition_penalty, w->seen);
		penalise(logits, n, h->out, h->n_out, s->repetition_penalty, w->seen);
		forget(h->prompt, h->n_prompt, n, w->seen);
		forget(h->out, h->n_out, n, w->seen);
	}
	best = largest(logits, n);
	if (s->temperature <= 0 || best == SAMPLE_BROKEN)
		return best;
	r.c = w->heap;
	/* Relative to the largest, so that no temperature overflows. */
	for (size_t i = 0; i < n; i++) {
		double x = ((double)logits[i] - logits[best]) / s->temperature;

		r.c[i] = (struct candidate){ isnan(x) ? -INFINITY : (float)x, (uint32_t)i };
	}
	for (size_t i = n / 2; i-- > 0;)
		sink(r.c, n, i);
	u = ((double)rng_u32(s->seed, RNG_SAMPLE + stream, h->n_prompt + h->n_out) + 0.5) * 0x1p-32;
	return draw(&r, s, u);
}

void sampler_close(struct sampler *w)
{
	mem_free(w->heap);
	mem_free(w->seen);
	*w = (struct sampler){ 0 };
}
