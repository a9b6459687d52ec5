/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast text becomes ids: a JSON line a measure.
 *   tokenize lines TOKENIZER TEXT [PASSES]    each line by itself, one thread, without loading
 *   tokenize threads TOKENIZER TEXT MOST      the same on 1 to MOST threads
 *   tokenize words TOKENIZER                  one endless word of each kind, and how its processor time grows
 */
#include "base/file.h"
#include "base/tool.h"
#include "base/utf8.h"
#include "token/token.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct token *tok;

static void encode(const char *s, size_t n, struct ids *ids)
{
	struct err err = { 0 };

	if (token_encode(tok, s, n, TOKEN_SPECIAL, ids, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		exit(2);
	}
}

/* Of the whole process: what others do on the machine disturbs it less than a clock. */
static double cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds for all lines. */
static double all_lines(const char *p, size_t n, int threads, size_t *tokens)
{
	const char *const end = p + n;
	double start = clock_now();
	size_t sum = 0;

#pragma omp parallel num_threads(threads) reduction(+ : sum)
	{
		struct ids ids = { 0 };
#pragma omp for schedule(dynamic, 1)
		for (size_t at = 0; at < n; at += 1 << 16) {
			/* The lines that begin in this part of the text. */
			const char *stop = n - at < 1 << 16 ? end : p + at + (1 << 16);
			const char *s = at ? memchr(p + at - 1, '\n', n - at + 1) : p - 1;

			for (s = s ? s + 1 : end; s < stop;) {
				const char *nl = memchr(s, '\n', (size_t)(end - s));

				nl = nl ? nl : end;
				ids.n = 0;
				encode(s, (size_t)(nl - s), &ids);
				sum += ids.n;
				s = nl + 1;
			}
		}
		ids_free(&ids);
	}
	*tokens = sum;
	return clock_now() - start;
}

static void lines(const struct file *f, int threads)
{
	size_t tokens;
	double cpu = cpu_now();
	double t = all_lines((const char *)f->p, f->n, threads, &tokens);

	printf("{\"bench\": \"tokenize\", \"threads\": %d, \"bytes\": %zu, \"tokens\": %zu, "
	       "\"seconds\": %.4f, \"cpu_seconds\": %.4f, \"MB/s\": %.2f}\n",
	       threads, f->n, tokens, t, cpu_now() - cpu, (double)f->n / t / 1e6);
	fflush(stdout);
}

/* n bytes of one kind, whole characters. */
static void endless(const char *unit, size_t n, struct buf *s)
{
	uint64_t seed = 1;

	buf_reset(s);
	while (s->n < n) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		if (!strcmp(unit, "a-z"))
			buf_char(s, (char)('a' + (seed >> 33) % 26));
		else if (!strcmp(unit, "0-9"))
			buf_char(s, (char)('0' + (seed >> 33) % 10));
		else if (!strcmp(unit, "CJK")) {
			char c[4];

			buf_add(s, c, utf8_put(c, 0x4E00 + (uint32_t)(seed >> 33) % 0x5000));
		} else
			buf_str(s, unit);
	}
}

/* The exponent of time over length, by least squares over logarithms. */
static void words(const char *name, const char *unit)
{
	static const double mb[] = { 1, 2, 5, 10 };
	double sx = 0, sy = 0, sxx = 0, sxy = 0, t[4];
	struct ids ids = { 0 };
	struct buf s = { 0 };

	for (int i = 0; i < 4; i++) {
		double x, y;

		endless(unit, (size_t)(mb[i] * 1e6), &s);
		t[i] = INFINITY;
		for (int pass = 0; pass < 3; pass++) {
			double start = cpu_now();

			ids.n = 0;
			encode(s.p, s.n, &ids);
			t[i] = fmin(t[i], cpu_now() - start);
		}
		x = log(mb[i]);
		y = log(t[i]);
		sx += x;
		sy += y;
		sxx += x * x;
		sxy += x * y;
	}
	printf("{\"bench\": \"tokenize word\", \"of\": \"%s\", \"seconds\": {\"1 MB\": %.4f, "
	       "\"2 MB\": %.4f, \"5 MB\": %.4f, \"10 MB\": %.4f}, \"exponent\": %.2f}\n",
	       name, t[0], t[1], t[2], t[3], (4 * sxy - sx * sy) / (4 * sxx - sx * sx));
	fflush(stdout);
	ids_free(&ids);
	buf_free(&s);
}

static void all_words(void)
{
	static const char *const kinds[][2] = {
		{ "a", "a" },
		{ "letters by chance", "a-z" },
		{ "digits", "0-9" },
		{ "spaces", " " },
		{ "line feeds", "\n" },
		{ "one character", "的" },
		{ "CJK by chance", "CJK" },
		{ "emoji", "\U0001F600" },
		{ "marks", "\u0301" },
		{ "e and marks", "e\u0301\u0323" },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		words(kinds[i][0], kinds[i][1]);
}

int main(int argc, char **argv)
{
	int n = argc > 4 ? atoi(argv[4]) : 3;
	struct err err = { 0 };
	struct file f = { 0 };

	tool_start_threads(argv);
	if (argc < 3)
		return 2;
	tok = token_open(argv[2], &err);
	if (!tok || (argc > 3 && file_open(&f, argv[3], &err) < 0)) {
		fprintf(stderr, "%s\n", err.msg);
		return 2;
	}
	if (!strcmp(argv[1], "words"))
		all_words();
	for (int i = 1; i <= n && f.n; i++)
		lines(&f, !strcmp(argv[1], "threads") ? i : 1);
	file_close(&f);
	token_close(tok);
	return 0;
}
