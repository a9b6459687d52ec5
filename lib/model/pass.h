/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass of a micro-batch through a model: its buffers, forward and backward. Every buffer is
 * sized when the pass is opened, from the batch limits; nothing is allocated after.
 *
 * Training keeps per layer what the backward pass reads. Of the lowest `recompute` layers it keeps
 * only the input, and computes the rest again (the same bits) in the buffers of the layer above them,
 * which are done with by then. Inference keeps nothing, and reads and writes a KV cache when one
 * is given.
 */
#ifndef MODEL_PASS_H
#define MODEL_PASS_H

#include "model/batch.h"
#include "model/lora.h"
#include "model/model.h"

/* Key/value cache: n_slots timelines of `capacity` tokens; slot s holds rows [s capacity, ...). */
struct kv {
	struct dev *dev;
	int n_layers, n_slots, capacity;
	struct mat *k, *v; /* per layer (n_slots * capacity, K E)/act */
};

int kv_open(struct kv *kv, const struct model *m, int n_slots, int capacity, struct err *err);
void kv_close(struct kv *kv); /* fine on {0} */

struct pass_options {
	struct batch_limits limits;
	bool train;
	bool dropout; /* of the adapters' inputs, in training */
	int first_layer; /* the lowest that the backward pass reaches: nothing below is kept */
	int recompute; /* lowest layers that are computed again; at least first_layer, not the topmost */
	int lora_width,
		lora_rows; /* the widest layer and group of the adapters to be used; 0: none */
};

/* One planned buffer. */
struct plan_item {
	const char *name; /* "activations.qkv" */
	size_t bytes;
	void **at;
};

#define PLAN_MAX 64

struct pass {
	struct model *m;
	struct pass_options o;
	struct plan_item plan[PLAN_MAX];
	int n_plan;
	/* the batch, on the device */
	int32_t *ids, *pos, *rows, *targets;
	struct attn_seg *segs;
	struct attn_range *ranges;
	struct attn_shape shape;
	/* in training slots of a layer each, else one for all; x: inputs (stride: one layer). layer.h */
	float *x, *x_mid, *rstd_attn, *rstd_ffn, *rstd_qk, *lse;
	void *qkv, *qk, *o_attn, *gate_up, *u;
	/* scratch */
	void *h, *act_ffn; /* norm output (T, D), swiglu output (T, F) */
	float *wide; /* (T, max(N_qkv, 2F, D, F, H E)) */
	float *rstd_head, *x_rows, *logits, *logp, *coef;
	void *h_rows, *dlogits, *dropped;
	float *dx, *dh_rows, *dx_rows, *qk_wide, *dqk;
	void *dy, *dwide, *dattn, *du;
	uint64_t dropout_seed; /* 0: no dropout (evaluation) */
};

/* Plans and allocates. pass->plan names every buffer. m is borrowed. */
int pass_open(struct pass *p, struct model *m, const struct pass_options *o, struct err *err);
void pass_close(struct pass *p); /* fine on {0} */
/* Fills in the plan without allocating: sizes for --plan. */
void pass_plan(struct pass *p, struct model *m, const struct pass_options *o);
size_t pass_bytes(const struct pass *p);
/* What a pass of these limits asks of the back end. */
struct op_limits pass_op_limits(const struct pass *p);

/* Hidden states of the batch. lora NULL: the base alone; kv NULL: keys are the batch's own. */
void pass_forward(struct pass *p, const struct batch *b, const struct lora *lora,
		  const struct kv *kv);
/* After pass_forward: log-probabilities of the batch's loss rows, into host logp (n_rows). With
 * `gradient`, keeps the gradient of -logp of every row for unit weight. */
void pass_head(struct pass *p, const struct batch *b, float *logp, bool gradient);
/* After pass_forward: logits (n_rows, V) of the batch's rows into host memory. */
void pass_logits(struct pass *p, const struct batch *b, float *logits);
/* After pass_head with gradient: loss = sum_i coef[i] * -logp[i]; adds to lora->grad. */
void pass_backward(struct pass *p, const struct batch *b, struct lora *lora, const float *coef);

#endif
