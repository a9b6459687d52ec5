/* SPDX-License-Identifier: Apache-2.0 */
/* What the writers of lib/adapter/merge*.c share; private to them. */
#ifndef ADAPTER_MERGE_PARTS_H
#define ADAPTER_MERGE_PARTS_H

#include "adapter/merge.h"
#include "base/hash.h"
#include "model/entries.h"

/* How answers are drawn by default. */
struct merge_sampling {
	bool known; /* the base has a generation_config.json */
	double temperature; /* 0: always the likeliest token */
	double top_p, repetition_penalty;
	long top_k;
};

struct merge {
	const struct merge_job *job;
	struct source src;
	struct hash_hex base_hash;
	struct adapter_list adapters;
	struct dev *dev;
	struct token *tok;
	enum dtype type;
	int64_t eos; /* what ends an answer: the template's first stop word, else the tokenizer's */
	struct merge_sampling sampling;
	struct buf chat; /* the chat template's text; empty: none */
};

/* Puts a tensor's numbers (from the heap) into another order; returns them, or new ones for them. */
typedef float *(*reorder_fn)(float *x, const struct tensor_entry *e, const struct arch *a);
/* merge.c: a tensor with the adapters added, rounded to t, from the heap; *bytes of it. reorder may be
 * NULL. */
void *merge_tensor(struct merge *m, const struct tensor_entry *e, enum dtype t, reorder_fn reorder,
		   size_t *bytes, struct err *err);

/* The weights' files in dir. */
int merge_write_safetensors(struct merge *m, const char *dir, struct err *err);
int merge_write_gguf(struct merge *m, const char *dir, struct err *err);
int merge_write_lora(struct merge *m, const char *dir, struct err *err);
/* All the other files. */
int merge_write_texts(struct merge *m, const char *dir, struct err *err);
/* modelfile.c */
int merge_read_sampling(struct merge *m, struct err *err);
int merge_write_modelfile(struct merge *m, const char *dir, struct err *err);

/* Writes dir/name. */
int merge_put(const char *dir, const char *name, const struct buf *text, struct err *err);

#endif
