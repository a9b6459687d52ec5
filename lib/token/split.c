/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The known pre-tokenizer patterns as hand-written scanners: what a backtracking matcher finds,
 * in one pass over exact class tables. An unknown pattern is refused by the readers.
 */
#include "token/vocab.h"

#include "base/utf8.h"

#include <string.h>

#define LETTERS_QWEN2 "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define REST_QWEN2    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const char *const patterns[] = {
	[SPLIT_QWEN2] = LETTERS_QWEN2 "\\p{N}" REST_QWEN2,
	[SPLIT_LLAMA3] = LETTERS_QWEN2 "\\p{N}{1,3}" REST_QWEN2,
	[SPLIT_GPT2] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+"
		       "|\\s+(?!\\S)|\\s+",
};

bool split_known(const char *pattern, enum split_kind *kind)
{
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		if (!strcmp(pattern, patterns[i])) {
			*kind = (enum split_kind)i;
			return true;
		}
	}
	return false;
}

const char *split_pattern(enum split_kind kind)
{
	return patterns[kind];
}

/* What is left of the text. */
struct scan {
	const uint8_t *classes;
	const char *end;
};

enum { LNS = UNI_L | UNI_N | UNI_S };

/* Class of the character at p (p < end), *p moved behind it. */
static inline uint8_t class_next(const struct scan *sc, const char **p)
{
	return sc->classes[utf8_next(p)];
}

/* The end of the run at p of characters whose bits under mask are want. */
static const char *run(const struct scan *sc, const char *p, uint8_t mask, uint8_t want)
{
	while (p < sc->end) {
		const char *next = p;

		if ((class_next(sc, &next) & mask) != want)
			break;
		p = next;
	}
	return p;
}

static const char *newlines(const struct scan *sc, const char *p)
{
	while (p < sc->end && (*p == '\r' || *p == '\n'))
		p++;
	return p;
}

/* 's 't 're 've 'm 'll 'd at p, which is an apostrophe: its end, or NULL. fold: any case, and U+017F,
 * which folds to s. */
static const char *contraction(const struct scan *sc, const char *p, bool fold)
{
	size_t n = (size_t)(sc->end - p);
	char a, b;

	if (n < 2)
		return NULL;
	a = fold && p[1] >= 'A' && p[1] <= 'Z' ? (char)(p[1] | 32) : p[1];
	if (a == 's' || a == 't' || a == 'm' || a == 'd')
		return p + 2;
	if (n < 3)
		return NULL;
	if (fold && !memcmp(p + 1, "\xC5\xBF", 2))
		return p + 3;
	b = fold && p[2] >= 'A' && p[2] <= 'Z' ? (char)(p[2] | 32) : p[2];
	if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
		return p + 3;
	return NULL;
}

/* \s+(?!\S)|\s+ : at the end of the text all of the run, else all but its last character, which
 * goes to what follows; a single one stands alone. */
static const char *spaces(const struct scan *sc, const char *p)
{
	const char *stop = run(sc, p, UNI_S, UNI_S), *last = stop;

	if (stop == sc->end)
		return stop;
	do
		last--;
	while ((*last & 0xC0) == 0x80);
	return last > p ? last : stop;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ */
static const char *spaces_newlines(const struct scan *sc, const char *p)
{
	const char *stop = run(sc, p, UNI_S, UNI_S);

	for (const char *q = stop; q > p; q--)
		if (q[-1] == '\r' || q[-1] == '\n')
			return q;
	return spaces(sc, p);
}

static const char *next_qwen2(const struct scan *sc, const char *p, int digits)
{
	const char *after = p, *q, *stop;
	uint8_t c;

	if (*p == '\'' && (stop = contraction(sc, p, true)))
		return stop;
	c = class_next(sc, &after);
	if (c & UNI_L)
		return run(sc, after, UNI_L, UNI_L);
	if (c & UNI_N) {
		while (--digits > 0 && after < sc->end) {
			q = after;
			if (!(class_next(sc, &q) & UNI_N))
				break;
			after = q;
		}
		return after;
	}
	if (*p != '\r' && *p != '\n' && after < sc->end) {
		q = after;
		if (class_next(sc, &q) & UNI_L)
			return run(sc, q, UNI_L, UNI_L);
	}
	if (!(c & UNI_S))
		return newlines(sc, run(sc, after, LNS, 0));
	if (*p == ' ') {
		stop = run(sc, after, LNS, 0);
		if (stop > after)
			return newlines(sc, stop);
	}
	return spaces_newlines(sc, p);
}

static const char *next_gpt2(const struct scan *sc, const char *p)
{
	const char *after = p, *first, *stop;
	uint8_t c;

	if (*p == '\'' && (stop = contraction(sc, p, false)))
		return stop;
	c = class_next(sc, &after);
	if (*p == ' ' && after < sc->end) {
		first = after;
		c = class_next(sc, &first);
		after = first;
	}
	if (c & UNI_S)
		return spaces(sc, p);
	return run(sc, after, LNS, c & LNS);
}

static const char *next_digits(const struct scan *sc, const char *p, bool runs)
{
	const char *after = p;
	uint8_t c = class_next(sc, &after);

	if (!(c & UNI_NUMERIC))
		return run(sc, after, UNI_NUMERIC, 0);
	return runs ? run(sc, after, UNI_NUMERIC, UNI_NUMERIC) : after;
}

size_t split_next(const struct token *t, enum split_kind kind, const char *s, size_t n)
{
	struct scan sc = { t->classes, s + n };
	const char *stop = s + n;

	switch (kind) {
	case SPLIT_QWEN2:
		stop = next_qwen2(&sc, s, 1);
		break;
	case SPLIT_LLAMA3:
		stop = next_qwen2(&sc, s, 3);
		break;
	case SPLIT_GPT2:
		stop = next_gpt2(&sc, s);
		break;
	case SPLIT_DIGITS:
		stop = next_digits(&sc, s, false);
		break;
	case SPLIT_DIGIT_RUNS:
		stop = next_digits(&sc, s, true);
		break;
	}
	return (size_t)(stop - s);
}
