/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading GGUF v2/v3 files: metadata and tensor table, all of it checked against what remains
 * of the file before memory is asked for. Strings and arrays borrow the mapping.
 */
#ifndef FORMAT_GGUF_H
#define FORMAT_GGUF_H

#include "format/tensors.h"

enum gguf_type {
	GGUF_U8,
	GGUF_I8,
	GGUF_U16,
	GGUF_I16,
	GGUF_U32,
	GGUF_I32,
	GGUF_F32,
	GGUF_BOOL,
	GGUF_STR,
	GGUF_ARR,
	GGUF_U64,
	GGUF_I64,
	GGUF_F64,
};

struct gguf_value {
	const char *key; /* NUL-terminated copy */
	enum gguf_type type;
	enum gguf_type elem; /* of an array */
	uint64_t count; /* of an array */
	const unsigned char *p; /* the value; for arrays the first element */
	const char *str; /* GGUF_STR: bytes, not terminated */
	size_t str_len;
};

struct gguf {
	struct tensors t; /* dims in torch order, names as in the file */
	struct gguf_value *kv;
	size_t n_kv;
};

bool gguf_is(const char *path); /* the first four bytes */
int gguf_open(struct gguf *g, const char *path, struct err *err);
void gguf_close(struct gguf *g); /* fine on {0} */

const struct gguf_value *gguf_get(const struct gguf *g, const char *key);
/* Integer of any integer type / number / bool / string; false when absent or of another type. */
bool gguf_get_int(const struct gguf *g, const char *key, int64_t *v);
bool gguf_get_num(const struct gguf *g, const char *key, double *v);
bool gguf_get_bool(const struct gguf *g, const char *key, bool *v);
bool gguf_get_str(const struct gguf *g, const char *key, const char **s, size_t *n);
/* Walk an array of strings (already checked): *cursor starts at v->p. */
void gguf_next_str(const unsigned char **cursor, const char **s, size_t *n);
/* Element i of an array of 32-bit integers; 0 when v is no such array or has no element i. */
int32_t gguf_arr_i32(const struct gguf_value *v, uint64_t i);

#endif
