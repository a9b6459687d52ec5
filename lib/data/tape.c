/* SPDX-License-Identifier: Apache-2.0 */
#include "data/tape_parts.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <string.h>

enum {
	BLOCK = 1 << 16,
	KEPT = 1 << 16, /* values whose memory is kept from record to record */
};

struct tape_block {
	struct tape_block *next;
	size_t used, cap;
	char p[];
};

char *tape_alloc(struct tape *t, size_t n)
{
	struct tape_block *b = t->blocks;

	if (!b || b->cap - b->used < n) {
		size_t cap = n > BLOCK ? n : BLOCK, size;

		if (!add_ok(sizeof(*b), cap, &size))
			size = SIZE_MAX;
		b = mem_grow(NULL, size, 1);
		*b = (struct tape_block){ t->blocks, 0, cap };
		t->blocks = b;
	}
	b->used += n;
	return b->p + b->used - n;
}

void tape_forget(struct tape *t)
{
	struct tape_block *kept = NULL;

	while (t->blocks) {
		struct tape_block *b = t->blocks;

		t->blocks = b->next;
		if (!kept && b->cap == BLOCK)
			kept = b;
		else
			mem_free(b);
	}
	if (kept)
		*kept = (struct tape_block){ NULL, 0, BLOCK };
	t->blocks = kept;
	if (t->cap > KEPT) {
		mem_free(t->v);
		t->v = NULL;
		t->cap = 0;
	}
	t->n = 0;
}

void tape_free(struct tape *t)
{
	while (t->blocks) {
		struct tape_block *b = t->blocks;

		t->blocks = b->next;
		mem_free(b);
	}
	mem_free(t->v);
	*t = (struct tape){ 0 };
}

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* The four digits at p, of n bytes; -1 when they are none. */
static int32_t hex4(const char *p, size_t n)
{
	int32_t x = 0;

	for (size_t i = 0; i < 4; i++) {
		if (i >= n || hex(p[i]) < 0)
			return -1;
		x = x << 4 | hex(p[i]);
	}
	return x;
}

size_t tape_escape(const char *p, size_t n, uint32_t *c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	int32_t x, low;

	if (n < 2 || !p[1])
		return 0;
	at = strchr(from, p[1]);
	if (at) {
		*c = (unsigned char)to[at - from];
		return 2;
	}
	if (p[1] != 'u' || (x = hex4(p + 2, n - 2)) < 0)
		return 0;
	*c = (uint32_t)x;
	if (x < 0xD800 || x > 0xDFFF)
		return 6;
	if (x > 0xDBFF || n < 12 || p[6] != '\\' || p[7] != 'u')
		return 0;
	low = hex4(p + 8, 4);
	if (low < 0xDC00 || low > 0xDFFF)
		return 0;
	*c = 0x10000 + (((uint32_t)x & 0x3FF) << 10) + ((uint32_t)low & 0x3FF);
	return 12;
}

/* A string as it is written, or a C string. */
struct text {
	const char *p;
	size_t n, i;
	bool escaped;
};

static uint32_t next_char(struct text *t)
{
	const char *s = t->p + t->i;
	uint32_t c = 0;

	if (t->escaped && *s == '\\') {
		t->i += tape_escape(s, t->n - t->i, &c);
		return c;
	}
	c = utf8_next(&s);
	t->i = (size_t)(s - t->p);
	return c;
}

/* Nothing is allocated: keys may be long, and are compared with many. */
static bool same_text(struct text a, struct text b)
{
	if (!a.escaped && !b.escaped)
		return a.n == b.n && !memcmp(a.p, b.p, a.n);
	while (a.i < a.n && b.i < b.n)
		if (next_char(&a) != next_char(&b))
			return false;
	return a.i == a.n && b.i == b.n;
}

static struct text text_of(const struct tape *t, uint32_t value)
{
	const struct tape_value *v = &t->v[value];

	return (struct text){ t->p + v->at, v->n, 0, v->escaped };
}

bool tape_same_key(const struct tape *t, uint32_t a, uint32_t b)
{
	const struct tape_value *x = &t->v[a], *y = &t->v[b];

	if (!x->escaped && !y->escaped) /* every pair of keys of every record comes here */
		return x->n == y->n && !memcmp(t->p + x->at, t->p + y->at, x->n);
	return same_text(text_of(t, a), text_of(t, b));
}

const char *tape_string(struct tape *t, uint32_t value, size_t *n)
{
	const struct tape_value *v = &t->v[value];
	const char *p = t->p + v->at;
	size_t i = 0, len = 0;
	char *s;

	*n = v->n;
	if (!v->escaped)
		return p;
	s = tape_alloc(t, v->n);
	while (i < v->n) {
		const char *stop = memchr(p + i, '\\', v->n - i);
		size_t plain = stop ? (size_t)(stop - p) - i : v->n - i;
		uint32_t c = 0;

		memcpy(s + len, p + i, plain);
		len += plain;
		i += plain;
		if (!stop)
			break;
		i += tape_escape(p + i, v->n - i, &c);
		len += utf8_put(s + len, c);
	}
	*n = len;
	return s;
}

bool tape_is(const struct tape *t, uint32_t string, const char *s)
{
	const struct tape_value *v = &t->v[string];

	if (!v->escaped) /* every key of every record comes here */
		return v->n && t->p[v->at] != s[0]
			       ? false
			       : v->n == strlen(s) && !memcmp(t->p + v->at, s, v->n);
	return same_text(text_of(t, string), (struct text){ s, strlen(s), 0, false });
}

uint32_t tape_get(const struct tape *t, uint32_t obj, const char *key)
{
	uint32_t found = 0;

	if (t->n == 0 || tape_type(t, obj) != TAPE_OBJECT)
		return 0;
	for (uint32_t k = obj + 1; k < t->v[obj].next; k = tape_behind_key(t, k))
		if (tape_is(t, k, key))
			found = k + 1;
	return found;
}

uint32_t tape_key(const struct tape *t, uint32_t obj, uint32_t k)
{
	if (t->n == 0 || tape_type(t, obj) != TAPE_OBJECT)
		return 0;
	for (k = k ? tape_behind_key(t, k) : obj + 1; k < t->v[obj].next;
	     k = tape_behind_key(t, k)) {
		uint32_t before = obj + 1;

		while (t->twice && before < k && !tape_same_key(t, before, k))
			before = tape_behind_key(t, before);
		if (!t->twice || before == k)
			return k;
	}
	return 0;
}

uint32_t tape_element(const struct tape *t, uint32_t array, uint32_t value)
{
	if (t->n == 0 || tape_type(t, array) != TAPE_ARRAY)
		return 0;
	value = value ? t->v[value].next : array + 1;
	return value < t->v[array].next ? value : 0;
}

size_t tape_count(const struct tape *t, uint32_t value)
{
	bool object = tape_type(t, value) == TAPE_OBJECT;
	size_t n = 0;

	if (!object && tape_type(t, value) != TAPE_ARRAY)
		return 0;
	for (uint32_t i = value + 1; i < t->v[value].next; n++)
		i = object ? tape_behind_key(t, i) : t->v[i].next;
	return n;
}
