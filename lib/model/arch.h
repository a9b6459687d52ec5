/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model is: its dimensions and switches, read from a Hugging Face config.json (v4 and v5
 * spellings) or from GGUF metadata, and checked: every later size computation stays in range.
 */
#ifndef MODEL_ARCH_H
#define MODEL_ARCH_H

#include "base/err.h"
#include "base/mem.h"
#include "format/gguf.h"

struct arch {
	char model_type[16]; /* "llama", "qwen2" */
	int hidden; /* D */
	int ffn; /* F */
	int n_layers; /* L */
	int n_heads, n_kv_heads; /* H, K */
	int head_size; /* E */
	int vocab; /* V: rows of the embedding, padding included */
	int max_positions;
	float rms_eps;
	double rope_theta;
	bool tied; /* the head is the embedding */
	bool qkv_bias, o_bias, mlp_bias;
	enum dtype dtype; /* of the checkpoint: F32, F16, BF16; quantised files: BF16 */
	int64_t bos, eos, pad; /* -1: none */
};

/* text of config.json; name is for messages. */
int arch_from_json(struct arch *a, const char *text, size_t n, const char *name, struct err *err);
int arch_from_gguf(struct arch *a, const struct gguf *g, const char *name, struct err *err);
/* config.json, as transformers 4 and 5 read it, for weights of this type. */
void arch_write_json(const struct arch *a, enum dtype dtype, struct buf *out);

#endif
