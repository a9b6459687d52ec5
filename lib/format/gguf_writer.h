/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing GGUF v3: metadata and the list of tensors first, then the tensors' bytes in that order,
 * each at a multiple of 32. The caller names every tensor once.
 */
#ifndef FORMAT_GGUF_WRITER_H
#define FORMAT_GGUF_WRITER_H

#include "base/mem.h"
#include "format/gguf.h"

/* Keys and values in the order of the calls; starts as {0}. */
struct gguf_meta {
	struct buf b;
	uint64_t n;
};

void gguf_meta_u32(struct gguf_meta *m, const char *key, uint32_t v);
void gguf_meta_f32(struct gguf_meta *m, const char *key, float v);
void gguf_meta_bool(struct gguf_meta *m, const char *key, bool v);
void gguf_meta_str(struct gguf_meta *m, const char *key, const char *s, size_t n);
void gguf_meta_cstr(struct gguf_meta *m, const char *key, const char *s);
/* An array; count elements have to follow. */
void gguf_meta_array(struct gguf_meta *m, const char *key, enum gguf_type elem, uint64_t count);
void gguf_elem_str(struct gguf_meta *m, const char *s, size_t n);
void gguf_elem_i32(struct gguf_meta *m, int32_t v);
void gguf_elem_f32(struct gguf_meta *m, float v);
void gguf_meta_free(struct gguf_meta *m); /* fine on {0} */

struct gguf_writer {
	struct out out;
	const struct tensor_entry *v; /* borrowed until the file is closed */
	size_t n, next; /* the tensor whose bytes come next */
	size_t left; /* bytes it still lacks */
};

/* Names have at most 63 bytes, rows are whole blocks. */
int gguf_writer_open(struct gguf_writer *w, const char *path, const struct gguf_meta *m,
		     const struct tensor_entry *v, size_t n, struct err *err);
/* Bytes of the tensor that is due, all or a part; a tensor's last part fills up to the alignment. */
int gguf_writer_put(struct gguf_writer *w, const void *data, size_t bytes, struct err *err);
/* Commits; fails, and leaves no file, when bytes are missing. */
int gguf_writer_close(struct gguf_writer *w, struct err *err);
/* Drop it; fine after close and on {0}. */
void gguf_writer_abort(struct gguf_writer *w);

#endif
