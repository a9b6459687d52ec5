/* SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_TOLD 50 /* a file that is not a configuration at all need not fill the screen */

void problem_add(struct problems *ps, const char *file, long line, long column, const char *fmt,
		 ...)
{
	char text[1000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Memory grows by doubling: at powers of two. */
	if (!(ps->n & (ps->n - 1)))
		ps->v = mem_grow(ps->v, ps->n ? ps->n * 2 : 1, sizeof(*ps->v));
	ps->v[ps->n] = (struct problem){ file, line, column, ps->n, mem_strdup(text) };
	ps->n++;
}

static int by_place(const void *pa, const void *pb)
{
	const struct problem *a = pa, *b = pb;
	bool cmd_a = !strcmp(a->file, "command line"), cmd_b = !strcmp(b->file, "command line");

	if (cmd_a != cmd_b)
		return cmd_a - cmd_b;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

size_t problems_tell(struct problems *ps, struct buf *out)
{
	size_t n = ps->n;

	if (n)
		qsort(ps->v, n, sizeof(*ps->v), by_place);
	for (size_t i = 0; i < n; i++) {
		const struct problem *p = &ps->v[i];

		if (i < MOST_TOLD)
			buf_printf(out, "%s:%ld:%ld: %s\n", p->file, p->line, p->column, p->text);
		else if (i == MOST_TOLD)
			buf_printf(out, "%s:%ld:%ld: and %zu more problems from here on\n", p->file,
				   p->line, p->column, n - i);
		mem_free(p->text);
	}
	mem_free(ps->v);
	*ps = (struct problems){ 0 };
	return n;
}
