/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/sample.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

const struct sampling sampling_default = {
	.temperature = 0, .top_p = 1, .repetition_penalty = 1, .max_new_tokens = 512
};

struct candidate {
	uint32_t id;
	float logit;
	double p;
};

/* Every id of the history once: logits above 0 are divided, those below multiplied. */
static void penalise(float *logits, size_t n, const uint32_t *v, size_t count, double penalty,
		     uint8_t *seen)
{
	for (size_t i = 0; i < count; i++) {
		if (v[i] >= n || seen[v[i]])
			continue;
		seen[v[i]] = 1;
		logits[v[i]] =
			(float)(logits[v[i]] < 0 ? logits[v[i]] * penalty : logits[v[i]] / penalty);
	}
}

static uint32_t largest(const float *logits, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		if (logits[i] > logits[best])
			best = i;
	return (uint32_t)best;
}

/* By falling logit, then by id: an order that no tie leaves open. */
static int by_logit(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->logit != y->logit)
		return x->logit < y->logit ? 1 : -1;
	return x->id < y->id ? -1 : 1;
}

/* Softmax over the first n candidates (sorted). */
static void softmax(struct candidate *c, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += c[i].p = exp((double)c[i].logit - c[0].logit);
	for (size_t i = 0; i < n; i++)
		c[i].p /= sum;
}

/* How many candidates stay: top-k keeps all that tie with the k-th; top-p the smallest set whose
 * probability reaches p, at least one. */
static size_t cut(struct candidate *c, size_t n, const struct sampling *s)
{
	double sum = 0;
	size_t keep = n;

	if (s->top_k > 0 && (size_t)s->top_k < n) {
		keep = (size_t)s->top_k;
		while (keep < n && c[keep].logit == c[keep - 1].logit)
			keep++;
	}
	softmax(c, keep);
	for (size_t i = 0; s->top_p < 1 && i < keep; i++) {
		sum += c[i].p;
		if (sum >= s->top_p)
			keep = i + 1;
	}
	softmax(c, keep);
	return keep;
}

uint32_t sample_token(float *logits, size_t n, const uint32_t *prompt, size_t n_prompt,
		      const uint32_t *out, size_t n_out, const struct sampling *s, uint32_t stream)
{
	struct candidate *c;
	double u, sum = 0;
	uint32_t id;
	size_t keep, i;

	if (s->repetition_penalty != 1) {
		uint8_t *seen = mem_new(n, 1);

		penalise(logits, n, prompt, n_prompt, s->repetition_penalty, seen);
		penalise(logits, n, out, n_out, s->repetition_penalty, seen);
		mem_free(seen);
	}
	if (s->temperature <= 0)
		return largest(logits, n);
	c = mem_new(n, sizeof(*c));
	for (i = 0; i < n; i++)
		c[i] = (struct candidate){ (uint32_t)i, (float)(logits[i] / s->temperature), 0 };
	qsort(c, n, sizeof(*c), by_logit);
	keep = cut(c, n, s);
	u = ((double)rng_u32(s->seed, RNG_SAMPLE + stream, n_prompt + n_out) + 0.5) * 0x1p-32;
	for (i = 0; i + 1 < keep; i++) {
		sum += c[i].p;
		if (u < sum)
			break;
	}
	id = c[i].id;
	mem_free(c);
	return id;
}
