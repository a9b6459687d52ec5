/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/answers.h"
#include "chat/lines.h"
#include "chat/repl.h"

#include <stdio.h>
#include <unistd.h>

#define TOGETHER 256 /* lines that are answered before more are read */

/* One line into *r. */
static int read_one(struct request *r, const struct lines *in, const char *line, size_t n,
		    const struct engine *e, const struct request_defaults *d, struct err *err)
{
	struct element place = { .p = line, .n = n, .line = in->number, .column = 1 };
	size_t at = 0, row, column;
	int rc = request_read(r, d, &place, &at, err);

	element_place(&place, at, &row, &column);
	if (rc < 0)
		err_wrap(err, "standard input:%zu: column %zu", row, column);
	else if ((rc = request_encode(r, e, err)) < 0)
		err_wrap(err, "standard input:%zu", row);
	if (rc < 0)
		request_close(r);
	return rc;
}

/* Waits for one line and takes those that are there beside it. 1: there may be more. */
static int collect(struct request *v, size_t *count, struct lines *in, const struct engine *e,
		   const struct request_defaults *d, struct err *err)
{
	enum lines_result r = LINES_ONE;
	char *line;
	size_t n;

	for (*count = 0; *count < TOGETHER;) {
		r = lines_next(in, *count == 0, &line, &n, err);
		if (r == LINES_SIGNAL)
			continue;
		if (r != LINES_ONE)
			break;
		if (!n)
			continue;
		if (read_one(&v[*count], in, line, n, e, d, err) < 0)
			return -1;
		++*count;
	}
	return r == LINES_ERROR ? -1 : r != LINES_END;
}

int repl_json(struct engine *e, const struct request_defaults *d, int streams, struct err *err)
{
	struct lines in = { .fd = STDIN_FILENO };
	struct request *v = mem_new(TOGETHER, sizeof(*v));
	int more = 1, rc = 0;
	size_t n;

	while (more == 1 && rc == 0 && !ferror(stdout)) {
		struct err late = { 0 };

		more = collect(v, &n, &in, e, d, &late);
		rc = answers_write(e, v, n, streams, false, err);
		if (rc == 0 && more < 0) {
			*err = late;
			rc = -1;
		}
	}
	lines_close(&in);
	mem_free(v);
	return rc;
}
