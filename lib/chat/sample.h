/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing the next token from logits, with the semantics and in the order of Hugging Face's
 * generate: repetition penalty, temperature, top-k, top-p, then a draw. */
#ifndef CHAT_SAMPLE_H
#define CHAT_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

struct sampling {
	double temperature; /* 0: the largest logit, lowest id on ties */
	double top_p; /* 1: all */
	double repetition_penalty; /* 1: none */
	long top_k; /* 0: all */
	uint64_t seed;
	long max_new_tokens;
};

/* Greedy, everything else off. */
extern const struct sampling sampling_default;

/* logits (n) are changed. history: prompt and answer so far. stream and position name the draw: the
 * same seed, stream and position draw the same number. */
uint32_t sample_token(float *logits, size_t n, const uint32_t *prompt, size_t n_prompt,
		      const uint32_t *out, size_t n_out, const struct sampling *s, uint32_t stream);

#endif
