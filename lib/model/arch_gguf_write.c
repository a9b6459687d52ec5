/* SPDX-License-Identifier: Apache-2.0 */
/* What a model is, as the metadata that llama.cpp asks for, and the types of its tensors. */
#include "model/arch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *key(char *room, size_t n, const struct arch *a, const char *name)
{
	snprintf(room, n, "%s.%s", arch_gguf_name(a), name);
	return room;
}

static void write_rope(const struct arch *a, struct gguf_meta *m)
{
	const struct rope *r = &a->rope;
	char k[96];
	double own = 0.1 * log(r->factor) + 1; /* llama.cpp's factor of cos and sin */

	gguf_meta_f32(m, key(k, sizeof(k), a, "rope.freq_base"), (float)r->theta);
	gguf_meta_u32(m, key(k, sizeof(k), a, "rope.dimension_count"), (uint32_t)a->head_size);
	if (r->type != ROPE_LINEAR && r->type != ROPE_YARN)
		return;
	gguf_meta_cstr(m, key(k, sizeof(k), a, "rope.scaling.type"),
		       r->type == ROPE_YARN ? "yarn" : "linear");
	gguf_meta_f32(m, key(k, sizeof(k), a, "rope.scaling.factor"), (float)r->factor);
	if (r->original)
		gguf_meta_u32(m, key(k, sizeof(k), a, "rope.scaling.original_context_length"),
			      (uint32_t)r->original);
	if (r->type == ROPE_LINEAR)
		return;
	if (fabs(r->attention_factor / own - 1) > 1e-6)
		gguf_meta_f32(m, key(k, sizeof(k), a, "rope.scaling.attn_factor"),
			      (float)(r->attention_factor / own));
}

int arch_write_gguf(const struct arch *a, struct gguf_meta *m, struct err *err)
{
	const struct {
		const char *name;
		int value;
	} dims[] = { { "block_count", a->n_layers },
		     { "context_length", a->max_positions },
		     { "embedding_length", a->hidden },
		     { "feed_forward_length", a->ffn },
		     { "attention.head_count", a->n_heads },
		     { "attention.head_count_kv", a->n_kv_heads },
		     { "attention.key_length", a->head_size },
		     { "attention.value_length", a->head_size },
		     { "vocab_size", a->vocab } };
	const struct rope *r = &a->rope;
	char k[96];
	int windowed = 0;

	for (int l = 0; l < a->n_layers; l++)
		windowed += arch_window(a, l) > 0;
	if (windowed && windowed < a->n_layers)
		return err_set(err, "GGUF has no words for a sliding window in %d of %d layers",
			       windowed, a->n_layers);
	if (r->type == ROPE_YARN && (r->beta_fast != 32 || r->beta_slow != 1 || !r->truncate))
		return err_set(err,
			       "llama.cpp knows yarn's ramp with beta_fast 32, beta_slow 1 and "
			       "truncate only; write a folder for transformers");
	for (size_t i = 0; i < sizeof(dims) / sizeof(*dims); i++)
		gguf_meta_u32(m, key(k, sizeof(k), a, dims[i].name), (uint32_t)dims[i].value);
	gguf_meta_f32(m, key(k, sizeof(k), a, "attention.layer_norm_rms_epsilon"), a->rms_eps);
	if (windowed)
		gguf_meta_u32(m, key(k, sizeof(k), a, "attention.sliding_window"),
			      (uint32_t)a->window);
	write_rope(a, m);
	return 0;
}

/* Layers whose attn_v and ffn_down get more bits: the first and the last eighth, and of the others
 * every third. */
static bool more_bits(int layer, int n_layers)
{
	int eighth = n_layers / 8;

	return layer < eighth || layer >= 7 * n_layers / 8 || (layer - eighth) % 3 == 2;
}

/* What fits rows that are no whole blocks of t. */
static enum dtype fitting(enum dtype t, int64_t cols)
{
	if (cols % dtype_info[t].block_elems == 0)
		return t;
	t = t == DT_Q4_K ? DT_Q5_0 : t == DT_Q5_K ? DT_Q5_1 : DT_Q8_0;
	return cols % dtype_info[t].block_elems == 0 ? t : DT_F16;
}

enum dtype arch_gguf_type(const struct arch *a, const char *name, int64_t cols, enum dtype wanted)
{
	const char *head = a->tied ? "token_embd.weight" : "output.weight", *part;
	enum dtype t = wanted;
	int layer = -1, used = 0;

	if (dtype_info[wanted].block_elems == 1)
		return wanted;
	if (!strcmp(name, head)) {
		if (cols % dtype_info[wanted].block_elems)
			t = DT_Q8_0;
		else if (wanted != DT_Q8_0)
			t = DT_Q6_K;
		return fitting(t, cols);
	}
	if (sscanf(name, "blk.%d.%n", &layer, &used) == 1 && used && wanted == DT_Q4_K) {
		part = name + used;
		if (!strcmp(part, "attn_v.weight") || !strcmp(part, "ffn_down.weight"))
			t = more_bits(layer, a->n_layers) ? DT_Q6_K : t;
		/* llama.cpp's "70B": few v heads for its size */
		if (!strcmp(part, "attn_v.weight") && t == DT_Q4_K && a->n_layers == 80 &&
		    a->n_heads != a->n_kv_heads)
			t = DT_Q5_K;
	}
	return fitting(t, cols);
}
