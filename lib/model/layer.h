/* SPDX-License-Identifier: Apache-2.0 */
/* What forward.c, backward.c and pass.c share: where a layer's buffers lie, and the forward pass of
 * one layer, which the backward pass runs again when it recomputes. */
#ifndef MODEL_LAYER_H
#define MODEL_LAYER_H

#include "model/pass.h"

#include <math.h>

/* Columns of the stacked q, k, v. */
static inline int layer_qkv(const struct arch *a)
{
	return (a->n_heads + 2 * a->n_kv_heads) * a->head_size;
}

/* Columns of q and k. */
static inline int layer_qk(const struct arch *a)
{
	return (a->n_heads + a->n_kv_heads) * a->head_size;
}

/* Loss rows whose logits exist at a time. */
static inline int head_chunk(int rows)
{
	return rows < 128 ? rows : 128;
}

/* Layers whose buffers exist at a time. */
static inline int layer_slots(const struct pass *p)
{
	return p->o.train ? p->m->arch.n_layers - p->o.recompute : 1;
}

/* Where a layer's buffers lie. Those that are computed again use the lowest kept layer's, which the
 * forward pass writes after them, and the backward pass is done with before. */
static inline int layer_slot(const struct pass *p, int layer)
{
	return p->o.train && layer > p->o.recompute ? layer - p->o.recompute : 0;
}

/* Where a layer's input lies, or behind the last one's the output; below first_layer it is in place. */
static inline int layer_input(const struct pass *p, int layer)
{
	return !p->o.train || layer < p->o.first_layer ? 0 : layer - p->o.first_layer;
}

/* A layer's buffers as matrices of T rows. */
struct layer_view {
	struct mat x, x_mid, x_next; /* (T, D)/F */
	float *rstd_attn, *rstd_ffn, *lse;
	float *rstd_q, *rstd_k; /* (T, H), (T, K); with qk_norm */
	struct mat qk; /* (T, (H + K) E)/A: q and k before their norm; kept when training */
	struct mat qkv, q, k, v; /* qkv and its parts, /A, after RoPE */
	struct mat o; /* (T, H E)/A */
	struct mat gate_up, gate, up; /* (T, 2F)/A and its halves */
	struct mat u; /* (T, width)/A: s x A^T of all groups */
};

struct layer_view layer_view(const struct pass *p, int layer, int n_tokens,
			     const struct lora *lora);
/* The part of u that belongs to a group. */
struct mat layer_u(const struct lora *lora, int layer, enum lora_group g, struct mat u);
/* x_next of the layer from x; `again`: only what the backward pass reads, x_next is there. */
void layer_forward(struct pass *p, const struct batch *b, const struct lora *lora,
		   const struct kv *kv, int layer, bool again);
/* The input of module m's A: x itself, or a copy with dropout applied. */
struct mat layer_dropped(const struct pass *p, const struct lora *lora, int layer,
			 enum lora_module m, struct mat x);
static inline bool layer_drops(const struct pass *p, const struct lora *lora)
{
	return lora->dropout > 0 && p->dropout_seed;
}

#endif
