/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text to ids: added tokens of the raw text, then per piece the normaliser, added tokens of the
 * normalised text, the pre-tokenizer and the merges.
 */
#include "token/encoder.h"

#include "base/utf8.h"

#include <string.h>

#define MAX_TEXT ((size_t)1 << 30)

/* What becomes of the text between added tokens. */
typedef void piece_fn(struct encoder *e, const char *s, size_t n);

/* The start of the character that ends at s + at. */
static size_t before(const char *s, size_t at)
{
	do
		at--;
	while ((s[at] & 0xC0) == 0x80);
	return at;
}

static uint8_t class_at(const struct token *t, const char *s)
{
	return t->classes[utf8_next(&s)];
}

static bool is_single_word(const struct token *t, const char *s, size_t n, size_t from, size_t to)
{
	if (from > 0 && class_at(t, s + before(s, from)) & UNI_WORD)
		return false;
	return to == n || !(class_at(t, s + to) & UNI_WORD);
}

/* Is the character at s white space? In a text where a space stands for U+2581 it is none, as U+2581
 * is none. */
static bool is_white(const struct token *t, const struct added *a, const char *s)
{
	return class_at(t, s) & UNI_S && !(a->normalized && t->replaces_spaces && *s == ' ');
}

/* Grow the match [*from, *to) over white space as the token's flags say. done: the end of the match
 * before this one. */
static void strip(const struct token *t, const struct added *a, const char *s, size_t n,
		  size_t done, size_t *from, size_t *to)
{
	const char *p = s + *to;

	while (a->lstrip && *from > done && is_white(t, a, s + before(s, *from)))
		*from = before(s, *from);
	if (a->lstrip && *from < done)
		*from = done;
	while (a->rstrip && p < s + n && is_white(t, a, p))
		utf8_next(&p);
	*to = (size_t)(p - s);
}

/* Emit the added tokens of s[0..n), and hand what lies between them to rest. Matches are those of
 * the text as it stands: a match inside white space that rstrip has eaten still counts, as in
 * Hugging Face tokenizers. */
static void split_added(struct encoder *e, const struct trie *tr, const char *s, size_t n,
			piece_fn *rest)
{
	size_t done = 0, at = 0, len = 0;
	int32_t k;

	while ((k = trie_match(tr, s, n, &at, &len)) >= 0) {
		const struct added *a = &e->t->added[k];
		size_t from = at, to = at + len;

		at = to;
		if (a->single_word && !is_single_word(e->t, s, n, from, to))
			continue;
		strip(e->t, a, s, n, done, &from, &to);
		if (done < from)
			rest(e, s + done, from - done);
		if (from < to)
			ids_push(e->bpe.out, a->id);
		done = to;
	}
	if (done < n)
		rest(e, s + done, n - done);
}

/* A space in front of *s. */
static void put_space(struct encoder *e, const char **s, size_t *n)
{
	bpe_flush(&e->bpe); /* words of the text that stood there */
	buf_reset(&e->prefixed);
	buf_char(&e->prefixed, ' ');
	buf_add(&e->prefixed, *s, *n);
	*s = e->prefixed.p;
	*n = e->prefixed.n;
}

/* ByteLevel, the last step: a space in front where that is asked for, its own pattern where the
 * last of the steps is that one. */
static void byte_level(struct encoder *e, bool gpt2, const char *s, size_t n)
{
	if (e->t->prefix_space && *s != ' ')
		put_space(e, &s, &n);
	while (gpt2 && n) {
		size_t len = split_next(e->t, SPLIT_GPT2, s, n);

		bpe_word(&e->bpe, s, len, n);
		s += len;
		n -= len;
	}
	if (n)
		bpe_word(&e->bpe, s, n, n);
}

static void pre_tokenize(struct encoder *e, size_t step, const char *s, size_t n)
{
	const struct token *t = e->t;
	bool last = step + 1 == t->n_steps;

	if (step == t->n_steps || (last && t->steps[step].kind == SPLIT_GPT2)) {
		byte_level(e, step < t->n_steps, s, n);
		return;
	}
	while (n) {
		size_t len = split_next(t, t->steps[step].kind, s, n);

		if (last && !t->prefix_space)
			bpe_word(&e->bpe, s, len, n);
		else
			pre_tokenize(e, step + 1, s, len);
		s += len;
		n -= len;
	}
}

/* U+2581 in a text is a space to SentencePiece. */
static void metaspace(struct buf *room, bool prefix, const char **s, size_t *n)
{
	if (!prefix && !memmem(*s, *n, METASPACE, strlen(METASPACE)))
		return;
	buf_reset(room);
	if (prefix)
		buf_char(room, ' ');
	token_spaces(*s, *n, room);
	*s = room->p;
	*n = room->n;
}

/* SentencePiece: a piece is one word, or begins a word with each space. */
static void words(struct encoder *e, const char *s, size_t n)
{
	const struct token *t = e->t;
	bool begins = s == e->begin;

	metaspace(&e->spaced, false, &s, &n);
	if (*s != ' ' && (t->prefix == PREFIX_PIECE || (t->prefix == PREFIX_TEXT && begins)))
		put_space(e, &s, &n);
	while (t->split_spaces && n) {
		const char *next = memchr(s + 1, ' ', n - 1);
		size_t len = next ? (size_t)(next - s) : n;

		bpe_word(&e->bpe, s, len, n);
		s += len;
		n -= len;
	}
	if (n)
		bpe_word(&e->bpe, s, n, n);
}

static void ordinary(struct encoder *e, const char *s, size_t n)
{
	if (e->t->chars)
		words(e, s, n);
	else
		pre_tokenize(e, 0, s, n);
	bpe_flush(&e->bpe);
}

/* The normaliser of SentencePiece's BPE; where there is none, U+2581 is no space until `words`. */
static void normal_spaces(struct encoder *e, const char **s, size_t *n)
{
	bool begins = *s == e->text;

	if (e->t->replaces_spaces)
		metaspace(&e->nfc, e->t->prefix == PREFIX_ALWAYS, s, n);
	e->begin = begins ? *s : NULL;
}

static void normal(struct encoder *e, const char *s, size_t n)
{
	if (e->t->chars)
		normal_spaces(e, &s, &n);
	else if (e->t->nfc && !normalize_nfc(e->t->classes, s, n, &e->nfc)) {
		s = e->nfc.p;
		n = e->nfc.n;
	}
	if (e->special && e->t->normalized.n)
		split_added(e, &e->t->normalized, s, n, ordinary);
	else
		ordinary(e, s, n);
}

int token_encode(const struct token *t, const char *text, size_t n, int flags, struct ids *out,
		 struct err *err)
{
	struct encoder *e;
	size_t bad;

	if (n > MAX_TEXT)
		return err_set(err, "a text of %zu bytes is too long; at most %zu", n, MAX_TEXT);
	bad = utf8_valid(text, n);
	if (bad < n)
		return err_set(err, "invalid UTF-8 at byte %zu", bad);
	e = encoder_take(t);
	e->special = flags & TOKEN_SPECIAL;
	e->bpe.plain = !e->special;
	e->text = text;
	e->bpe.out = out;
	if (e->special && t->raw.n)
		split_added(e, &t->raw, text, n, normal);
	else if (n)
		normal(e, text, n);
	encoder_give_back(e);
	return 0;
}
