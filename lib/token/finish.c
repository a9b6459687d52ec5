/* SPDX-License-Identifier: Apache-2.0 */
/* What is made of a tokenizer once all of it was read: tables for the encoder, the content hash. */
#include "token/greedy.h"

#include "base/hash.h"

#include <string.h>

/* A pair that stands twice has the later rank, as in Hugging Face tokenizers. */
static void put_pair(struct token *t, struct merge m, uint32_t rank)
{
	uint64_t key = (uint64_t)m.left << TOKEN_ID_BITS | m.right;
	uint32_t h = pair_hash(m.left, m.right), i = h & t->filter_mask;

	t->pair_filter[i / 64] |= (uint64_t)1 << i % 64;
	for (i = h & t->pair_mask; t->pairs[i] != UINT64_MAX; i = (i + 1) & t->pair_mask)
		if (t->pairs[i] >> TOKEN_RANK_BITS == key)
			break;
	t->pairs[i] = key << TOKEN_RANK_BITS | rank;
}

/* Pairs of single bytes are half of all look-ups: each word begins with them. */
static void make_byte_ranks(struct token *t)
{
	t->byte_ranks = mem_new(65536, sizeof(*t->byte_ranks));
	for (int i = 0; i < 65536; i++) {
		uint32_t a = t->byte_id[i >> 8], b = t->byte_id[i & 255];
		bool both = a != TOKEN_NONE && b != TOKEN_NONE;

		t->byte_ranks[i] = both ? token_rank(t, a, b) : TOKEN_NONE;
	}
}

/* The id of each merge's result. */
static int make_merged(struct token *t, struct err *err)
{
	struct buf key = { 0 };
	int r = 0;

	t->merged = mem_new(t->n_merges, sizeof(*t->merged));
	for (uint32_t i = 0; !r && i < t->n_merges; i++) {
		buf_reset(&key);
		token_key(t, t->merges[i].left, &key);
		token_key(t, t->merges[i].right, &key);
		t->merged[i] = token_find_key(t, key.p, key.n);
		if (t->merged[i] == TOKEN_NONE)
			r = err_set(err, "merge %u: its result \"%s\" is not in the vocabulary", i,
				    token_show(key.p, key.n).s);
	}
	buf_free(&key);
	return r;
}

/* The table is kept small, for it to stay in the cache: 8 bytes a slot, two thirds full at most. */
static void make_pairs(struct token *t)
{
	size_t slots = 64;

	while (slots < t->n_merges + t->n_merges / 2)
		slots *= 2;
	t->pairs = mem_new(slots, sizeof(*t->pairs));
	memset(t->pairs, 0xff, slots * sizeof(*t->pairs));
	t->pair_mask = (uint32_t)(slots - 1);
	t->filter_mask = (uint32_t)(8 * slots - 1);
	t->pair_filter = mem_new(8 * slots / 64, sizeof(*t->pair_filter));
	for (uint32_t i = 0; i < t->n_merges; i++)
		put_pair(t, t->merges[i], i);
	make_byte_ranks(t);
}

/* What the normaliser makes of an added token's text. */
static void add_spaced(struct token *t, const struct added *a, int32_t i, struct buf *room)
{
	buf_reset(room);
	if (t->prefix == PREFIX_ALWAYS)
		buf_char(room, ' ');
	token_spaces(a->text, a->len, room);
	trie_add(&t->normalized, room->p, room->n, i);
}

/* Tokens of equal text after the normaliser: special ones come first. */
static void make_tries(struct token *t)
{
	struct buf nfc = { 0 };

	for (int special = 1; special >= 0; special--) {
		for (size_t i = 0; i < t->n_added; i++) {
			const struct added *a = &t->added[i];

			if (a->special != special)
				continue;
			if (!a->normalized)
				trie_add(&t->raw, a->text, a->len, (int32_t)i);
			else if (t->replaces_spaces)
				add_spaced(t, a, (int32_t)i, &nfc);
			else if (!t->nfc || normalize_nfc(t->classes, a->text, a->len, &nfc))
				trie_add(&t->normalized, a->text, a->len, (int32_t)i);
			else
				trie_add(&t->normalized, nfc.p, nfc.n, (int32_t)i);
		}
	}
	buf_free(&nfc);
}

static void hash_u32(struct hash *h, uint32_t x)
{
	unsigned char b[4] = { x & 255, x >> 8 & 255, x >> 16 & 255, x >> 24 };

	hash_add(h, b, 4);
}

/* What decides the ids and nothing else: whether an added token is special, or stands in the
 * vocabulary as well, differs between a tokenizer.json and the GGUF made of it. */
static void make_hash(struct token *t)
{
	struct hash *h = hash_new();
	struct hash_hex hex;

	hash_u32(h, t->n);
	for (uint32_t id = 0; id < t->n; id++) {
		const struct entry *e = &t->v[id];

		hash_u32(h, e->flags & ENTRY_ADDED ? 2 : !!e->flags);
		hash_u32(h, e->flags & ENTRY_RAW);
		hash_u32(h, e->len);
		hash_add(h, t->pool.p + e->off, e->flags ? e->len : 0);
	}
	for (uint32_t i = 0; i < t->n_merges; i++) {
		hash_u32(h, t->merges[i].left);
		hash_u32(h, t->merges[i].right);
	}
	for (size_t i = 0; i < t->n_added; i++) {
		const struct added *a = &t->added[i];

		hash_u32(h, a->id);
		hash_u32(h, (uint32_t)a->single_word | (uint32_t)a->lstrip << 1 |
				    (uint32_t)a->rstrip << 2 | (uint32_t)a->normalized << 3);
	}
	for (size_t i = 0; i < t->n_steps; i++)
		hash_u32(h, t->steps[i].kind);
	hash_u32(h, (uint32_t)t->nfc | (uint32_t)t->ignore_merges << 1 |
			    (uint32_t)t->fuse_unk << 2 | (uint32_t)t->prefix_space << 3);
	hash_u32(h, t->unk);
	if (t->chars)
		hash_u32(h, 1 | (uint32_t)t->byte_fallback << 1 | (uint32_t)t->split_spaces << 2 |
				    (uint32_t)t->prefix << 3 |
				    (uint32_t)(t->replaces_spaces && t->prefix != PREFIX_ALWAYS)
					    << 5);
	hex = hash_end(h);
	memcpy(t->hash.s, hex.s, sizeof(t->hash.s));
}

int token_finish(struct token *t, struct err *err)
{
	if (!t->n_vocab)
		return err_set(err, "the vocabulary is empty");
	if (make_merged(t, err) < 0)
		return -1;
	make_pairs(t);
	greedy_build(t);
	make_tries(t);
	make_hash(t);
	return 0;
}
