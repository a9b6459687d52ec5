/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For validate.sh. `validate make BYTES`: alpaca records as JSON lines, half English and half Chinese,
 * no two alike, with line breaks, quotes and code in them as real answers have. `validate run
 * COMMAND...`: processor seconds, seconds by the clock and the most resident bytes of a command whose
 * standard output is dropped.
 */
#include "base/utf8.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 4096, WORD = 24 };

static char english[WORDS][WORD], chinese[WORDS][WORD];
static uint64_t state = 1;

static uint32_t below(uint32_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(((state >> 32) * n) >> 32);
}

/* Words of syllables, and of one to three characters that are common. */
static void make_words(void)
{
	static const char *const on[] = { "b", "c", "d", "f", "g", "h",  "l",  "m",  "n",  "p",
					  "r", "s", "t", "v", "w", "st", "tr", "br", "th", "" };
	static const char *const in[] = { "a", "e", "i", "o", "u", "ea", "ou", "ai" };
	static const char *const off[] = { "", "n", "r", "s", "m", "l", "nd", "rn" };

	for (int i = 0; i < WORDS; i++) {
		size_t n = 0;

		for (uint32_t k = below(3) + 1; k; k--)
			strcat(strcat(strcat(english[i], on[below(20)]), in[below(8)]),
			       off[below(8)]);
		for (uint32_t k = below(3) + 1; k; k--)
			n += utf8_put(chinese[i] + n, 0x4E00 + below(3000));
	}
}

/* Small numbers are common, as words are in a language. */
static const char *word(char words[][WORD])
{
	return words[below(below(WORDS) + 1)];
}

static void sentence(FILE *f, bool zh, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		fputs(word(zh ? chinese : english), f);
		if (i + 1 == n)
			fputs(zh ? "。" : ".", f);
		else if (below(9) == 0)
			fputs(zh ? "，" : ", ", f);
		else if (!zh)
			fputc(' ', f);
	}
}

static void answer(FILE *f, bool zh)
{
	for (uint32_t n = 2 + below(below(40) + 1); n; n--) {
		sentence(f, zh, 5 + below(15));
		fputs(below(3) ? (zh ? "" : " ") : "\\n", f);
	}
	if (below(8) == 0)
		fprintf(f, "\\n```\\nfor i in range(%u):\\n\\tprint(\\\"%s\\\")\\n```", below(100),
			word(english));
}

static void make(unsigned long long bytes)
{
	unsigned long long done = 0;
	char *text = NULL;
	size_t n = 0;

	make_words();
	while (done < bytes) {
		FILE *f = open_memstream(&text, &n);

		for (int i = 0; i < 1000; i++) {
			bool zh = i & 1;

			fputs("{\"instruction\": \"", f);
			if (i % 50 < 2)
				fputs(zh ? "你好，" : "Hello, ", f);
			sentence(f, zh, 4 + below(12));
			fputs("\", \"input\": \"", f);
			if (below(4) == 0)
				sentence(f, zh, 4 + below(30));
			fputs("\", \"output\": \"", f);
			answer(f, zh);
			fputs("\"}\n", f);
		}
		fclose(f);
		if (fwrite(text, 1, n, stdout) != n)
			exit(1);
		done += n;
		free(text);
	}
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

static int run(char **argv)
{
	struct timespec a, b;
	struct rusage use;
	int status;
	pid_t pid;

	clock_gettime(CLOCK_MONOTONIC, &a);
	pid = fork();
	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY), 1);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &use) < 0 || status)
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.3f %.3f %ld\n", seconds(use.ru_utime) + seconds(use.ru_stime),
	       (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9,
	       use.ru_maxrss * 1024);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "make"))
		make(strtoull(argv[2], NULL, 10));
	else if (argc > 2 && !strcmp(argv[1], "run"))
		return run(argv + 2);
	else
		return 2;
	return fflush(stdout) ? 1 : 0;
}
