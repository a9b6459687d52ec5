/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte-pair merges: always the adjacent pair of lowest rank, of equals the leftmost. Short words
 * scan an array of ranks for the minimum (a few hundred bytes, no pointers); long ones, up to
 * megabytes without a break, keep a linked list and a heap: n log n.
 */
#include "token/vocab.h"

#include "base/utf8.h"

#include <string.h>

#define SHORT 96

struct bpe_symbol {
	uint32_t id, rank; /* of the pair (this, next); TOKEN_NONE: none */
	uint32_t prev, next; /* TOKEN_NONE: none */
};

/* One symbol a character into ids, or one a byte where the character has no token and its bytes
 * have; else it vanishes, or becomes the unknown token. */
static size_t char_symbols(const struct token *t, const char *s, size_t n, uint32_t *ids,
			   size_t stride)
{
	const char *end = s + n, *next = s;
	size_t k = 0;
	bool pending = false;

	for (; s < end; s = next) {
		uint32_t id;
		bool bytes = t->byte_fallback;

		utf8_next(&next);
		id = token_find_bytes(t, s, (size_t)(next - s), false);
		for (const char *p = s; id == TOKEN_NONE && bytes && p < next; p++)
			bytes = t->byte_id[(unsigned char)*p] != TOKEN_NONE;
		if (pending && ((id == TOKEN_NONE && bytes) || id != TOKEN_NONE || !t->fuse_unk)) {
			ids[stride * k++] = t->unk;
			pending = false;
		}
		if (id != TOKEN_NONE)
			ids[stride * k++] = id;
		else if (!bytes)
			pending = t->unk != TOKEN_NONE;
		else
			for (const char *p = s; p < next; p++)
				ids[stride * k++] = t->byte_id[(unsigned char)*p];
	}
	if (pending)
		ids[stride * k++] = t->unk;
	return k;
}

/* One symbol a byte into ids; bytes without a token vanish, or become the unknown token. */
static size_t symbols(const struct token *t, const unsigned char *s, size_t n, uint32_t *ids,
		      size_t stride)
{
	size_t k = 0;
	bool pending = false;

	if (t->chars)
		return char_symbols(t, (const char *)s, n, ids, stride);
	for (size_t i = 0; i < n; i++) {
		uint32_t id = t->byte_id[s[i]];
		bool known = id != TOKEN_NONE;

		if (pending && (known || !t->fuse_unk)) {
			ids[stride * k++] = t->unk;
			pending = false;
		}
		if (known)
			ids[stride * k++] = id;
		else
			pending = t->unk != TOKEN_NONE;
	}
	if (pending)
		ids[stride * k++] = t->unk;
	return k;
}

/* Ranks of all pairs of neighbours. */
static void first_ranks(const struct token *t, const unsigned char *s, size_t n,
			const uint32_t *ids, size_t len, uint32_t *rank)
{
	if (len == n && t->unk == TOKEN_NONE &&
	    !t->chars) { /* each symbol is the token of its byte */
		for (size_t i = 0; i + 1 < len; i++)
			rank[i] = t->byte_ranks[s[i] << 8 | s[i + 1]];
		return;
	}
	for (size_t i = 0; i + 1 < len; i++)
		rank[i] = token_rank(t, ids[i], ids[i + 1]);
}

static size_t merge_short(const struct token *t, const unsigned char *s, size_t n, uint32_t *ids)
{
	uint32_t rank[SHORT];
	size_t len = symbols(t, s, n, ids, 1);

	first_ranks(t, s, n, ids, len, rank);
	while (len > 1) {
		uint32_t low = TOKEN_NONE;
		size_t at = 0;

#pragma omp simd reduction(min : low)
		for (size_t i = 0; i < len - 1; i++)
			low = rank[i] < low ? rank[i] : low;
		if (low == TOKEN_NONE)
			break;
		while (rank[at] != low)
			at++;
		ids[at] = t->merged[low];
		len--;
		memmove(ids + at + 1, ids + at + 2, (len - at - 1) * sizeof(*ids));
		memmove(rank + at, rank + at + 1, (len - at - 1) * sizeof(*rank));
		if (at + 1 < len)
			rank[at] = token_rank(t, ids[at], ids[at + 1]);
		if (at > 0)
			rank[at - 1] = token_rank(t, ids[at - 1], ids[at]);
	}
	return len;
}

static void heap_push(struct bpe *b, uint64_t x)
{
	size_t i = b->n_heap++;

	if (b->n_heap > b->heap_cap) {
		b->heap_cap = 2 * b->n_heap;
		b->heap = mem_grow(b->heap, b->heap_cap, sizeof(*b->heap));
	}
	for (; i && b->heap[(i - 1) / 2] > x; i = (i - 1) / 2)
		b->heap[i] = b->heap[(i - 1) / 2];
	b->heap[i] = x;
}

static uint64_t heap_pop(struct bpe *b)
{
	uint64_t top = b->heap[0], x = b->heap[--b->n_heap];
	size_t i = 0, k;

	while ((k = 2 * i + 1) < b->n_heap) {
		if (k + 1 < b->n_heap && b->heap[k + 1] < b->heap[k])
			k++;
		if (b->heap[k] >= x)
			break;
		b->heap[i] = b->heap[k];
		i = k;
	}
	b->heap[i] = x;
	return top;
}

/* Look up the pair that starts at symbol i and queue it: lowest rank first, then leftmost. */
static void queue_pair(struct bpe *b, uint32_t i)
{
	struct bpe_symbol *v = b->symbols;
	uint32_t next = v[i].next;

	v[i].rank = next == TOKEN_NONE ? TOKEN_NONE : token_rank(b->t, v[i].id, v[next].id);
	if (v[i].rank != TOKEN_NONE)
		heap_push(b, (uint64_t)v[i].rank << 32 | i);
}

static void merge_long(struct bpe *b, const unsigned char *s, size_t n)
{
	struct bpe_symbol *v;
	size_t len;

	if (b->cap < n) {
		b->cap = 2 * n;
		b->symbols = mem_grow(b->symbols, b->cap, sizeof(*b->symbols));
	}
	v = b->symbols;
	len = symbols(b->t, s, n, &v->id, sizeof(*v) / sizeof(v->id));
	for (size_t i = 0; i < len; i++) {
		v[i].prev = i ? (uint32_t)i - 1 : TOKEN_NONE;
		v[i].next = i + 1 < len ? (uint32_t)i + 1 : TOKEN_NONE;
	}
	b->n_heap = 0;
	for (size_t i = 0; i < len; i++)
		queue_pair(b, (uint32_t)i);
	while (b->n_heap) {
		uint64_t top = heap_pop(b);
		uint32_t i = (uint32_t)top, gone;

		if (v[i].rank != top >> 32)
			continue; /* this symbol or its neighbour has changed since */
		gone = v[i].next;
		v[i].id = b->t->merged[v[i].rank];
		v[i].next = v[gone].next;
		v[gone].rank = TOKEN_NONE;
		if (v[i].next != TOKEN_NONE)
			v[v[i].next].prev = i;
		queue_pair(b, i);
		if (v[i].prev != TOKEN_NONE)
			queue_pair(b, v[i].prev);
	}
	for (uint32_t i = 0; len && i != TOKEN_NONE; i = v[i].next)
		ids_push(b->out, v[i].id);
}

void bpe_merge(struct bpe *b, const char *s, size_t n)
{
	uint32_t ids[SHORT];

	if (n > SHORT)
		merge_long(b, (const unsigned char *)s, n);
	else
		ids_add(b->out, ids, merge_short(b->t, (const unsigned char *)s, n, ids));
}

size_t bpe_size(const struct bpe *b)
{
	return b->cap * sizeof(*b->symbols) + b->heap_cap * sizeof(*b->heap) +
	       b->dead_cap * sizeof(*b->dead);
}

void bpe_free(struct bpe *b)
{
	mem_free(b->cache);
	mem_free(b->symbols);
	mem_free(b->heap);
	mem_free(b->dead);
}
