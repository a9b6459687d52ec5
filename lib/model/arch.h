/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model is: its dimensions and switches, read from a Hugging Face config.json (v4 and v5
 * spellings) or from GGUF metadata, and checked: every later size computation stays in range.
 */
#ifndef MODEL_ARCH_H
#define MODEL_ARCH_H

#include "base/err.h"
#include "base/mem.h"
#include "format/gguf_writer.h"
#include "model/rope.h"

#define ARCH_MAX_LAYERS 1024

struct arch {
	char model_type[16]; /* "llama", "mistral", "qwen2", "qwen3" */
	int hidden; /* D */
	int ffn; /* F */
	int n_layers; /* L */
	int n_heads, n_kv_heads; /* H, K */
	int head_size; /* E */
	int vocab; /* V: rows of the embedding, padding included */
	int max_positions; /* as trained; rope_context: as usable */
	float rms_eps;
	struct rope rope;
	bool tied; /* the head is the embedding */
	bool qkv_bias, o_bias, mlp_bias;
	bool qk_norm; /* q and k of every head pass an RMSNorm before the rotation */
	int window; /* keys that a token sees, itself included, in the layers that have a window */
	uint64_t windowed[ARCH_MAX_LAYERS / 64]; /* a bit a layer */
	enum dtype dtype; /* of the checkpoint: F32, F16, BF16; quantised files: BF16 */
	int64_t bos, eos, pad; /* -1: none */
};

/* text of config.json; name is for messages. */
int arch_from_json(struct arch *a, const char *text, size_t n, const char *name, struct err *err);
int arch_from_gguf(struct arch *a, const struct gguf *g, const char *name, struct err *err);
/* The window of a layer's attention; 0: it sees everything. */
static inline int arch_window(const struct arch *a, int layer)
{
	return a->windowed[layer / 64] >> layer % 64 & 1 ? a->window : 0;
}

/* What GGUF calls this kind of model. */
const char *arch_gguf_name(const struct arch *a);
/* True when a GGUF file of this kind holds the rows of q and k in the order of an interleaved
 * rotation. */
bool arch_gguf_permutes(const struct arch *a);
/* Dimensions that are possible, so that sizes computed from them stay in range. */
int arch_check(const struct arch *a, const char *name, struct err *err);
/* The metadata of a GGUF file below arch_gguf_name, as llama.cpp reads it; -1: it has no words for
 * this model. Llama 3's scaling is not in it but in the tensor rope_freqs.weight. */
int arch_write_gguf(const struct arch *a, struct gguf_meta *m, struct err *err);
/* The type that a matrix of cols columns and GGUF's name gets in a file of type `wanted`: what
 * llama-quantize chooses without an importance matrix, of Q4_K the mixture Q4_K_M. Vectors are F32. */
enum dtype arch_gguf_type(const struct arch *a, const char *name, int64_t cols, enum dtype wanted);
/* config.json, as transformers 4 and 5 read it, for weights of this type. */
void arch_write_json(const struct arch *a, enum dtype dtype, struct buf *out);

#endif
