/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests of ids that Hugging Face tokenizers gave for large texts: tests/golden/token/mixed.txt, made of
 * our own data, and the text that ANEKDOT_CORPUS names (169,153 lines of Debian's documentation).
 */
#include "tests/unit/token_files.h"

#include "base/hash.h"
#include "base/tool.h"

/* Hash the ids of up to 1000 lines from *p on; returns how many lines there were. */
static size_t chunk(const struct token *t, const char **p, const char *end, struct hash *h,
		    size_t *n)
{
	struct ids ids = { 0 };
	struct err err = { 0 };
	size_t lines = 0;

	*n = 0;
	for (const char *nl;
	     lines < 1000 && *p < end && (nl = memchr(*p, '\n', (size_t)(end - *p))); lines++) {
		ids.n = 0;
		if (token_encode(t, *p, (size_t)(nl - *p), TOKEN_SPECIAL, &ids, &err) < 0)
			note("%s", err.msg);
		for (size_t i = 0; i < ids.n; i++) {
			char text[16];

			hash_add(h, text,
				 (size_t)snprintf(text, sizeof(text), i ? " %u" : "%u", ids.v[i]));
		}
		hash_add(h, "\n", 1);
		*n += ids.n;
		*p = nl + 1;
	}
	ids_free(&ids);
	return lines;
}

static void compare(const struct token *t, const char *name, const char *p, size_t len, size_t want)
{
	const char *end = p + len;
	size_t good = 0, chunks = 0, line = 0;
	char row[256], path[128];
	FILE *f;

	snprintf(path, sizeof(path), "token/%s.digests.txt", name);
	f = fopen(golden(path), "r");
	while (f && fgets(row, sizeof(row), f)) {
		struct hash *h;
		struct hash_hex hex;
		size_t last, tokens, n;
		char digest[65];

		if (sscanf(row, "%zu %zu %64s", &last, &tokens, digest) != 3)
			continue;
		h = hash_new();
		line += chunk(t, &p, end, h, &n);
		hex = hash_end(h);
		if (line == last && n == tokens && !strcmp(hex.s, digest))
			good++;
		else if (good == chunks)
			note("first: up to line %zu, %zu tokens for %zu", last, n, tokens);
		chunks++;
	}
	if (f)
		fclose(f);
	check(good == want && chunks == want && p == end,
	      "%s: digests of %zu of %zu thousand lines", name, good, want);
}

int main(void)
{
	const char *corpus = getenv("ANEKDOT_CORPUS");
	struct err err = { 0 };
	struct token *t;
	struct buf b;
	struct file f;

	tool_start();
	scratch_make();
	t = open_fixture("qwen3.tokenizer.json");
	b = fixture("mixed.txt");
	if (t)
		compare(t, "mixed", b.p, b.n, 12);
	if (!t || !corpus)
		check(true, "bench_corpus # SKIP no ANEKDOT_CORPUS");
	else if (check(file_open(&f, corpus, &err) == 0, "ANEKDOT_CORPUS opens%s", err.msg)) {
		compare(t, "bench_corpus", (const char *)f.p, f.n, 170);
		file_close(&f);
	}
	buf_free(&b);
	token_close(t);
	rmdir(scratch);
	return tap_done();
}
