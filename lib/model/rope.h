/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rotary positions: how fast each pair of a head's numbers turns. Pair j of E/2 turns by
 * theta^(-2j/E) a position; a scaling changes that so that more positions can be told apart. The
 * formulas are those of transformers' modeling_rope_utils; yarn is arXiv 2309.00071.
 */
#ifndef MODEL_ROPE_H
#define MODEL_ROPE_H

#include "base/err.h"
#include "base/jsonw.h"
#include "format/gguf.h"

#define ROPE_MAX_HEAD 1024 /* largest head size E */

struct json_t;

enum rope_type {
	ROPE_DEFAULT,
	ROPE_LINEAR, /* all slower by factor */
	ROPE_DYNAMIC, /* a larger theta once max_positions are exceeded */
	ROPE_LLAMA3, /* the slow ones slower by factor */
	ROPE_YARN, /* as llama3, with another ramp; and cos and sin scaled */
	ROPE_DIVISORS, /* each by its own divisor: GGUF's rope_freqs, transformers' longrope */
};

struct rope {
	enum rope_type type;
	double theta;
	double factor;
	int original; /* positions before scaling; 0: max_positions */
	double low_freq_factor, high_freq_factor; /* llama3 */
	double beta_fast, beta_slow, attention_factor; /* yarn */
	bool truncate; /* yarn: the ramp begins and ends at whole pairs */
	float divisors[ROPE_MAX_HEAD / 2];
};

/* From config.json's rope_theta and rope_scaling (transformers 4) or rope_parameters (5). */
int rope_from_json(struct rope *r, const struct json_t *config, int head_size, const char *name,
		   struct err *err);
/* The keys rope_scaling and rope_theta. */
void rope_write_json(const struct rope *r, int head_size, struct jsonw *w);
/* From the metadata below `arch` ("llama") and the tensor rope_freqs.weight. */
int rope_from_gguf(struct rope *r, const struct gguf *g, const char *arch, int head_size,
		   const char *name, struct err *err);
/* GGUF's rope_freqs (E/2) into out; false when the scaling is not one that is written so. */
bool rope_divisors(const struct rope *r, int head_size, float *out);
/* Positions the model can be used for. */
int rope_context(const struct rope *r, int max_positions);
/* freq (E/2): angle a position. n_positions: how many will be used, which dynamic scaling asks.
 * Returns what cos and sin are to be multiplied with. */
float rope_frequencies(const struct rope *r, int head_size, int max_positions, int n_positions,
		       float *freq);

#endif
