/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensors of a file or of a set of files, by name. Everything was checked when the set was opened
 * (offsets, sizes, overlaps, overflow), so t->data[0..t->bytes) may be read. Data borrows the
 * mapping: valid until tensors_close. It need not be aligned: copy, do not cast.
 */
#ifndef FORMAT_TENSORS_H
#define FORMAT_TENSORS_H

#include "base/err.h"
#include "base/file.h"
#include "format/dtype.h"

#define TENSOR_MAX_DIMS 4

struct tensor {
	const char *name;
	enum dtype type;
	int n_dims;
	uint64_t dims[TENSOR_MAX_DIMS]; /* torch order: slowest first ([out, in]) */
	const unsigned char *data;
	size_t bytes;
};

struct tensors {
	struct tensor *v; /* sorted by name */
	size_t n;
	struct file *files;
	size_t n_files;
	void *private_data; /* names and other memory of the reader */
};

/* A tensor that is to be written. */
struct tensor_entry {
	const char *name;
	enum dtype type;
	int n_dims;
	uint64_t dims[TENSOR_MAX_DIMS]; /* torch order */
};

/* Its elements; false when they overflow 64 bits. */
bool tensor_entry_count(const struct tensor_entry *e, uint64_t *n);
/* NULL when there is none. */
const struct tensor *tensors_find(const struct tensors *t, const char *name);
/* Gives every tensor the name that rename returns (copied), for readers of files that call them
 * otherwise; -1 when two become one. */
int tensors_rename(struct tensors *t, void (*rename)(const char *name, char *out, size_t n),
		   struct err *err);
/* Bytes of a tensor's data that have been read need not stay in memory (file_forget). */
void tensors_forget(const struct tensors *t, const void *data, size_t bytes);
/* Fine on {0}. */
void tensors_close(struct tensors *t);

#endif
