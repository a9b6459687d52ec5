/* SPDX-License-Identifier: Apache-2.0 */
#include "format/st_header.h"

#include "base/utf8.h"
#include "format/st_scan.h"
#include "format/tensors_build.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* All types of the format; the reader keeps those that have an enum dtype. */
static const struct st_type {
	const char *name;
	int bits;
} st_types[] = {
	{ "BOOL", 8 },    { "U8", 8 },          { "I8", 8 },          { "I16", 16 },
	{ "U16", 16 },    { "F16", 16 },        { "BF16", 16 },       { "I32", 32 },
	{ "U32", 32 },    { "F32", 32 },        { "F64", 64 },        { "I64", 64 },
	{ "U64", 64 },    { "C64", 64 },        { "F8_E4M3", 8 },     { "F8_E5M2", 8 },
	{ "F8_E8M0", 8 }, { "F8_E4M3FNUZ", 8 }, { "F8_E5M2FNUZ", 8 }, { "F6_E2M3", 6 },
	{ "F6_E3M2", 6 }, { "F4", 4 },
};

/* What the members of the header are collected into. */
struct reader {
	struct st_header *h;
	struct arena *names;
	const char **meta_keys;
	size_t n_meta, cap_meta;
	bool has_meta;
};

static int metadata_member(struct st_scan *s, void *arg)
{
	struct reader *r = arg;

	if (r->n_meta == r->cap_meta) {
		r->cap_meta = 2 * r->cap_meta + 16;
		r->meta_keys = mem_grow(r->meta_keys, r->cap_meta, sizeof(*r->meta_keys));
	}
	r->meta_keys[r->n_meta++] = arena_strndup(r->names, s->text.p, s->text.n);
	return st_scan_string(s, "__metadata__ holds strings only");
}

/* A tensor's entry as it stands, before its parts are compared. */
struct entry {
	struct st_item item;
	const struct st_type *type;
	uint64_t shape[ST_MAX_RANK], offsets[2];
	size_t rank;
	bool has_shape, has_offsets;
};

static int type_member(struct st_scan *s, struct entry *e)
{
	if (e->type)
		return st_scan_fault(s, "duplicate key 'dtype'");
	if (st_scan_string(s, "'dtype' is a string") < 0)
		return -1;
	for (size_t i = 0; i < sizeof(st_types) / sizeof(*st_types); i++)
		if (!strcmp(st_types[i].name, s->text.p))
			e->type = &st_types[i];
	if (e->type)
		return 0;
	if (!name_ok(s->text.p, s->text.n, 40))
		return st_scan_fault(s, "unknown dtype");
	return err_set(s->err, "header byte %zu: unknown dtype '%s'", s->at, s->text.p);
}

static int tensor_member(struct st_scan *s, void *arg)
{
	struct entry *e = arg;
	size_t n;

	if (!strcmp(s->text.p, "dtype"))
		return type_member(s, e);
	if (!strcmp(s->text.p, "shape")) {
		if (e->has_shape)
			return st_scan_fault(s, "duplicate key 'shape'");
		e->has_shape = true;
		return st_scan_integers(s, e->shape, ST_MAX_RANK, &e->rank);
	}
	if (!strcmp(s->text.p, "data_offsets")) {
		if (e->has_offsets)
			return st_scan_fault(s, "duplicate key 'data_offsets'");
		e->has_offsets = true;
		if (st_scan_integers(s, e->offsets, 2, &n) < 0)
			return -1;
		return n == 2 ? 0 : st_scan_fault(s, "'data_offsets' holds two numbers");
	}
	return st_scan_fault(s, "unknown key: an entry has dtype, shape and data_offsets");
}

/* Compare the parts of an entry and turn it into an item. */
static int entry_finish(struct st_scan *s, struct entry *e)
{
	uint64_t bits, begin = e->offsets[0], end = e->offsets[1];
	struct tensor *t = &e->item.t;
	int type;

	if (!e->type || !e->has_shape || !e->has_offsets)
		return err_set(s->err, "it has no '%s'",
			       !e->type        ? "dtype"
			       : !e->has_shape ? "shape"
					       : "data_offsets");
	bits = (uint64_t)e->type->bits;
	for (size_t i = 0; i < e->rank; i++)
		if (__builtin_mul_overflow(bits, e->shape[i], &bits))
			return err_set(s->err, "its shape overflows 64 bits");
	if (bits % 8)
		return err_set(s->err, "its %" PRIu64 " bits are no whole number of bytes", bits);
	if (begin > end)
		return err_set(s->err, "its data_offsets run backwards: [%" PRIu64 ", %" PRIu64 "]",
			       begin, end);
	if (end - begin != bits / 8)
		return err_set(s->err,
			       "shape and dtype need %" PRIu64
			       " bytes, its data_offsets hold %" PRIu64,
			       bits / 8, end - begin);
	e->item.begin = begin;
	e->item.end = end;
	type = dtype_from_name(e->type->name);
	if (type < 0)
		return 0;
	if (e->rank > TENSOR_MAX_DIMS)
		return err_set(s->err, "it has %zu dimensions, at most %d are supported", e->rank,
			       TENSOR_MAX_DIMS);
	e->item.kept = true;
	t->type = (enum dtype)type;
	t->n_dims = (int)e->rank;
	memcpy(t->dims, e->shape, e->rank * sizeof(*e->shape));
	return 0;
}

static int top_member(struct st_scan *s, void *arg)
{
	struct reader *r = arg;
	struct st_header *h = r->h;
	struct entry e = { 0 };

	if (!strcmp(s->text.p, "__metadata__")) {
		if (r->has_meta)
			return st_scan_fault(s, "duplicate key '__metadata__'");
		r->has_meta = true;
		return st_scan_members(s, metadata_member, r);
	}
	if (s->text.n > ST_MAX_NAME)
		return st_scan_fault(s, "tensor name longer than 512 bytes");
	if (!name_ok(s->text.p, s->text.n, ST_MAX_NAME))
		return st_scan_fault(s, "tensor name is empty or holds control characters");
	if (h->n == TENSORS_MAX)
		return st_scan_fault(s, "more than 1,000,000 tensors");
	e.item.t.name = arena_strndup(r->names, s->text.p, s->text.n);
	if (st_scan_members(s, tensor_member, &e) < 0 || entry_finish(s, &e) < 0)
		return err_wrap(s->err, "tensor '%s'", e.item.t.name);
	if (h->n == h->cap) {
		h->cap = 2 * h->cap + 64;
		h->v = mem_grow(h->v, h->cap, sizeof(*h->v));
	}
	h->v[h->n++] = e.item;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct st_item *)a)->t.name, ((const struct st_item *)b)->t.name);
}

static int by_offset(const void *va, const void *vb)
{
	const struct st_item *a = va, *b = vb;

	if (a->begin != b->begin)
		return a->begin < b->begin ? -1 : 1;
	if (a->end != b->end)
		return a->end < b->end ? -1 : 1;
	return strcmp(a->t.name, b->t.name);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_duplicates(struct reader *r, struct err *err)
{
	struct st_header *h = r->h;

	if (r->n_meta)
		qsort(r->meta_keys, r->n_meta, sizeof(*r->meta_keys), by_text);
	for (size_t i = 1; i < r->n_meta; i++)
		if (!strcmp(r->meta_keys[i - 1], r->meta_keys[i]))
			return err_set(err, "duplicate key in __metadata__");
	if (h->n)
		qsort(h->v, h->n, sizeof(*h->v), by_name);
	for (size_t i = 1; i < h->n; i++)
		if (!strcmp(h->v[i - 1].t.name, h->v[i].t.name))
			return err_set(err, "tensor '%s': duplicate key: it is declared twice",
				       h->v[i].t.name);
	return 0;
}

/* The tensors cover the byte buffer, each byte once. */
static int check_layout(struct st_header *h, const unsigned char *data, size_t n, struct err *err)
{
	uint64_t at = 0;

	if (h->n)
		qsort(h->v, h->n, sizeof(*h->v), by_offset);
	for (size_t i = 0; i < h->n; i++) {
		struct st_item *m = &h->v[i];

		if (m->begin != at)
			return err_set(err,
				       "tensor '%s': begins at offset %" PRIu64 " where %" PRIu64
				       " is due: %s",
				       m->t.name, m->begin, at,
				       m->begin > at ? "there is a hole before it"
						     : "it overlaps the one before");
		if (m->end > n)
			return err_set(err,
				       "tensor '%s': ends at offset %" PRIu64
				       ", but there are %zu bytes of data; the file is truncated",
				       m->t.name, m->end, n);
		at = m->end;
		m->t.data = data + m->begin;
		m->t.bytes = (size_t)(m->end - m->begin);
	}
	if (at != n)
		return err_set(err, "%zu trailing bytes belong to no tensor", (size_t)(n - at));
	return 0;
}

static int check_frame(const struct file *f, uint64_t *n, struct err *err)
{
	static const char lfs[] = "version https://git-lfs";

	*n = 0;
	if (f->n >= sizeof(lfs) - 1 && !memcmp(f->p, lfs, sizeof(lfs) - 1))
		return err_set(err, "is a Git LFS pointer, not the file; run 'git lfs pull'");
	if (f->n < 8)
		return err_set(err, "too short for a safetensors file: %zu bytes", f->n);
	for (int i = 7; i >= 0; i--)
		*n = *n << 8 | f->p[i];
	if (*n > ST_MAX_HEADER)
		return err_set(err,
			       "header length %" PRIu64
			       " is beyond the limit of %d; is it a safetensors file?",
			       *n, ST_MAX_HEADER);
	if (*n > f->n - 8)
		return err_set(err,
			       "header length %" PRIu64
			       " is beyond the end of the file; it is truncated or no safetensors "
			       "file",
			       *n);
	if (*n == 0 || f->p[8] != '{')
		return err_set(err, "the header does not begin with '{'");
	return 0;
}

static int scan_header(struct reader *r, struct st_scan *s)
{
	size_t valid = utf8_valid((const char *)s->p, s->n);

	if (valid != s->n) {
		s->at = valid;
		return st_scan_fault(s, "invalid UTF-8");
	}
	if (st_scan_members(s, top_member, r) < 0)
		return -1;
	for (; s->at < s->n; s->at++)
		if (s->p[s->at] != ' ')
			return st_scan_fault(s, "only spaces may follow the closing '}'");
	return check_duplicates(r, s->err);
}

int st_header_parse(struct st_header *h, struct arena *names, const struct file *f,
		    const char *path, struct err *err)
{
	struct reader r = { .h = h, .names = names };
	struct st_scan s = { .err = err };
	uint64_t n;
	int rc = -1;

	*h = (struct st_header){ 0 };
	if (check_frame(f, &n, err) == 0) {
		s.p = f->p + 8;
		s.n = (size_t)n;
		rc = scan_header(&r, &s);
		if (rc == 0)
			rc = check_layout(h, f->p + 8 + s.n, f->n - 8 - s.n, err);
	}
	buf_free(&s.text);
	mem_free(r.meta_keys);
	if (rc < 0) {
		st_header_free(h);
		err_wrap(err, "%s", path);
	}
	return rc;
}

void st_header_free(struct st_header *h)
{
	mem_free(h->v);
	*h = (struct st_header){ 0 };
}
