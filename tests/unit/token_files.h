/* SPDX-License-Identifier: Apache-2.0 */
/* Fixtures of the tokenizer tests: zstd files into memory and into a scratch folder. */
#ifndef TESTS_TOKEN_FILES_H
#define TESTS_TOKEN_FILES_H

#include "tests/tap.h"

#include "base/file.h"
#include "token/token.h"

#include <jansson.h>
#include <unistd.h>
#include <zstd.h>

static char scratch[64];

__attribute__((unused)) static void scratch_make(void)
{
	strcpy(scratch, "/tmp/test_token.XXXXXX");
	if (!mkdtemp(scratch))
		exit(2);
}

/* "scratch/name"; stands until the fourth call after. */
__attribute__((unused)) static const char *scratch_path(const char *name)
{
	static char path[4][256];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", scratch, name);
	return path[turn];
}

/* tests/golden/token/NAME.zst in memory, NUL-terminated. */
__attribute__((unused)) static struct buf fixture(const char *name)
{
	struct err err = { 0 };
	struct buf b = { 0 };
	struct file f = { 0 };
	char file[256];
	size_t n;

	snprintf(file, sizeof(file), "token/%s.zst", name);
	if (file_open(&f, golden(file), &err) < 0) {
		check(false, "%s", err.msg);
		return b;
	}
	n = (size_t)ZSTD_getFrameContentSize(f.p, f.n);
	buf_reserve(&b, n);
	b.n = ZSTD_decompress(b.p, n, f.p, f.n);
	if (!check(b.n == n, "%s is whole", file))
		b.n = 0;
	b.p[b.n] = 0;
	file_close(&f);
	return b;
}

__attribute__((unused)) static const char *put(const char *name, const char *text, size_t n)
{
	const char *path = scratch_path(name);
	struct err err = { 0 };

	if (file_write(path, text, n, &err) < 0)
		check(false, "%s", err.msg);
	return path;
}

/* The tokenizer of a fixture. */
__attribute__((unused)) static struct token *open_fixture(const char *name)
{
	struct err err = { 0 };
	struct buf b = fixture(name);
	const char *path = put("tokenizer.json", b.p, b.n);
	struct token *t = token_open(path, &err);

	check(t != NULL, "%s opens%s%s", name, t ? "" : ": ", err.msg);
	unlink(path);
	buf_free(&b);
	return t;
}

/* The next line of a text as JSON; NULL at the end. */
__attribute__((unused)) static json_t *next_line(char **p)
{
	char *end = *p ? strchr(*p, '\n') : NULL;
	json_t *o;

	if (!end)
		return NULL;
	o = json_loadb(*p, (size_t)(end - *p), JSON_ALLOW_NUL, NULL);
	*p = end + 1;
	return o;
}

__attribute__((unused)) static bool same_ids(const struct ids *got, const json_t *want)
{
	if (got->n != json_array_size(want))
		return false;
	for (size_t i = 0; i < got->n; i++)
		if (got->v[i] != json_integer_value(json_array_get(want, i)))
			return false;
	return true;
}

#endif
