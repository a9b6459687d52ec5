/* SPDX-License-Identifier: Apache-2.0 */
/* The search that takes the place of merges (token/greedy.c) against the merges, and how much it does. */
#include "tests/unit/token_files.h"

#include "base/tool.h"
#include "base/utf8.h"
#include "token/greedy.h"

static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

/* A tokenizer of the 256 bytes and n merges made by chance over "abc", in an order that chance
 * disturbs: parts may be made later than what is made of them, or never, and by several merges. */
static struct token *chance_tokenizer(uint32_t n, uint32_t disorder)
{
	struct token *t = token_new(256 + n);
	struct err err = { 0 };
	struct buf keys[64] = { { 0 } }, pairs[64][2] = { { { 0 } } };
	uint32_t n_keys = 3, order[64], ok = 0;

	for (uint32_t c = 0; c < 256; c++) {
		char key[4];

		ok += !token_add_vocab(t, c, key, utf8_put(key, t->letter_of[c]), &err);
	}
	for (uint32_t i = 0; i < 3; i++)
		buf_char(&keys[i], (char)('a' + i));
	for (uint32_t i = 0; i < n; i++) {
		struct buf *made = &keys[n_keys], *parts = pairs[i];

		buf_str(&parts[0], keys[below(n_keys)].p);
		buf_str(&parts[1], keys[below(n_keys)].p);
		buf_str(made, parts[0].p);
		buf_str(made, parts[1].p);
		order[i] = i;
		if (made->n > 40 || token_find_bytes(t, made->p, made->n, false) != TOKEN_NONE)
			buf_reset(made);
		else
			n_keys += !token_add_vocab(t, 256 + n_keys, made->p, made->n, &err);
	}
	for (uint32_t i = 0; i < disorder; i++) {
		uint32_t a = below(n), b = below(n), x = order[a];

		order[a] = order[b];
		order[b] = x;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct buf *p = pairs[order[i]], both = { 0 };

		buf_str(&both, p[0].p);
		buf_str(&both, p[1].p);
		if (token_find_bytes(t, both.p, both.n, false) != TOKEN_NONE)
			token_add_merge(t, p[0].p, p[0].n, p[1].p, p[1].n, &err);
		buf_free(&both);
	}
	if (ok != 256 || token_finish(t, &err) < 0)
		check(false, "a tokenizer by chance: %s", err.msg);
	for (uint32_t i = 0; i < 64; i++) {
		buf_free(&keys[i]);
		buf_free(&pairs[i][0]);
		buf_free(&pairs[i][1]);
	}
	return t;
}

/* Ids of a word by both ways are the same. */
static bool agree(struct bpe *b, const char *s, size_t n)
{
	struct ids search = { 0 }, merges = { 0 };
	bool same;

	b->out = &search;
	greedy_word(b, s, n);
	b->out = &merges;
	bpe_merge(b, s, n);
	same = search.n == merges.n && !memcmp(search.v, merges.v, merges.n * sizeof(*merges.v));
	if (!same)
		note("differs: '%.*s'", (int)n, s);
	ids_free(&search);
	ids_free(&merges);
	return same;
}

static void test_by_chance(void)
{
	uint32_t searches = 0, refused = 0, words = 0, wrong = 0;

	for (uint32_t i = 0; i < 3000; i++) {
		struct token *t = chance_tokenizer(2 + below(58), i % 3 ? below(1 + i % 20) : 0);
		struct bpe b = { .t = t };

		searches += t->greedy.works;
		refused += !t->greedy.works;
		for (uint32_t k = 0; t->greedy.works && k < 60; k++, words++) {
			char s[200];
			uint32_t n = 1 + below(k % 4 ? 16 : 200), letters = 1 + below(3);

			for (uint32_t j = 0; j < n; j++)
				s[j] = (char)('a' + below(letters));
			wrong += !agree(&b, s, n);
		}
		bpe_free(&b);
		token_close(t);
	}
	note("%u tokenizers, %u others have late merges", searches, refused);
	check(searches > 500 && refused > 500 && !wrong,
	      "tokenizers made by chance: %u of %u words differ", wrong, words);
}

/* Texts that are one word each, and how often an entry was tried: a bound of work that no clock
 * disturbs. Twice the text, twice the work. */
static void test_linear(const struct token *t)
{
	static const char *const units[][2] = {
		{ "a", "a" },           { "ab", "ab" },
		{ "digits", "0" },      { "spaces", " " },
		{ "line feeds", "\n" }, { "tabs and spaces", "\t " },
		{ "CJK", "的" },        { "accents", "é" },
		{ "marks", "e\u0301" }, { "emoji", "\U0001F600" },
		{ "aaab", "aaab" },     { "half characters", "\xC3" },
	};
	const size_t n_units = sizeof(units) / sizeof(*units);
	struct bpe b = { .t = t };

	for (size_t i = 0; i <= n_units; i++) {
		bool chance = i == n_units;
		struct ids ids = { 0 };
		struct buf s = { 0 };
		size_t tries[2], n = 200000;

		while (s.n < 2 * n)
			if (chance)
				buf_char(&s, (char)('a' + below(26)));
			else
				buf_str(&s, units[i][1]);
		b.out = &ids;
		for (size_t k = 0; k < 2; k++) {
			b.tries = ids.n = 0;
			greedy_word(&b, s.p, n << k);
			tries[k] = b.tries;
		}
		check(tries[1] <= 2 * n * 4 && tries[1] <= 2.1 * (double)tries[0],
		      "%s without end: %zu tries in %zu bytes, %zu in twice as many",
		      chance ? "letters" : units[i][0], tries[0], n, tries[1]);
		ids_free(&ids);
		buf_free(&s);
	}
	bpe_free(&b);
}

static void test_tokenizers(void)
{
	static const char *const names[] = { "gpt2",           "llama3",          "smollm",
					     "qwen_strmerges", "qwen_pairmerges", "added" };
	char name[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct token *t;

		snprintf(name, sizeof(name), "tiny_%s.tokenizer.json", names[i]);
		t = open_fixture(name);
		check(t && t->greedy.works, "%s is searched", name);
		token_close(t);
	}
}

int main(void)
{
	struct token *qwen;

	tool_start();
	scratch_make();
	test_by_chance();
	test_tokenizers();
	qwen = open_fixture("qwen3.tokenizer.json");
	if (check(qwen && qwen->greedy.works, "Qwen3 is searched"))
		test_linear(qwen);
	token_close(qwen);
	rmdir(scratch);
	return tap_done();
}
