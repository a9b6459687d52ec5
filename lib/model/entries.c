/* SPDX-License-Identifier: Apache-2.0 */
#include "model/entries.h"

#include "model/lora.h"

#include <stdio.h>
#include <string.h>

static void entry(struct entries *e, enum dtype t, int64_t rows, int64_t cols, const char *fmt,
		  int layer, const char *part)
{
	char name[160];

	snprintf(name, sizeof(name), fmt, layer, part);
	e->v = mem_grow(e->v, e->n + 1, sizeof(*e->v));
	e->v[e->n++] = (struct tensor_entry){ arena_strndup(&e->arena, name, strlen(name)),
					      t,
					      rows ? 2 : 1,
					      { (uint64_t)(rows ? rows : cols), (uint64_t)cols } };
}

void entries_list(struct entries *e, const struct arch *a, enum dtype t)
{
	const char *weight = "model.layers.%d.%s.weight", *bias = "model.layers.%d.%s.bias";

	entry(e, t, a->vocab, a->hidden, "model.embed_tokens.weight", 0, "");
	for (int l = 0; l < a->n_layers; l++) {
		entry(e, t, 0, a->hidden, weight, l, "input_layernorm");
		entry(e, t, 0, a->hidden, weight, l, "post_attention_layernorm");
		if (a->qk_norm) {
			entry(e, t, 0, a->head_size, weight, l, "self_attn.q_norm");
			entry(e, t, 0, a->head_size, weight, l, "self_attn.k_norm");
		}
		for (int m = 0; m < LORA_MODULES; m++) {
			int out = lora_out(a, (enum lora_module)m);
			bool biased = m <= LORA_V   ? a->qkv_bias
				      : m == LORA_O ? a->o_bias
						    : a->mlp_bias;

			entry(e, t, out, lora_in(a, lora_group_of[m]), weight, l,
			      lora_module_path[m]);
			if (biased)
				entry(e, t, 0, out, bias, l, lora_module_path[m]);
		}
	}
	entry(e, t, 0, a->hidden, "model.norm.weight", 0, "");
	if (!a->tied)
		entry(e, t, a->vocab, a->hidden, "lm_head.weight", 0, "");
}

void entries_free(struct entries *e)
{
	arena_free(&e->arena);
	mem_free(e->v);
}
