/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/request_file.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "chat/answers.h"

#include <string.h>

/* One line; lines without anything in them are none. */
static int add_line(struct request_file *b, const struct request_defaults *d,
		    const struct element *e, struct err *err)
{
	struct request *r;
	size_t bad = utf8_valid(e->p, e->n), at = bad, row, column;
	int rc = 0;

	if (strspn(e->p, " \t\r") >= e->n)
		return 0;
	if (!b->n)
		b->json = e->p[strspn(e->p, " \t")] == '{';
	b->v = mem_grow(b->v, b->n + 1, sizeof(*b->v));
	r = &b->v[b->n];
	if (bad < e->n)
		rc = err_set(err, "byte 0x%02X is not UTF-8", (unsigned char)e->p[bad]);
	else if (b->json)
		rc = request_read(r, d, e, &at, err);
	else
		request_text(r, d, e);
	if (rc == 0 || bad == e->n)
		b->n++;
	if (rc == 0)
		return 0;
	element_place(e, at, &row, &column);
	return err_wrap(err, "%s:%zu:%zu", b->name, row, column);
}

int request_file_read(struct request_file *b, const char *path, const struct request_defaults *d,
		      struct err *err)
{
	struct file f;
	struct element e = { .column = 1 };
	int rc = 0;

	*b = (struct request_file){ .name = strcmp(path, "-") ? path : "standard input" };
	if (file_open(&f, path, err) < 0)
		return -1;
	for (size_t at = f.n >= 3 && !memcmp(f.p, "\xef\xbb\xbf", 3) ? 3 : 0; rc == 0 && at < f.n;
	     at += e.n + 1) {
		const char *p = (const char *)f.p + at, *end = memchr(p, '\n', f.n - at);
		size_t n = end ? (size_t)(end - p) : f.n - at;
		char *line = mem_strndup(p, n - (n && p[n - 1] == '\r'));

		e.p = line;
		e.n = n - (n && p[n - 1] == '\r');
		e.line++;
		rc = add_line(b, d, &e, err);
		e.n = n;
		mem_free(line);
	}
	file_close(&f);
	return rc;
}

int request_file_encode(struct request_file *b, const struct engine *e, struct err *err)
{
	for (size_t i = 0; i < b->n; i++)
		if (request_encode(&b->v[i], e, err) < 0)
			return err_wrap(err, "%s:%zu:1", b->name, b->v[i].line);
	return 0;
}

int request_file_answer(struct request_file *b, struct engine *e, int streams, bool json,
			struct err *err)
{
	size_t n = b->n;

	b->n = 0;
	return answers_write(e, b->v, n, streams, !json, err);
}

void request_file_close(struct request_file *b)
{
	for (size_t i = 0; i < b->n; i++)
		request_close(&b->v[i]);
	mem_free(b->v);
	*b = (struct request_file){ 0 };
}
