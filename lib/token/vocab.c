/* SPDX-License-Identifier: Apache-2.0 */
/* Building a tokenizer: entries, added tokens, merges. finish.c does what comes after. */
#include "token/greedy.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

/* How far an id may lie beyond the number of entries: memory grows with the largest id. */
#define ID_SLACK 1000000u

struct shown token_show(const char *s, size_t n)
{
	struct shown q = { { 0 } };
	size_t used = 0;

	for (size_t i = 0; i < n;) {
		size_t len = utf8_check(s + i, n - i);
		bool plain = len > 1 || (len == 1 && s[i] >= 0x20 && s[i] != 0x7f);

		if (used + 8 > sizeof(q.s)) {
			strcpy(q.s + used, "...");
			break;
		}
		if (plain)
			memcpy(q.s + used, s + i, len);
		else
			q.s[used] = '?';
		used += plain ? len : 1;
		i += len ? len : utf8_bad_length(s + i, n - i);
	}
	return q;
}

/* The GPT-2 byte alphabet: printable Latin-1 stands for itself, the other 68 bytes in increasing
 * order are U+0100 and up. */
static void make_alphabet(struct token *t)
{
	uint16_t other = 0x100;

	memset(t->byte_of, 0xff, sizeof(t->byte_of));
	for (int b = 0; b < 256; b++) {
		bool self = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;

		t->letter_of[b] = self ? (uint16_t)b : other++;
		t->byte_of[t->letter_of[b]] = (int16_t)b;
	}
}

struct token *token_new(size_t n_vocab)
{
	struct token *t = mem_new(1, sizeof(*t));
	size_t slots = 1024;

	while (slots < n_vocab + n_vocab / 2)
		slots *= 2;
	t->slots = mem_new(slots, sizeof(*t->slots));
	memset(t->slots, 0xff, slots * sizeof(*t->slots));
	t->slot_mask = (uint32_t)(slots - 1);
	t->classes = mem_new(UNICODE_COUNT, 1);
	unicode_expand(t->classes);
	t->idle = encoder_idle_new();
	make_alphabet(t);
	memset(t->byte_id, 0xff, sizeof(t->byte_id));
	t->unk = TOKEN_NONE;
	t->bos = t->eos = t->pad = -1;
	return t;
}

void token_close(struct token *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_added; i++)
		mem_free(t->added[i].text);
	mem_free(t->added);
	trie_free(&t->all);
	trie_free(&t->raw);
	trie_free(&t->normalized);
	buf_free(&t->pool);
	encoder_idle_free(t->idle);
	greedy_free(&t->greedy);
	mem_free(t->classes);
	mem_free(t->v);
	mem_free(t->slots);
	mem_free(t->merges);
	mem_free(t->pairs);
	mem_free(t->pair_filter);
	mem_free(t->byte_ranks);
	mem_free(t->merged);
	mem_free(t->post_processor);
	mem_free(t->post_bos);
	mem_free(t->chat_template);
	mem_free(t);
}

static uint64_t mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0x9E3779B97F4A7C15u;
	return h ^ h >> 32;
}

static uint32_t text_hash(const char *s, size_t n)
{
	uint64_t h = n, word;

	for (; n >= 8; s += 8, n -= 8) {
		memcpy(&word, s, 8);
		h = mix(h, word);
	}
	word = 0;
	memcpy(&word, s, n);
	return (uint32_t)mix(h, word);
}

uint32_t token_find_bytes(const struct token *t, const char *s, size_t n, bool raw)
{
	uint32_t hash;

	if (n > t->max_len)
		return TOKEN_NONE;
	hash = text_hash(s, n);
	for (uint32_t i = hash;; i++) {
		struct slot slot = t->slots[i & t->slot_mask];
		const struct entry *e;

		if (slot.id == TOKEN_NONE)
			return TOKEN_NONE;
		if (slot.hash != hash)
			continue;
		e = &t->v[slot.id];
		if (e->len == n && !(e->flags & ENTRY_RAW) == !raw &&
		    !memcmp(t->pool.p + e->off, s, n))
			return slot.id;
	}
}

/* The byte that "<0x0A>" stands for; -1: the key is no such name. */
static int byte_name(const char *key, size_t n)
{
	static const char hex[] = "0123456789ABCDEF";
	const char *high, *low;

	if (n != 6 || memcmp(key, "<0x", 3) || key[5] != '>')
		return -1;
	high = memchr(hex, key[3], 16);
	low = memchr(hex, key[4], 16);
	return high && low ? (int)(high - hex) << 4 | (int)(low - hex) : -1;
}

/* Bytes that a key stands for, appended to *out; true when it is over the byte alphabet, else *out
 * is as it was. */
static bool key_bytes(const struct token *t, const char *key, size_t n, struct buf *out)
{
	size_t was = out->n;
	const char *end = key + n;

	if (t->chars) {
		token_spaces(key, n, out);
		return true;
	}
	buf_reserve(out, n);
	while (key < end) {
		uint32_t c = utf8_next(&key);

		if (c >= 0x144 || t->byte_of[c] < 0) {
			out->n = was;
			return false;
		}
		out->p[out->n++] = (char)t->byte_of[c];
	}
	return true;
}

uint32_t token_find_key(const struct token *t, const char *key, size_t n)
{
	struct buf b = { 0 };
	int byte = t->byte_fallback ? byte_name(key, n) : -1;
	uint32_t id;

	if (byte >= 0)
		return t->byte_id[byte];
	if (key_bytes(t, key, n, &b))
		id = token_find_bytes(t, b.p, b.n, false);
	else
		id = token_find_bytes(t, key, n, true);
	buf_free(&b);
	return id;
}

void token_key(const struct token *t, uint32_t id, struct buf *out)
{
	const struct entry *e = &t->v[id];
	const unsigned char *s = (const unsigned char *)t->pool.p + e->off;

	if (e->flags & ENTRY_RAW) {
		buf_add(out, s, e->len);
		return;
	}
	if (e->flags & ENTRY_BYTE) {
		buf_printf(out, "<0x%02X>", s[0]);
		return;
	}
	if (t->chars) {
		for (uint32_t i = 0; i < e->len; i++)
			buf_add(out, s[i] == ' ' ? METASPACE : (const char *)s + i,
				s[i] == ' ' ? strlen(METASPACE) : 1);
		return;
	}
	buf_reserve(out, 2 * (size_t)e->len);
	for (uint32_t i = 0; i < e->len; i++)
		out->n += utf8_put(out->p + out->n, t->letter_of[s[i]]);
	out->p[out->n] = 0;
}

/* A new entry of this key, in no hash yet. */
static int new_entry(struct token *t, int64_t id, const char *key, size_t n, struct err *err)
{
	struct entry *e;

	if (id < 0 || id >= (int64_t)t->slot_mask + ID_SLACK || id > TOKEN_MAX_ID)
		return err_set(err, "token \"%s\": id %lld is out of range", token_show(key, n).s,
			       (long long)id);
	if (utf8_valid(key, n) != n)
		return err_set(err, "token %lld is not valid UTF-8", (long long)id);
	if (id < t->n && t->v[id].flags)
		return err_set(err, "id %lld belongs to two tokens, the second is \"%s\"",
			       (long long)id, token_show(key, n).s);
	if (id >= t->cap) {
		uint32_t cap = (uint32_t)id + 1 > 2 * t->cap ? (uint32_t)id + 1024 : 2 * t->cap;

		t->v = mem_grow(t->v, cap, sizeof(*t->v));
		memset(t->v + t->cap, 0, (cap - t->cap) * sizeof(*t->v));
		t->cap = cap;
	}
	if (t->n <= id)
		t->n = (uint32_t)id + 1;
	e = &t->v[id];
	e->off = (uint32_t)t->pool.n;
	if (!key_bytes(t, key, n, &t->pool)) {
		buf_add(&t->pool, key, n);
		e->flags |= ENTRY_RAW;
	}
	e->len = (uint32_t)(t->pool.n - e->off);
	return 0;
}

static int byte_entry(struct token *t, uint32_t id, int byte, struct err *err)
{
	struct entry *e = &t->v[id];

	if (t->byte_id[byte] != TOKEN_NONE)
		return err_set(err, "token \"<0x%02X>\" has two ids", (unsigned)byte);
	e->flags |= ENTRY_BYTE;
	e->len = 1;
	t->pool.p[e->off] = (char)byte;
	t->byte_id[byte] = id;
	t->n_vocab++;
	return 0;
}

int token_add_vocab(struct token *t, int64_t id, const char *key, size_t n, struct err *err)
{
	struct entry *e;
	uint32_t hash, i;

	if (!n)
		return err_set(err, "token %lld is empty", (long long)id);
	if (t->n_vocab + (uint64_t)t->n_vocab / 2 > t->slot_mask)
		return err_set(err, "more vocabulary entries than announced");
	if (t->chars && memchr(key, ' ', n))
		return err_set(err, "token %lld has a space, for which U+2581 should stand",
			       (long long)id);
	if (new_entry(t, id, key, n, err) < 0)
		return -1;
	e = &t->v[id];
	e->flags |= ENTRY_VOCAB;
	if (t->byte_fallback && byte_name(key, n) >= 0)
		return byte_entry(t, (uint32_t)id, byte_name(key, n), err);
	if (t->max_len < e->len)
		t->max_len = e->len;
	if (token_find_bytes(t, t->pool.p + e->off, e->len, e->flags & ENTRY_RAW) != TOKEN_NONE)
		return err_set(err, "token \"%s\" has two ids", token_show(key, n).s);
	hash = text_hash(t->pool.p + e->off, e->len);
	for (i = hash; t->slots[i & t->slot_mask].id != TOKEN_NONE;)
		i++;
	t->slots[i & t->slot_mask] = (struct slot){ hash, (uint32_t)id };
	t->n_vocab++;
	if (e->len == 1 && !(e->flags & ENTRY_RAW) && !t->chars)
		t->byte_id[(unsigned char)t->pool.p[e->off]] = (uint32_t)id;
	return 0;
}

int token_add_added(struct token *t, const struct added *a, uint32_t *id, struct err *err)
{
	struct shown q = token_show(a->text, a->len);
	uint32_t at;

	if (!a->len || a->len > TOKEN_MAX_ADDED_LEN)
		return err_set(err, "added token \"%s\" has %zu bytes; 1 to %u will do", q.s,
			       a->len, TOKEN_MAX_ADDED_LEN);
	if (utf8_valid(a->text, a->len) != a->len)
		return err_set(err, "added token \"%s\" is not valid UTF-8", q.s);
	if (trie_find(&t->all, a->text, a->len) >= 0)
		return err_set(err, "added token \"%s\" stands twice", q.s);
	at = token_find_key(t, a->text, a->len);
	if (at == TOKEN_NONE) {
		at = t->next_added > t->n_vocab ? t->next_added : t->n_vocab;
		if (new_entry(t, at, a->text, a->len, err) < 0)
			return -1;
	}
	if (t->next_added <= at)
		t->next_added = at + 1;
	t->v[at].flags |= ENTRY_ADDED | (a->special ? ENTRY_SPECIAL : 0);
	trie_add(&t->all, a->text, a->len, (int32_t)t->n_added);
	if ((t->n_added & (t->n_added - 1)) == 0)
		t->added = mem_grow(t->added, t->n_added ? 2 * t->n_added : 1, sizeof(*a));
	t->added[t->n_added] = *a;
	t->added[t->n_added].id = *id = at;
	t->added[t->n_added++].text = mem_strndup(a->text, a->len);
	return 0;
}

int token_add_merge(struct token *t, const char *left, size_t n_left, const char *right,
		    size_t n_right, struct err *err)
{
	struct merge m = { token_find_key(t, left, n_left), token_find_key(t, right, n_right) };

	if (m.left == TOKEN_NONE || m.right == TOKEN_NONE)
		return err_set(err, "merge %u: \"%s\" is not in the vocabulary", t->n_merges,
			       m.left == TOKEN_NONE ? token_show(left, n_left).s
						    : token_show(right, n_right).s);
	if (t->n_merges == TOKEN_MAX_MERGES)
		return err_set(err, "more than %u merges", TOKEN_MAX_MERGES);
	if (t->n_merges == t->merges_cap) {
		t->merges_cap = t->merges_cap ? 2 * t->merges_cap : 1024;
		t->merges = mem_grow(t->merges, t->merges_cap, sizeof(*t->merges));
	}
	t->merges[t->n_merges++] = m;
	return 0;
}
