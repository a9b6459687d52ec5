/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LoRA parameters on a device. For a linear y = W x + b with x (in), y (out), rank r:
 * y += scale B (A x), A (r, in), B (out, r). Here B is kept transposed, Bt (r, out).
 *
 * Modules that read the same input form a group, whose A matrices lie one below the other, so that
 * one skinny product serves q, k, v and one gate, up. All parameters of all layers lie in one slab:
 * optimizer and norm see one vector. Gradients are summed into a slab of the same layout.
 */
#ifndef MODEL_LORA_H
#define MODEL_LORA_H

#include "kernels/ops.h"
#include "model/arch.h"

enum lora_module { LORA_Q, LORA_K, LORA_V, LORA_O, LORA_GATE, LORA_UP, LORA_DOWN, LORA_MODULES };
enum lora_group { GROUP_QKV, GROUP_O, GROUP_GATE_UP, GROUP_DOWN, LORA_GROUPS };

extern const char *const lora_module_path[LORA_MODULES]; /* "self_attn.q_proj", ... */
extern const enum lora_group lora_group_of[LORA_MODULES];
extern const enum lora_module lora_group_first[LORA_GROUPS + 1]; /* modules of g: [g], [g+1) */

/* Module from the last part of its path ("q_proj"); -1: none. */
int lora_module_find(const char *name, size_t n);
int lora_in(const struct arch *a, enum lora_group g);
int lora_out(const struct arch *a, enum lora_module m);

/* One layer: ranks (0: not adapted), scales, places in the slab. */
struct lora_layer {
	int rank[LORA_MODULES];
	float scale[LORA_MODULES];
	size_t a[LORA_GROUPS]; /* offset of the group's stacked A */
	size_t bt[LORA_MODULES]; /* offset of Bt */
	int rows[LORA_GROUPS]; /* ranks of the group together */
	int row_of[LORA_MODULES]; /* where the module's rows begin in its group */
	int width, column[LORA_GROUPS]; /* all groups side by side: for A x */
};

struct lora {
	struct dev *dev;
	const struct arch *arch;
	struct lora_layer *layers;
	size_t n; /* parameters */
	float dropout;
	enum dtype act;
	float *p; /* the master copy */
	void *compute; /* in the activations' type; p itself when that is F32 */
	float *grad, *m, *v; /* only after lora_train */
	int first_layer; /* the lowest adapted layer, and its lowest adapted group */
	enum lora_group first_group;
};

/* Where adapters attach and how: filled by whoever read a config or an adapter. */
struct lora_spec {
	int (*rank)[LORA_MODULES]; /* per layer */
	float (*scale)[LORA_MODULES];
	float dropout;
};

int lora_open(struct lora *l, struct dev *dev, const struct arch *arch,
	      const struct lora_spec *spec, enum dtype act, struct err *err);
void lora_close(struct lora *l); /* fine on {0} */
/* Gradients (zeroed) and moments (zeroed). */
int lora_train(struct lora *l, struct err *err);
/* A ~ U(-1/sqrt(in), 1/sqrt(in)) (PEFT: kaiming_uniform with a = sqrt 5), B = 0. */
void lora_init(struct lora *l, uint64_t seed);
/* compute = p in the activations' type; after every change of p. */
void lora_refresh(struct lora *l);

/* Host copies in PEFT's shapes: A (r, in), B (out, r), of the slab `from` (p, grad, ...). */
void lora_get(const struct lora *l, const float *from, int layer, enum lora_module m, float *a,
	      float *b);
void lora_set(struct lora *l, int layer, enum lora_module m, const float *a, const float *b);

/* The widest layer (all groups side by side) and the widest group: what a pass has to hold. */
void lora_widths(const struct lora *l, int *width, int *rows);

/* Views into a slab of element type t. */
struct mat lora_a(const struct lora *l, void *slab, enum dtype t, int layer, enum lora_group g);
struct mat lora_bt(const struct lora *l, void *slab, enum dtype t, int layer, enum lora_module m);

#endif
