/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The longest entry at the beginning of a text: a trie in one array. The child of a node over byte c
 * is the place base ^ c when that holds the label c; no two nodes have the same base, so the label is
 * proof enough. A step reads one word of eight bytes: label, own base, and the entry that ends there.
 */
#include "token/match.h"

#include <stdlib.h>
#include <string.h>

/* A place: entry in the low bits, then label + 1 (0: free), then base. */
#define ID_BITS    TOKEN_ID_BITS
#define ID_NONE    (((uint64_t)1 << ID_BITS) - 1)
#define LABEL_AT   ID_BITS
#define BASE_AT    (ID_BITS + 9)
#define MAX_PLACES ((size_t)1 << 24)
#define WINDOW     16 /* blocks of 256 places in which room is looked for */

/* Entries from[lo..hi) share their first depth bytes, which lead to the place at. */
struct branch {
	uint32_t lo, hi, depth, at, prefix;
};

struct builder {
	const struct token *t;
	struct match *m;
	struct made *made;
	uint32_t *from; /* ids, sorted by bytes */
	struct branch *todo;
	size_t n_todo, cap_todo;
	uint64_t *free_places, *free_bases; /* bits */
};

struct sort_key {
	uint64_t head; /* first bytes, the first one highest */
	const struct entry *e;
	const char *pool;
	uint32_t id;
};

static int compare(const void *x, const void *y)
{
	const struct sort_key *a = x, *b = y;
	uint32_t n = a->e->len < b->e->len ? a->e->len : b->e->len;
	int c;

	if (a->head != b->head)
		return a->head < b->head ? -1 : 1;
	c = memcmp(a->pool + a->e->off, b->pool + b->e->off, n);
	return c ? c : (a->e->len > b->e->len) - (a->e->len < b->e->len);
}

static uint64_t head_of(const char *s, uint32_t len)
{
	uint64_t h = 0;

	for (uint32_t i = 0; i < 8; i++)
		h = h << 8 | (i < len ? (unsigned char)s[i] : 0);
	return h;
}

static void sort(struct builder *b, const uint32_t *ids, size_t n)
{
	struct sort_key *v = mem_new(n, sizeof(*v));
	const char *pool = b->t->pool.p;

	for (size_t i = 0; i < n; i++) {
		const struct entry *e = &b->t->v[ids[i]];

		v[i] = (struct sort_key){ head_of(pool + e->off, e->len), e, pool, ids[i] };
	}
	qsort(v, n, sizeof(*v), compare);
	b->from = mem_new(n, sizeof(*b->from));
	for (size_t i = 0; i < n; i++)
		b->from[i] = v[i].id;
	mem_free(v);
}

static int byte_of(const struct builder *b, uint32_t i, uint32_t depth)
{
	const struct entry *e = &b->t->v[b->from[i]];

	return (unsigned char)b->t->pool.p[e->off + depth];
}

static bool is_set(const uint64_t *bits, size_t i)
{
	return bits[i / 64] >> i % 64 & 1;
}

static void clear(uint64_t *bits, size_t i)
{
	bits[i / 64] &= ~((uint64_t)1 << i % 64);
}

static void new_block(struct builder *b)
{
	struct match *m = b->m;
	size_t old = m->n;

	m->n += 256;
	m->v = mem_grow(m->v, m->n, sizeof(*m->v));
	memset(m->v + old, 0, 256 * sizeof(*m->v));
	b->free_places = mem_grow(b->free_places, m->n / 64, 8);
	b->free_bases = mem_grow(b->free_bases, m->n / 64, 8);
	memset(b->free_places + old / 64, 0xff, 32);
	memset(b->free_bases + old / 64, 0xff, 32);
}

/* Is there a place for each of the labels? */
static bool fits(const struct builder *b, size_t base, const uint8_t *labels, size_t n)
{
	if (!is_set(b->free_bases, base))
		return false;
	for (size_t i = 1; i < n; i++)
		if (!is_set(b->free_places, base ^ labels[i]))
			return false;
	return true;
}

static size_t find_base(struct builder *b, const uint8_t *labels, size_t n)
{
	size_t words = b->m->n / 64, window = 4 * WINDOW;

	for (size_t w = words > window ? words - window : 0; w < words; w++)
		for (uint64_t x = b->free_places[w]; x; x &= x - 1) {
			size_t place = 64 * w + (size_t)__builtin_ctzll(x);

			if (fits(b, place ^ labels[0], labels, n))
				return place ^ labels[0];
		}
	new_block(b);
	return b->m->n - 256;
}

static void push(struct builder *b, struct branch x)
{
	if (b->n_todo == b->cap_todo) {
		b->cap_todo = b->cap_todo ? 2 * b->cap_todo : 256;
		b->todo = mem_grow(b->todo, b->cap_todo, sizeof(*b->todo));
	}
	b->todo[b->n_todo++] = x;
}

/* The node of a branch: its entry, and places for its children. */
static void grow(struct builder *b, struct branch x)
{
	uint64_t *v = b->m->v;
	uint32_t start[257];
	uint8_t labels[256];
	size_t n = 0, base;

	if (b->t->v[b->from[x.lo]].len == x.depth) {
		uint32_t id = b->from[x.lo++];

		v[x.at] = (v[x.at] & ~ID_NONE) | id;
		b->made[id].prefix = x.prefix;
		x.prefix = id;
	}
	for (uint32_t i = x.lo; i < x.hi; i++) {
		int c = byte_of(b, i, x.depth);

		if (n && labels[n - 1] == c)
			continue;
		start[n] = i;
		labels[n++] = (uint8_t)c;
	}
	if (!n)
		return;
	start[n] = x.hi;
	base = find_base(b, labels, n);
	v = b->m->v;
	clear(b->free_bases, base);
	v[x.at] |= (uint64_t)base << BASE_AT;
	for (size_t i = n; i-- > 0;) {
		size_t at = base ^ labels[i];

		clear(b->free_places, at);
		v[at] = ((uint64_t)labels[i] + 1) << LABEL_AT | ID_NONE;
		push(b, (struct branch){ start[i], start[i + 1], x.depth + 1, (uint32_t)at,
					 x.prefix });
	}
}

bool match_build(struct token *t, const uint32_t *ids, size_t n)
{
	struct match *m = &t->greedy.match;
	struct builder b = { .t = t, .m = m, .made = t->greedy.made };

	sort(&b, ids, n);
	new_block(&b);
	clear(b.free_places, 0); /* the root's */
	clear(b.free_bases, 0); /* of nodes without children */
	m->v[0] = ID_NONE;
	push(&b, (struct branch){ 0, (uint32_t)n, 0, 0, TOKEN_NONE });
	while (b.n_todo && m->n < MAX_PLACES)
		grow(&b, b.todo[--b.n_todo]);
	mem_free(b.from);
	mem_free(b.todo);
	mem_free(b.free_places);
	mem_free(b.free_bases);
	return !b.n_todo;
}

uint32_t match_longest(const struct match *m, const char *s, size_t n, size_t *len)
{
	const uint64_t *v = m->v;
	uint64_t node = v[0], best = ID_NONE;

	for (size_t i = 0; i < n; i++) {
		uint64_t c = (unsigned char)s[i];

		node = v[node >> BASE_AT ^ c];
		if ((node >> LABEL_AT & 0x1ff) != c + 1)
			break;
		if ((node & ID_NONE) != ID_NONE) {
			best = node & ID_NONE;
			*len = i + 1;
		}
	}
	return best == ID_NONE ? TOKEN_NONE : (uint32_t)best;
}

void match_free(struct match *m)
{
	mem_free(m->v);
}
