/* SPDX-License-Identifier: Apache-2.0 */
#include "format/gguf_writer.h"

#include <string.h>

#define ALIGNMENT 32
#define MAX_NAME  63

static void put(struct buf *b, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		buf_char(b, (char)(v >> 8 * i));
}

static void put_str(struct buf *b, const char *s, size_t n)
{
	put(b, n, 8);
	buf_add(b, s, n);
}

static void put_float(struct buf *b, float v)
{
	uint32_t bits;

	memcpy(&bits, &v, sizeof(bits));
	put(b, bits, 4);
}

static void key_of(struct gguf_meta *m, const char *key, enum gguf_type type)
{
	put_str(&m->b, key, strlen(key));
	put(&m->b, type, 4);
	m->n++;
}

void gguf_meta_u32(struct gguf_meta *m, const char *key, uint32_t v)
{
	key_of(m, key, GGUF_U32);
	put(&m->b, v, 4);
}

void gguf_meta_f32(struct gguf_meta *m, const char *key, float v)
{
	key_of(m, key, GGUF_F32);
	put_float(&m->b, v);
}

void gguf_meta_bool(struct gguf_meta *m, const char *key, bool v)
{
	key_of(m, key, GGUF_BOOL);
	put(&m->b, v, 1);
}

void gguf_meta_str(struct gguf_meta *m, const char *key, const char *s, size_t n)
{
	key_of(m, key, GGUF_STR);
	put_str(&m->b, s, n);
}

void gguf_meta_cstr(struct gguf_meta *m, const char *key, const char *s)
{
	gguf_meta_str(m, key, s, strlen(s));
}

void gguf_meta_array(struct gguf_meta *m, const char *key, enum gguf_type elem, uint64_t count)
{
	key_of(m, key, GGUF_ARR);
	put(&m->b, elem, 4);
	put(&m->b, count, 8);
}

void gguf_elem_str(struct gguf_meta *m, const char *s, size_t n)
{
	put_str(&m->b, s, n);
}

void gguf_elem_i32(struct gguf_meta *m, int32_t v)
{
	put(&m->b, (uint32_t)v, 4);
}

void gguf_elem_f32(struct gguf_meta *m, float v)
{
	put_float(&m->b, v);
}

void gguf_meta_free(struct gguf_meta *m)
{
	buf_free(&m->b);
	m->n = 0;
}

static size_t padding(uint64_t n)
{
	return (size_t)(-n & (ALIGNMENT - 1));
}

/* Bytes of a tensor; an error when it cannot stand in a file. */
static int entry_bytes(const struct tensor_entry *e, size_t *bytes, struct err *err)
{
	uint64_t count;

	if (strlen(e->name) > MAX_NAME || !*e->name)
		return err_set(err, "tensor '%s': GGUF names have 1 to %d bytes", e->name,
			       MAX_NAME);
	if (dtype_info[e->type].ggml_type < 0)
		return err_set(err, "tensor '%s': GGUF has no type %s", e->name,
			       dtype_info[e->type].name);
	if (e->n_dims < 1 || e->n_dims > TENSOR_MAX_DIMS || !tensor_entry_count(e, &count) ||
	    e->dims[e->n_dims - 1] % (uint64_t)dtype_info[e->type].block_elems ||
	    !dtype_bytes(e->type, count, bytes))
		return err_set(err, "tensor '%s': no shape for blocks of type %s", e->name,
			       dtype_info[e->type].name);
	return 0;
}

/* One tensor's line of the list; *at moves on by its size. */
static int put_entry(struct buf *b, const struct tensor_entry *e, uint64_t *at, struct err *err)
{
	size_t bytes;

	if (entry_bytes(e, &bytes, err) < 0)
		return -1;
	put_str(b, e->name, strlen(e->name));
	put(b, (uint64_t)e->n_dims, 4);
	for (int i = e->n_dims - 1; i >= 0; i--)
		put(b, e->dims[i], 8);
	put(b, (uint64_t)dtype_info[e->type].ggml_type, 4);
	put(b, *at, 8);
	*at += bytes + padding(bytes);
	return 0;
}

/* Readies the writer for the bytes of tensor w->next. */
static int begin_tensor(struct gguf_writer *w, struct err *err)
{
	w->left = 0;
	return w->next < w->n ? entry_bytes(&w->v[w->next], &w->left, err) : 0;
}

int gguf_writer_open(struct gguf_writer *w, const char *path, const struct gguf_meta *m,
		     const struct tensor_entry *v, size_t n, struct err *err)
{
	struct buf head = { 0 };
	uint64_t at = 0;
	int rc = 0;

	*w = (struct gguf_writer){ .v = v, .n = n };
	buf_str(&head, "GGUF");
	put(&head, 3, 4);
	put(&head, n, 8);
	put(&head, m->n, 8);
	buf_add(&head, m->b.p, m->b.n);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = put_entry(&head, &v[i], &at, err);
	for (size_t k = padding(head.n); k; k--)
		buf_char(&head, 0);
	if (rc < 0)
		err_wrap(err, "%s", path);
	if (rc == 0)
		rc = out_open(&w->out, path, err);
	if (rc == 0)
		rc = out_write(&w->out, head.p, head.n, err);
	if (rc == 0)
		rc = begin_tensor(w, err);
	buf_free(&head);
	if (rc < 0)
		gguf_writer_abort(w);
	return rc;
}

int gguf_writer_put(struct gguf_writer *w, const void *data, size_t bytes, struct err *err)
{
	static const char zeros[ALIGNMENT];
	size_t all;

	if (w->next == w->n || bytes > w->left)
		return err_set(err, "%s: more bytes given than the tensors have", w->out.path);
	if (out_write(&w->out, data, bytes, err) < 0)
		return -1;
	w->left -= bytes;
	if (w->left)
		return 0;
	if (entry_bytes(&w->v[w->next], &all, err) < 0 ||
	    out_write(&w->out, zeros, padding(all), err) < 0)
		return -1;
	w->next++;
	return begin_tensor(w, err);
}

int gguf_writer_close(struct gguf_writer *w, struct err *err)
{
	if (w->next < w->n) {
		err_set(err, "%s: tensor '%s' lacks %zu bytes", w->out.path, w->v[w->next].name,
			w->left);
		gguf_writer_abort(w);
		return -1;
	}
	return out_commit(&w->out, err);
}

void gguf_writer_abort(struct gguf_writer *w)
{
	out_abort(&w->out);
	w->next = w->n;
}
