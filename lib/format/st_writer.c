/* SPDX-License-Identifier: Apache-2.0 */
/* Writing safetensors: the header first, then the bytes as they come. */
#include "format/safetensors.h"

#include "base/jsonw.h"
#include "base/utf8.h"
#include "format/st_header.h"
#include "format/tensors_build.h"

#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts v. The string that stands twice, or NULL. */
static const char *first_duplicate(const char **v, size_t n)
{
	if (n)
		qsort(v, n, sizeof(*v), by_text);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(v[i - 1], v[i]))
			return v[i];
	return NULL;
}

static int check_entries(const struct tensor_entry *v, size_t n, struct err *err)
{
	const char **names = mem_new(n, sizeof(*names)), *twice;

	for (size_t i = 0; i < n; i++)
		names[i] = v[i].name;
	twice = first_duplicate(names, n);
	mem_free(names);
	if (twice)
		return err_set(err, "tensor '%s' is declared twice", twice);
	for (size_t i = 0; i < n; i++) {
		const char *type = dtype_info[v[i].type].name;

		if (!name_ok(v[i].name, strlen(v[i].name), ST_MAX_NAME) ||
		    !strcmp(v[i].name, "__metadata__"))
			return err_set(err, "tensor %zu has a name that the format forbids", i);
		if (dtype_info[v[i].type].block_elems > 1)
			return err_set(err, "tensor '%s': safetensors has no type %s", v[i].name,
				       type);
		if (v[i].n_dims < 0 || v[i].n_dims > TENSOR_MAX_DIMS)
			return err_set(err, "tensor '%s': %d dimensions, at most %d are supported",
				       v[i].name, v[i].n_dims, TENSOR_MAX_DIMS);
	}
	return n > TENSORS_MAX ? err_set(err, "more than %d tensors", TENSORS_MAX) : 0;
}

static int put_metadata(struct jsonw *w, const char *const *metadata, struct err *err)
{
	const char **keys, *twice;
	size_t n = 0;

	while (metadata && metadata[2 * n])
		n++;
	keys = mem_new(n + 1, sizeof(*keys));
	keys[0] = "format";
	for (size_t i = 0; i < n; i++)
		keys[i + 1] = metadata[2 * i];
	twice = first_duplicate(keys, n + 1);
	mem_free(keys);
	if (twice)
		return err_set(err, "metadata key '%s' stands twice", twice);
	jsonw_key(w, "__metadata__");
	jsonw_open(w, '{');
	jsonw_kstr(w, "format", "pt");
	for (size_t i = 0; i < n; i++)
		jsonw_kstr(w, metadata[2 * i], metadata[2 * i + 1]);
	jsonw_close(w, '}');
	return 0;
}

/* One tensor's line of the header; *at moves on by its size. */
static int put_entry(struct jsonw *w, const struct tensor_entry *e, uint64_t *at, struct err *err)
{
	uint64_t count, begin = *at;
	size_t bytes;

	if (!tensor_entry_count(e, &count))
		return err_set(err, "tensor '%s': its shape overflows 64 bits", e->name);
	if (!dtype_bytes(e->type, count, &bytes) ||
	    __builtin_add_overflow(begin, (uint64_t)bytes, at) || *at > INT64_MAX)
		return err_set(err, "tensor '%s': the file's size overflows 63 bits", e->name);
	jsonw_key(w, e->name);
	jsonw_open(w, '{');
	jsonw_kstr(w, "dtype", dtype_info[e->type].name);
	jsonw_key(w, "shape");
	jsonw_open(w, '[');
	for (int i = 0; i < e->n_dims; i++)
		jsonw_int(w, (int64_t)e->dims[i]);
	jsonw_close(w, ']');
	jsonw_key(w, "data_offsets");
	jsonw_open(w, '[');
	jsonw_int(w, (int64_t)begin);
	jsonw_int(w, (int64_t)*at);
	jsonw_close(w, ']');
	jsonw_close(w, '}');
	return 0;
}

/* Length and header, padded so that the data begins at a multiple of 8. */
static int make_header(struct buf *b, const struct tensor_entry *v, size_t n,
		       const char *const *metadata, uint64_t *total, struct err *err)
{
	struct jsonw w = { .out = b };
	size_t len;

	if (check_entries(v, n, err) < 0)
		return -1;
	/* Room for the length is filled in last; jsonw looks only at what it wrote itself. */
	buf_add(b, "\0\0\0\0\0\0\0\0", 8);
	jsonw_open(&w, '{');
	if (put_metadata(&w, metadata, err) < 0)
		return -1;
	*total = 0;
	for (size_t i = 0; i < n; i++)
		if (put_entry(&w, &v[i], total, err) < 0)
			return -1;
	jsonw_close(&w, '}');
	while (b->n % 8)
		buf_char(b, ' ');
	len = b->n - 8;
	if (len > ST_MAX_HEADER)
		return err_set(err, "a header of %zu bytes is beyond the format's limit", len);
	for (int i = 0; i < 8; i++)
		b->p[i] = (char)(len >> 8 * i);
	return 0;
}

int st_writer_open(struct st_writer *w, const char *path, const struct tensor_entry *v, size_t n,
		   const char *const *metadata, struct err *err)
{
	struct buf header = { 0 };
	int rc;

	*w = (struct st_writer){ 0 };
	rc = make_header(&header, v, n, metadata, &w->left, err);
	if (rc < 0)
		err_wrap(err, "%s", path);
	if (rc == 0)
		rc = out_open(&w->out, path, err);
	if (rc == 0)
		rc = out_write(&w->out, header.p, header.n, err);
	buf_free(&header);
	if (rc < 0)
		st_writer_abort(w);
	return rc;
}

static const char *out_name(const struct st_writer *w)
{
	return w->out.path ? w->out.path : "standard output";
}

int st_writer_put(struct st_writer *w, const void *data, size_t bytes, struct err *err)
{
	if (bytes > w->left)
		return err_set(err, "%s: %zu bytes given, only %llu were declared", out_name(w),
			       bytes, (unsigned long long)w->left);
	if (out_write(&w->out, data, bytes, err) < 0)
		return -1;
	w->left -= bytes;
	return 0;
}

int st_writer_close(struct st_writer *w, struct err *err)
{
	if (w->left) {
		err_set(err, "%s: %llu declared bytes were not given", out_name(w),
			(unsigned long long)w->left);
		st_writer_abort(w);
		return -1;
	}
	return out_commit(&w->out, err);
}

void st_writer_abort(struct st_writer *w)
{
	out_abort(&w->out);
	w->left = 0;
}
