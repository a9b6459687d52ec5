/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a GGUF file. Every count and length is compared with the bytes that remain before
 * anything is done with it; all sums are 64 bits and checked. Access is in gguf_get.c.
 */
#include "format/gguf.h"

#include "format/gguf_load.h"
#include "format/tensors_build.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ALIGNMENT (1u << 20)
#define MAX_KEY       65535
#define MAX_NAME      63

/* What is left of the file. */
struct cursor {
	const unsigned char *p;
	size_t at, n;
	struct err *err;
};

static size_t left(const struct cursor *c)
{
	return c->n - c->at;
}

static int ends(struct cursor *c, const char *what)
{
	return err_set(c->err, "byte %zu: the file ends within %s; it is truncated", c->at, what);
}

static int get_u32(struct cursor *c, uint32_t *v, const char *what)
{
	if (left(c) < 4)
		return ends(c, what);
	*v = load_u32(c->p + c->at);
	c->at += 4;
	return 0;
}

static int get_u64(struct cursor *c, uint64_t *v, const char *what)
{
	if (left(c) < 8)
		return ends(c, what);
	*v = load_u64(c->p + c->at);
	c->at += 8;
	return 0;
}

static int get_str(struct cursor *c, const char **s, size_t *n, const char *what)
{
	uint64_t len = 0;

	if (get_u64(c, &len, what) < 0)
		return -1;
	if (len > left(c))
		return err_set(c->err,
			       "byte %zu: %s of %" PRIu64
			       " bytes is beyond the end of the file (%zu remain)",
			       c->at, what, len, left(c));
	*s = (const char *)c->p + c->at;
	*n = (size_t)len;
	c->at += *n;
	return 0;
}

/* Bytes of a value of fixed size; 0 for strings, arrays and what we do not know. */
static size_t type_size(uint32_t type)
{
	static const unsigned char size[] = {
		[GGUF_U8] = 1,  [GGUF_I8] = 1,  [GGUF_U16] = 2, [GGUF_I16] = 2,
		[GGUF_U32] = 4, [GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_BOOL] = 1,
		[GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
	};

	return type < sizeof(size) ? size[type] : 0;
}

static int check_bools(struct cursor *c, const unsigned char *p, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		if (p[i] > 1)
			return err_set(c->err, "byte %zu: a bool is 0 or 1, not %d",
				       (size_t)(p + i - c->p), p[i]);
	return 0;
}

static int get_array(struct cursor *c, struct gguf_value *v)
{
	uint32_t elem = 0;
	size_t size, n;
	const char *s;

	if (get_u32(c, &elem, "an array") < 0 || get_u64(c, &v->count, "an array") < 0)
		return -1;
	if (elem == GGUF_ARR)
		return err_set(c->err, "an array of arrays is not supported");
	size = elem == GGUF_STR ? 8 : type_size(elem); /* a string takes 8 at least */
	if (!size)
		return err_set(c->err, "unknown array element type %u", elem);
	if (v->count > left(c) / size)
		return err_set(c->err,
			       "byte %zu: an array of %" PRIu64
			       " elements is beyond the end of the file (%zu bytes remain)",
			       c->at, v->count, left(c));
	v->elem = (enum gguf_type)elem;
	v->p = c->p + c->at;
	if (elem == GGUF_STR) {
		for (uint64_t i = 0; i < v->count; i++)
			if (get_str(c, &s, &n, "a string") < 0)
				return -1;
		return 0;
	}
	c->at += (size_t)v->count * size;
	return elem == GGUF_BOOL ? check_bools(c, v->p, v->count) : 0;
}

static int get_value(struct cursor *c, struct gguf_value *v)
{
	uint32_t type = 0;
	size_t size;

	if (get_u32(c, &type, "a value's type") < 0)
		return -1;
	v->type = (enum gguf_type)type;
	v->p = c->p + c->at;
	if (type == GGUF_STR)
		return get_str(c, &v->str, &v->str_len, "a string");
	if (type == GGUF_ARR)
		return get_array(c, v);
	size = type_size(type);
	if (!size)
		return err_set(c->err, "unknown value type %u", type);
	if (left(c) < size)
		return ends(c, "a value");
	c->at += size;
	return type == GGUF_BOOL ? check_bools(c, v->p, 1) : 0;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_keys(const struct gguf *g, struct err *err)
{
	const char **keys = mem_try(g->n_kv, sizeof(*keys)), *twice = NULL;

	if (!keys)
		return err_set(err, "not enough memory for %zu keys", g->n_kv);
	for (size_t i = 0; i < g->n_kv; i++)
		keys[i] = g->kv[i].key;
	qsort(keys, g->n_kv, sizeof(*keys), by_key);
	for (size_t i = 1; i < g->n_kv && !twice; i++)
		if (!strcmp(keys[i - 1], keys[i]))
			twice = keys[i];
	mem_free(keys);
	return twice ? err_set(err, "duplicate key '%s'", twice) : 0;
}

static int read_kv(struct gguf *g, struct cursor *c, uint64_t n_kv)
{
	g->kv = mem_try((size_t)n_kv, sizeof(*g->kv));
	if (!g->kv)
		return err_set(c->err, "not enough memory for %" PRIu64 " keys", n_kv);
	for (; g->n_kv < n_kv; g->n_kv++) {
		struct gguf_value *v = &g->kv[g->n_kv];
		const char *key = NULL;
		size_t n = 0;

		if (get_str(c, &key, &n, "a key") < 0)
			return -1;
		if (!name_ok(key, n, MAX_KEY))
			return err_set(c->err,
				       "key %zu is empty, too long or holds control characters",
				       g->n_kv);
		v->key = arena_strndup(tensors_arena(&g->t), key, n);
		if (get_value(c, v) < 0)
			return err_wrap(c->err, "key '%.200s'", v->key);
	}
	return check_keys(g, c->err);
}

static int get_alignment(const struct gguf *g, uint32_t *alignment, struct err *err)
{
	const struct gguf_value *v = gguf_get(g, "general.alignment");

	*alignment = 32;
	if (!v)
		return 0;
	if (v->type != GGUF_U32)
		return err_set(err, "general.alignment must be a u32");
	*alignment = load_u32(v->p);
	if (!*alignment || (*alignment & (*alignment - 1)) || *alignment > MAX_ALIGNMENT)
		return err_set(err, "general.alignment %u is no power of two between 1 and %u",
			       *alignment, MAX_ALIGNMENT);
	return 0;
}

static int unknown_type(uint32_t type, struct err *err)
{
	static const char *const known[] = {
		[9] = "Q8_1",     [10] = "Q2_K",   [11] = "Q3_K",    [15] = "Q8_K",
		[16] = "IQ2_XXS", [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S",
		[20] = "IQ4_NL",  [21] = "IQ3_S",  [22] = "IQ2_S",   [23] = "IQ4_XS",
		[24] = "I8",      [25] = "I16",    [27] = "I64",     [28] = "F64",
		[29] = "IQ1_M",   [34] = "TQ1_0",  [35] = "TQ2_0",   [39] = "MXFP4",
		[40] = "NVFP4",
	};
	const char *name = type < sizeof(known) / sizeof(*known) ? known[type] : NULL;

	if (name)
		return err_set(err,
			       "type %s (%u) is not supported; take the model as F16, BF16, Q8_0 "
			       "or Q4_K_M",
			       name, type);
	return err_set(err, "unknown tensor type %u", type);
}

/* dims as in the file, fastest first; turned into torch order. */
static int get_dims(struct cursor *c, struct tensor *t, uint64_t *count)
{
	uint32_t n_dims = 0;
	uint64_t dim = 0;

	if (get_u32(c, &n_dims, "a tensor's entry") < 0)
		return -1;
	if (n_dims < 1 || n_dims > TENSOR_MAX_DIMS)
		return err_set(c->err, "%u dimensions; 1 to %d are supported", n_dims,
			       TENSOR_MAX_DIMS);
	t->n_dims = (int)n_dims;
	*count = 1;
	for (uint32_t i = 0; i < n_dims; i++) {
		if (get_u64(c, &dim, "a tensor's entry") < 0)
			return -1;
		if (dim == 0)
			return err_set(c->err, "dimension %u is 0", i);
		if (__builtin_mul_overflow(*count, dim, count) || *count > INT64_MAX)
			return err_set(c->err, "its shape overflows 63 bits");
		t->dims[n_dims - 1 - i] = dim;
	}
	return 0;
}

/* Everything behind the name. *at is where its data has to begin; moved past it. */
static int get_tensor(struct cursor *c, struct tensor *t, uint64_t *at, uint32_t alignment)
{
	uint64_t count = 0, offset = 0, end;
	const struct dtype_info *d;
	uint32_t type = 0;
	int known;

	if (get_dims(c, t, &count) < 0 || get_u32(c, &type, "a tensor's entry") < 0 ||
	    get_u64(c, &offset, "a tensor's entry") < 0)
		return -1;
	known = dtype_from_ggml(type);
	if (known < 0)
		return unknown_type(type, c->err);
	t->type = (enum dtype)known;
	d = &dtype_info[known];
	if (t->dims[t->n_dims - 1] % (uint64_t)d->block_elems)
		return err_set(c->err,
			       "its rows of %" PRIu64 " are no multiple of %s's block of %d",
			       t->dims[t->n_dims - 1], d->name, d->block_elems);
	if (!dtype_bytes(t->type, count, &t->bytes))
		return err_set(c->err, "its size overflows 64 bits");
	if (offset != *at)
		return err_set(c->err, "its data begins at offset %" PRIu64 ", %" PRIu64 " is due",
			       offset, *at);
	/* No offset goes beyond the length of the file, so the running sum cannot wrap. */
	if (__builtin_add_overflow(offset, t->bytes, &end) || end > c->n)
		return err_set(c->err, "its data is beyond the end of the file; it is truncated");
	*at = (end + alignment - 1) / alignment * alignment;
	t->data = c->p + offset; /* relative until the start of the data is known */
	return 0;
}

static int read_tensors(struct gguf *g, struct cursor *c, uint64_t n_tensors, uint32_t alignment)
{
	uint64_t at = 0;

	g->t.v = mem_try((size_t)n_tensors, sizeof(*g->t.v));
	if (!g->t.v)
		return err_set(c->err, "not enough memory for %" PRIu64 " tensors", n_tensors);
	for (; g->t.n < n_tensors; g->t.n++) {
		struct tensor *t = &g->t.v[g->t.n];
		const char *name = NULL;
		size_t n = 0;

		if (get_str(c, &name, &n, "a tensor's name") < 0)
			return -1;
		if (n > MAX_NAME)
			return err_set(c->err,
				       "tensor %zu has a name of %zu bytes, at most %d are allowed",
				       g->t.n, n, MAX_NAME);
		if (!name_ok(name, n, MAX_NAME))
			return err_set(c->err,
				       "tensor %zu has a name that is empty or holds control "
				       "characters",
				       g->t.n);
		t->name = arena_strndup(tensors_arena(&g->t), name, n);
		if (get_tensor(c, t, &at, alignment) < 0)
			return err_wrap(c->err, "tensor '%s'", t->name);
	}
	return 0;
}

/* The data begins at the next multiple of the alignment; all of it must be there. */
static int place_data(struct gguf *g, struct cursor *c, uint32_t alignment)
{
	size_t start, end;
	const char *twice;

	if (!add_ok(c->at, alignment - 1, &start))
		return ends(c, "the data");
	start = start / alignment * alignment;
	for (size_t i = 0; i < g->t.n; i++) {
		struct tensor *t = &g->t.v[i];

		if (!add_ok(start, (size_t)(t->data - c->p), &end) ||
		    !add_ok(end, t->bytes, &end) || end > c->n)
			return err_set(c->err,
				       "tensor '%s': its data is beyond the end of the file; it "
				       "is truncated",
				       t->name);
		t->data += start;
	}
	twice = tensors_sort(&g->t);
	return twice ? err_set(c->err, "duplicate tensor '%s'", twice) : 0;
}

static int check_version(struct cursor *c)
{
	uint32_t version = 0;

	if (left(c) < 4 || memcmp(c->p, "GGUF", 4) != 0)
		return err_set(c->err, "is no GGUF file: it does not begin with 'GGUF'");
	c->at = 4;
	if (get_u32(c, &version, "the header") < 0)
		return -1;
	if (version == 2u << 24 || version == 3u << 24)
		return err_set(c->err, "is a big-endian GGUF file, which is not supported");
	if (version != 2 && version != 3)
		return err_set(c->err, "GGUF version %u is not supported; 2 and 3 are", version);
	return 0;
}

static int read_all(struct gguf *g, struct cursor *c)
{
	uint64_t n_tensors = 0, n_kv = 0;
	uint32_t alignment = 0;

	if (check_version(c) < 0 || get_u64(c, &n_tensors, "the header") < 0 ||
	    get_u64(c, &n_kv, "the header") < 0)
		return -1;
	/* The shortest entries: 8+1+4+8+4+8 bytes for a tensor, 8+1+4+1 for a key. */
	if (n_tensors > left(c) / 33 || n_tensors > TENSORS_MAX)
		return err_set(c->err, "%" PRIu64 " tensors cannot be in a file of this size",
			       n_tensors);
	if (n_kv > left(c) / 14)
		return err_set(c->err, "%" PRIu64 " keys cannot be in a file of this size", n_kv);
	if (read_kv(g, c, n_kv) < 0 || get_alignment(g, &alignment, c->err) < 0 ||
	    read_tensors(g, c, n_tensors, alignment) < 0)
		return -1;
	return place_data(g, c, alignment);
}

int gguf_open(struct gguf *g, const char *path, struct err *err)
{
	struct cursor c = { .err = err };

	*g = (struct gguf){ 0 };
	g->t.files = mem_new(1, sizeof(*g->t.files));
	if (file_open(g->t.files, path, err) < 0) {
		gguf_close(g);
		return -1;
	}
	g->t.n_files = 1;
	c.p = g->t.files->p;
	c.n = g->t.files->n;
	if (read_all(g, &c) < 0) {
		gguf_close(g);
		return err_wrap(err, "%s", path);
	}
	return 0;
}

void gguf_close(struct gguf *g)
{
	mem_free(g->kv);
	tensors_close(&g->t);
	*g = (struct gguf){ 0 };
}

bool gguf_is(const char *path)
{
	char magic[4];

	return file_peek(path, magic, 4) == 4 && !memcmp(magic, "GGUF", 4);
}
