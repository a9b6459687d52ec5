/* SPDX-License-Identifier: Apache-2.0 */
/* Ids to text, and what a tokenizer says about itself. */
#include "token/vocab.h"

#include "base/utf8.h"

#include <string.h>

/* Bytes to valid UTF-8: each maximal invalid subpart becomes U+FFFD. */
static void add_lossy(struct buf *out, const char *s, size_t n)
{
	while (n) {
		size_t good = utf8_valid(s, n), bad;

		buf_add(out, s, good);
		s += good;
		n -= good;
		if (!n)
			break;
		buf_str(out, "\xEF\xBF\xBD");
		bad = utf8_bad_length(s, n);
		s += bad;
		n -= bad;
	}
}

/* A run of byte tokens: its text, or U+FFFD for each when it is none. */
static void end_run(struct buf *run, struct buf *out)
{
	if (utf8_valid(run->p, run->n) == run->n)
		buf_add(out, run->p, run->n);
	else
		for (size_t i = 0; i < run->n; i++)
			buf_str(out, "\xEF\xBF\xBD");
	buf_reset(run);
}

/* SentencePiece's BPE, as the decoder Replace, ByteFallback, Fuse, Strip has it. */
static void decode_chars(const struct token *t, const uint32_t *v, size_t n, bool skip_special,
			 struct buf *out)
{
	struct buf text = { 0 }, run = { 0 };
	bool drop;

	for (size_t i = 0; i < n; i++) {
		size_t len;
		const char *s = token_bytes(t, v[i], &len);

		if (!s || (skip_special && token_is_special(t, v[i])))
			continue;
		if (!(t->v[v[i]].flags & ENTRY_BYTE))
			end_run(&run, &text);
		buf_add(t->v[v[i]].flags & ENTRY_BYTE ? &run : &text, s, len);
	}
	end_run(&run, &text);
	drop = t->drop_space && text.n && text.p[0] == ' ';
	buf_add(out, text.p + drop, text.n - drop);
	buf_free(&text);
	buf_free(&run);
}

void token_decode(const struct token *t, const uint32_t *v, size_t n, bool skip_special,
		  struct buf *out)
{
	struct buf bytes = { 0 };

	if (t->chars) {
		decode_chars(t, v, n, skip_special, out);
		return;
	}

	for (size_t i = 0; i < n; i++) {
		size_t len;
		const char *s = token_bytes(t, v[i], &len);

		if (s && !(skip_special && token_is_special(t, v[i])))
			buf_add(&bytes, s, len);
	}
	buf_reserve(out, bytes.n);
	add_lossy(out, bytes.p, bytes.n);
	buf_free(&bytes);
}

const char *token_bytes(const struct token *t, uint32_t id, size_t *n)
{
	if (id >= t->n || !t->v[id].flags)
		return NULL;
	*n = t->v[id].len;
	return t->pool.p + t->v[id].off;
}

bool token_is_special(const struct token *t, uint32_t id)
{
	return id < t->n && t->v[id].flags & ENTRY_SPECIAL;
}

int64_t token_id(const struct token *t, const char *text)
{
	size_t n = strlen(text);
	int32_t k = trie_find(&t->all, text, n);
	uint32_t id;

	if (k >= 0)
		return t->added[k].id;
	if (utf8_valid(text, n) != n)
		return -1;
	id = token_find_key(t, text, n);
	return id == TOKEN_NONE ? -1 : (int64_t)id;
}

bool token_drops_space(const struct token *t)
{
	return t->drop_space;
}

uint32_t token_count(const struct token *t)
{
	return t->n;
}

bool token_adds_bos(const struct token *t)
{
	return t->adds_bos;
}

bool token_adds_space(const struct token *t)
{
	return t->chars ? t->prefix != PREFIX_NEVER : t->prefix_space;
}

int64_t token_bos(const struct token *t)
{
	return t->bos;
}

int64_t token_eos(const struct token *t)
{
	return t->eos;
}

int64_t token_pad(const struct token *t)
{
	return t->pad;
}

const char *token_chat_template(const struct token *t)
{
	return t->chat_template;
}

const char *token_hash(const struct token *t)
{
	return t->hash.s;
}
