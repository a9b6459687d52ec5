/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frozen model on a device: the map of its weights. One transformer with switches:
 * x = E[id]; per layer: x += Wo attn(rope(Wqkv norm(x))); x += Wdown swiglu(Wgate_up norm(x));
 * logits = Whead norm(x). With qk_norm every head's q and k pass a norm of their own before rope.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "kernels/ops.h"
#include "model/arch.h"
#include "model/source.h"

struct layer {
	float *attn_norm, *ffn_norm; /* (D) */
	float *q_norm, *k_norm; /* (E); NULL: none */
	struct weight *qkv; /* ((H + 2K) E, D): q, k, v one below the other */
	struct weight *o; /* (D, H E) */
	struct weight *gate_up; /* (2F, D) */
	struct weight *down; /* (D, F) */
	float *qkv_bias, *o_bias, *gate_up_bias, *down_bias; /* NULL: none */
};

struct model {
	struct dev *dev;
	struct arch arch;
	enum dtype
		act; /* of activations: F32 or BF16; of weights, too, but for blocks that are kept */
	struct mat embed; /* (V, D) */
	struct weight *head; /* (V, D) */
	float *norm; /* (D) */
	struct layer *layers;
	float *cos_table, *sin_table; /* (n_positions, E/2), with yarn's factor */
	int n_positions;
};

/* Called with every weight matrix of a layer (fp32, on the device) before it is prepared: merges
 * adapters. */
struct weight_hook {
	int (*apply)(void *arg, struct dev *dev, const char *name, struct mat w, struct err *err);
	void *arg;
};

struct model_options {
	enum dtype act; /* DT_COUNT: what suits the checkpoint and the device */
	bool train; /* prepare weights for the backward pass too */
	bool stored; /* matrices in blocks (GGUF) stay as they are stored; not with a hook */
	int n_positions; /* positions that will be used; 0: all there are, at most 8192 */
	const struct weight_hook *hook; /* NULL: none */
};

/* Reads everything from src (which may be closed afterwards). dev is borrowed. */
int model_open(struct model *m, struct dev *dev, const struct source *src,
	       const struct model_options *o, struct err *err);
void model_close(struct model *m); /* fine on {0} */
/* Positions that model_open prepares: those asked for, as far as there are so many; 0: at most 8192.
 * Dynamic scaling changes what stands before the positions it adds, so these have to be asked for. */
int model_positions(const struct arch *a, int asked);
/* All but the weights, which model_open does first: enough to plan with. */
void model_describe(struct model *m, struct dev *dev, const struct source *src,
		    const struct model_options *o);

/* What model_open takes on the device. */
struct model_part {
	const char *name; /* "qkv": of all layers */
	size_t bytes;
};

#define MODEL_PARTS 9

/* Of a model that was described; bytes beside them while it loads in *staging. */
void model_parts(const struct model *m, bool train, struct model_part parts[MODEL_PARTS],
		 size_t *staging);

#endif
