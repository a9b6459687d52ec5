/* SPDX-License-Identifier: Apache-2.0 */
#include "base/line.h"

#include "base/sys.h"

int line_next(struct line *l, struct err *err)
{
	struct buf *b = &l->text;
	int c;

	if (sys_fails("getline", NULL))
		return err_sys(err, "standard input");
	buf_reset(b);
	l->number++;
	while ((c = getc_unlocked(l->in)) != EOF) {
		if (b->n == b->cap || b->n + 1 == b->cap)
			buf_reserve(b, 1 << 12);
		b->p[b->n++] = (char)c;
		if (c == '\n')
			break;
		if (b->n > LINE_BYTES_MAX)
			return err_set(err, "standard input:%zu: the line has more than %zu MiB",
				       l->number, LINE_BYTES_MAX >> 20);
	}
	if (ferror(l->in))
		return err_sys(err, "standard input");
	if (!b->n)
		return 0;
	b->p[b->n] = 0;
	return 1;
}

void line_free(struct line *l)
{
	buf_free(&l->text);
}
