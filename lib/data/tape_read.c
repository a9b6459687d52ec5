/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar: a JSON text onto the tape. */
#include "data/tape_parts.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "data/scan.h"

#include <string.h>

enum {
	KEYS_COMPARED = 64, /* in larger objects jansson looks for keys that stand twice */
	NUMBER_SURE = 300, /* digits that cannot overflow a double */
};

/* What is being read: the containers that are open, innermost last. */
struct reading {
	struct tape *t;
	const char *p;
	size_t i, n;
	uint32_t open[SCAN_DEPTH_MAX];
	size_t depth;
};

static uint32_t push(struct tape *t, enum tape_type type, size_t at, size_t n, bool escaped)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 64;
		t->v = mem_grow(t->v, t->cap, sizeof(*t->v));
	}
	t->v[t->n] = (struct tape_value){ (uint32_t)at, (uint32_t)n, (uint32_t)t->n + 1,
					  (uint8_t)type, escaped };
	return (uint32_t)t->n++;
}

static void skip_space(struct reading *r)
{
	while (r->i < r->n && (r->p[r->i] == ' ' || r->p[r->i] == '\n' || r->p[r->i] == '\r' ||
			       r->p[r->i] == '\t'))
		r->i++;
}

/* The string whose quote stands at i. */
static bool read_string(struct reading *r, bool key)
{
	size_t from = ++r->i;
	bool escaped = false;

	for (;;) {
		uint32_t c;
		size_t len;

		r->i += bytes_string_stop(r->p + r->i, r->n - r->i);
		if (r->i == r->n)
			return false;
		if (r->p[r->i] == '"')
			break;
		if (r->p[r->i] != '\\')
			return false;
		len = tape_escape(r->p + r->i, r->n - r->i, &c);
		if (!len || (key && c == 0))
			return false;
		escaped = true;
		r->i += len;
	}
	push(r->t, TAPE_STRING, from, r->i - from, escaped);
	r->i++;
	return true;
}

static size_t digits(struct reading *r)
{
	size_t from = r->i;

	while (r->i < r->n && r->p[r->i] >= '0' && r->p[r->i] <= '9')
		r->i++;
	return r->i - from;
}

static bool take(struct reading *r, char c)
{
	bool there = r->i < r->n && r->p[r->i] == c;

	r->i += there;
	return there;
}

static bool read_number(struct reading *r)
{
	size_t from = r->i;

	take(r, '-');
	if (!take(r, '0') && !digits(r))
		return false;
	if (r->i < r->n && r->p[r->i] >= '0' && r->p[r->i] <= '9')
		return false; /* 01 */
	if (take(r, '.') && !digits(r))
		return false;
	if (take(r, 'e') || take(r, 'E')) {
		if (!take(r, '+'))
			take(r, '-');
		if (!digits(r))
			return false;
		r->t->doubt = true;
	}
	r->t->doubt |= r->i - from > NUMBER_SURE;
	push(r->t, TAPE_NUMBER, from, r->i - from, false);
	return true;
}

static bool read_word(struct reading *r)
{
	static const char *const words[] = { "null", "false", "true" };
	size_t from = r->i;

	while (r->i < r->n && ((r->p[r->i] >= 'a' && r->p[r->i] <= 'z') ||
			       (r->p[r->i] >= 'A' && r->p[r->i] <= 'Z')))
		r->i++;
	for (int i = 0; i < 3; i++)
		if (strlen(words[i]) == r->i - from &&
		    !memcmp(words[i], r->p + from, r->i - from)) {
			push(r->t, (enum tape_type)(TAPE_NULL + i), from, r->i - from, false);
			return true;
		}
	return false;
}

/* The key at its object's end so far, against those before it. */
static void look_twice(struct tape *t, uint32_t obj, uint32_t key)
{
	size_t n = 0;

	for (uint32_t k = obj + 1; k < key && !t->doubt; k = tape_behind_key(t, k)) {
		if (tape_same_key(t, k, key))
			t->twice = true;
		if (++n == KEYS_COMPARED)
			t->doubt = true;
	}
}

/* Up to the place of a value; for a member of an object its key and colon. False: not JSON. */
static bool read_key(struct reading *r)
{
	uint32_t obj = r->open[r->depth - 1], key = (uint32_t)r->t->n;

	if (r->i == r->n || r->p[r->i] != '"' || !read_string(r, true))
		return false;
	look_twice(r->t, obj, key);
	skip_space(r);
	if (!take(r, ':'))
		return false;
	skip_space(r);
	return true;
}

static bool in_object(const struct reading *r)
{
	return r->depth && r->t->v[r->open[r->depth - 1]].type == TAPE_OBJECT;
}

/* Behind a value: brackets that close, and the comma before the next one. *more: there is a next. */
static bool read_end(struct reading *r, bool *more)
{
	for (;;) {
		struct tape_value *v;

		*more = false;
		if (r->depth == 0)
			return true;
		skip_space(r);
		if (take(r, ',')) {
			skip_space(r);
			*more = true;
			return true;
		}
		if (!take(r, in_object(r) ? '}' : ']'))
			return false;
		v = &r->t->v[r->open[--r->depth]];
		v->n = (uint32_t)(r->i - v->at);
		v->next = (uint32_t)r->t->n;
	}
}

/* A value that is no container, or the opening of one. *opened: it holds a value that comes next. */
static bool read_value(struct reading *r, bool *opened)
{
	char c = r->i < r->n ? r->p[r->i] : 0;
	struct tape_value *v;

	*opened = false;
	if (c == '"')
		return read_string(r, false);
	if (c == '-' || (c >= '0' && c <= '9'))
		return read_number(r);
	if (c != '{' && c != '[')
		return read_word(r);
	if (r->depth == SCAN_DEPTH_MAX)
		return false;
	r->open[r->depth] = push(r->t, c == '{' ? TAPE_OBJECT : TAPE_ARRAY, r->i, 0, false);
	r->i++;
	skip_space(r);
	if (!take(r, c == '{' ? '}' : ']')) {
		r->depth++;
		*opened = true;
		return true;
	}
	v = &r->t->v[r->t->n - 1];
	v->n = (uint32_t)(r->i - v->at);
	return true;
}

bool tape_read(struct tape *t, const char *p, size_t n)
{
	struct reading r = { .t = t, .p = p, .n = n };
	bool more = true, opened = false;

	tape_forget(t);
	t->p = p;
	t->twice = t->doubt = false;
	if (n > UINT32_MAX)
		return false;
	skip_space(&r);
	while (more || opened) {
		if (in_object(&r) && !read_key(&r))
			return false;
		if (!read_value(&r, &opened))
			return false;
		if (!opened && !read_end(&r, &more))
			return false;
	}
	skip_space(&r);
	return r.i == n;
}
