/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Choosing the next token from logits, with the semantics and in the order of Hugging Face's
 * generate: repetition penalty, temperature, top-k, top-p, min-p, then a draw.
 */
#ifndef CHAT_SAMPLE_H
#define CHAT_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

struct sampling {
	double temperature; /* 0: the largest logit, lowest id on ties */
	double top_p; /* 1: all */
	double min_p; /* share of the likeliest token's probability; 0: all */
	double repetition_penalty; /* 1: none */
	long top_k; /* 0: all */
	uint64_t seed;
	long max_new_tokens;
};

/* Greedy, everything else off. */
extern const struct sampling sampling_default;

/* Working memory, kept from token to token; starts as {0}, closing {0} is fine. */
struct sampler {
	struct candidate *heap;
	uint8_t *seen; /* all 0 between calls */
	size_t n;
};

/* What stands before the token to be chosen. */
struct history {
	const uint32_t *prompt, *out;
	size_t n_prompt, n_out;
};

#define SAMPLE_BROKEN UINT32_MAX

/*
 * The next id; logits (n) are changed. The draw is number n_prompt + n_out of the seed's stream
 * `stream`: the same seed, stream and position draw the same. SAMPLE_BROKEN: no logit is a number.
 */
uint32_t sample_token(struct sampler *w, float *logits, size_t n, const struct history *h,
		      const struct sampling *s, uint32_t stream);
void sampler_close(struct sampler *w);

#endif
