/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors files. Reading enforces every rule of the format (header length, '{', duplicate
 * keys, contiguous offsets without hole, overlap or trailing bytes, sizes that fit the shape).
 * Writing streams: all tensors are declared first, then their bytes are given in that order.
 */
#ifndef FORMAT_SAFETENSORS_H
#define FORMAT_SAFETENSORS_H

#include "format/tensors.h"

/* One file. Tensors of other types than F32, F16, BF16, I32 are checked and then left out. */
int safetensors_open(struct tensors *t, const char *path, struct err *err);
/* A Hugging Face folder: model.safetensors, or the shards of model.safetensors.index.json. Shard
 * names must be plain file names; a tensor stands in exactly the shard the index says. */
int safetensors_open_dir(struct tensors *t, const char *dir, struct err *err);

struct st_writer {
	struct out out;
	uint64_t left; /* bytes still owed */
};

/* Entries are laid out in the order given; a name that stands twice or a type that safetensors
 * lacks is refused. metadata: pairs of key, value, ends with NULL, or NULL; "format":"pt" is always
 * written. */
int st_writer_open(struct st_writer *w, const char *path, const struct tensor_entry *v, size_t n,
		   const char *const *metadata, struct err *err);
int st_writer_put(struct st_writer *w, const void *data, size_t bytes, struct err *err);
/* Commits; fails, and leaves no file, when declared bytes were not given. */
int st_writer_close(struct st_writer *w, struct err *err);
/* Drop it: after a failed st_writer_put; fine after close and on {0}. */
void st_writer_abort(struct st_writer *w);

#endif
