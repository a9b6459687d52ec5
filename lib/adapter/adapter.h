/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LoRA adapters as PEFT keeps them: a folder with adapter_config.json and
 * adapter_model.safetensors (adapter.5), and our provenance file beside them. Reading checks names,
 * shapes and values against the model; what would be left out silently is an error.
 */
#ifndef ADAPTER_ADAPTER_H
#define ADAPTER_ADAPTER_H

#include "base/hash.h"
#include "format/safetensors.h"
#include "model/lora.h"
#include "model/model.h"

/* What PEFT puts before a layer's number. */
#define ADAPTER_PREFIX "base_model.model.model.layers."

struct adapter {
	char *path;
	const struct arch *arch;
	struct tensors tensors;
	int (*rank)[LORA_MODULES]; /* per layer; 0: not adapted */
	float (*scale)[LORA_MODULES];
	float dropout;
	int r; /* as the config says */
	double alpha;
	bool rslora;
	bool permuted; /* B of q and k has llama.cpp's row order */
};

/* path: a PEFT folder, or a GGUF file with a LoRA adapter. arch is borrowed and must outlive the
 * adapter. */
int adapter_open(struct adapter *a, const char *path, const struct arch *arch, struct err *err);
void adapter_close(struct adapter *a); /* fine on {0} */
struct lora_spec adapter_spec(const struct adapter *a);
/* A (r, in) and B (out, r) of a module that it adapts, in PEFT's order, from the heap. */
int adapter_module(const struct adapter *a, int layer, enum lora_module m, float **va, float **vb,
		   struct err *err);
/* Opens *l and fills it with the adapter's numbers. */
int adapter_to_lora(const struct adapter *a, struct lora *l, struct dev *dev, enum dtype act,
		    struct err *err);
/* The same with several at once: their ranks lie one below the other, so l's B A is the sum of theirs.
 * Of two different scales the first is kept, the other B is multiplied. n >= 1. */
int adapters_to_lora(const struct adapter *const *v, size_t n, struct lora *l, struct dev *dev,
		     enum dtype act, struct err *err);

/* W (fp32, on the device) of the linear `name` ("model.layers.0.self_attn.q_proj.weight") +=
 * scale B A; weights that no adapter touches are left alone. */
int adapter_apply(const struct adapter *a, struct dev *dev, const char *name, struct mat w,
		  struct err *err);
/* Several, in order, as a hook for model_open. */
struct adapter_list {
	struct adapter *v;
	size_t n;
};

/* The comma-separated list without its last name, from the heap; *last points at the last (within
 * names), or is NULL when there is none. */
char *adapter_names_split(const char *names, const char **last);
/* The next name of a comma-separated list, from the heap; NULL at the end. */
char *adapter_names_next(const char **names);
/* Hash over the weights and configurations of the listed adapters, in order. */
int adapter_names_hash(struct hash_hex *h, const char *names, struct err *err);
/* names: comma-separated folders. */
int adapter_list_open(struct adapter_list *l, const char *names, const struct arch *arch,
		      struct err *err);
void adapter_list_close(struct adapter_list *l);
struct weight_hook adapter_list_hook(struct adapter_list *l);

/* What adapter_config.json says beside the numbers. */
struct adapter_info {
	const char *base; /* base_model_name_or_path */
	int r;
	double alpha;
	float dropout;
	bool rslora;
};

/* Writes both files into the folder dir (which stands: an outdir's tmp). The tensors are the
 * parameters `from` (l->p; or l->grad for tests). */
int adapter_write(const char *dir, const struct lora *l, const float *from,
		  const struct adapter_info *info, struct err *err);

#endif
