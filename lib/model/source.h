/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a model's numbers come from: a Hugging Face folder or one GGUF file. Both become the same
 * thing: Hugging Face names, torch row order, whatever element type the file holds.
 */
#ifndef MODEL_SOURCE_H
#define MODEL_SOURCE_H

#include "base/hash.h"
#include "format/gguf.h"
#include "format/safetensors.h"
#include "model/arch.h"

struct source {
	char *path;
	struct arch arch;
	bool is_gguf;
	struct gguf gguf;
	struct tensors safetensors;
};

/* A tensor's elements in the file's type. data borrows the mapping, or is owned when rows had to
 * be put into torch order. rows = 1 for vectors. */
struct source_tensor {
	enum dtype type;
	int64_t rows, cols;
	const void *data;
	void *owned;
};

int source_open(struct source *s, const char *path, struct err *err);
void source_close(struct source *s); /* fine on {0} */
/* What a model is known by: the hash of a GGUF file, or of a folder's config.json and weights, so that
 * a page or a lock beside them makes no other model. */
int source_hash(struct hash_hex *h, const char *path, struct err *err);
/* Lets go of the files, when what they hold has been read; path and arch stay. */
void source_release(struct source *s);
/* Asks for what is expected: name is the Hugging Face one ("model.layers.0.mlp.up_proj.weight");
 * another shape than rows x cols is an error that says both. */
int source_get(const struct source *s, const char *name, int64_t rows, int64_t cols,
	       struct source_tensor *t, struct err *err);
/* What GGUF calls a tensor ("blk.0.ffn_up.weight"); false when it has no name for it. */
bool source_gguf_name(const char *name, char *out, size_t n);
void source_tensor_free(struct source_tensor *t);
/* Bytes of the file that have been read need not stay in memory. */
void source_forget(const struct source *s, const void *data, size_t bytes);

#endif
