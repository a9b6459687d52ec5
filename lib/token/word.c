/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A word's ids: out of a cache of words that were met before, else of the vocabulary where BPE makes
 * an entry of its own bytes, else by merges. The cache is a table with one place for each hash,
 * where the last word stays: its size is fixed, and it may forget anything at any time. A place is
 * one line of the processor's cache; words and lists of ids that do not fit into one are not kept.
 */
#include "token/greedy.h"

#include <string.h>

#define CACHE_BITS  16
#define CACHED_IDS  7
#define CACHE_TABLE ((size_t)1 << CACHE_BITS)

struct cached {
	uint64_t key[CACHED_KEY / 8]; /* the word, zeros behind it */
	uint32_t ids[CACHED_IDS];
	uint8_t len, n; /* bytes in key, 0: nothing here; ids */
};

/* The word's bytes with zeros behind them; what follows it in the text is cut off by a mask. */
static inline void word_key(const char *s, size_t n, size_t room, uint64_t *key)
{
	static const unsigned char ones[2 * CACHED_KEY] = { [0 ... CACHED_KEY - 1] = 0xff };
	uint64_t mask[CACHED_KEY / 8];

	if (room < CACHED_KEY) {
		memset(key, 0, CACHED_KEY);
		memcpy(key, s, n);
		return;
	}
	memcpy(key, s, CACHED_KEY);
	memcpy(mask, ones + CACHED_KEY - n, CACHED_KEY);
	for (int i = 0; i < CACHED_KEY / 8; i++)
		key[i] &= mask[i];
}

static inline size_t key_hash(const uint64_t *key)
{
	uint64_t h = key[0] * 0x9E3779B97F4A7C15u + key[1] * 0xC2B2AE3D27D4EB4Fu +
		     key[2] * 0x165667B19E3779F9u + key[3] * 0xD6E8FEB86659FD93u;

	return (h ^ h >> 29) * 0xBF58476D1CE4E5B9u >> (64 - CACHE_BITS);
}

static inline bool same_key(const struct cached *c, const uint64_t *key, size_t n)
{
	return c->len == n && !((c->key[0] ^ key[0]) | (c->key[1] ^ key[1]) | (c->key[2] ^ key[2]) |
				(c->key[3] ^ key[3]));
}

static void keep(struct cached *c, const uint64_t *key, size_t n, const uint32_t *ids, size_t n_ids)
{
	if (n_ids > CACHED_IDS)
		return;
	memcpy(c->key, key, CACHED_KEY);
	if (n_ids)
		memcpy(c->ids, ids, n_ids * sizeof(*ids));
	c->len = (uint8_t)n;
	c->n = (uint8_t)n_ids;
}

/* Without the cache. False: another call, with another b->plain, may give other ids. */
static bool new_word(struct bpe *b, const char *s, size_t n)
{
	const struct token *t = b->t;
	uint32_t id = t->ignore_merges ? token_find_bytes(t, s, n, false) : TOKEN_NONE;
	bool added = id != TOKEN_NONE && t->v[id].flags & ENTRY_ADDED;

	if (id != TOKEN_NONE && !(added && b->plain))
		ids_push(b->out, id);
	else if (t->greedy.works)
		greedy_word(b, s, n);
	else
		bpe_merge(b, s, n);
	return !added;
}

void bpe_flush(struct bpe *b)
{
	struct ids *out = b->out;

	for (size_t i = 0; i < b->n_queue; i++) {
		const struct queued *q = &b->queue[i];
		struct cached *c = q->place;
		size_t first = out->n;

		if (c && same_key(c, q->key, q->n)) {
			ids_reserve(out, CACHED_IDS);
			memcpy(out->v + first, c->ids, sizeof(c->ids));
			out->n += c->n;
		} else if (new_word(b, q->s, q->n) && c && out->n > first) {
			keep(c, q->key, q->n, out->v + first, out->n - first);
		}
	}
	b->n_queue = 0;
}

void bpe_word(struct bpe *b, const char *s, size_t n, size_t room)
{
	struct queued *q = &b->queue[b->n_queue++];

	q->s = s;
	q->n = n;
	q->place = NULL;
	if (n <= CACHED_KEY) {
		word_key(s, n, room, q->key);
		q->place = &b->cache[key_hash(q->key)];
		__builtin_prefetch(q->place);
	}
	if (b->n_queue == BPE_QUEUE)
		bpe_flush(b);
}

void bpe_init(struct bpe *b, const struct token *t)
{
	b->t = t;
	b->cache = mem_new(CACHE_TABLE, sizeof(*b->cache));
}
