/* SPDX-License-Identifier: Apache-2.0 */
#include "data/csv.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

bool csv_end(struct csv *c, const char *p, size_t n, size_t *i)
{
	enum { BEGIN, PLAIN, QUOTED, CLOSED }; /* CLOSED: or the first of two quotes */

	for (; *i < n; ++*i) {
		char b = p[*i];

		if (c->state == QUOTED)
			c->state = b == '"' ? CLOSED : QUOTED;
		else if (b == '\n')
			return true;
		else if (b == ',')
			c->state = BEGIN;
		else if (b == '"' && c->state != PLAIN)
			c->state = QUOTED;
		else
			c->state = PLAIN;
	}
	return false;
}

static int fault(struct element *e, size_t at, const char *what)
{
	e->rule = RULE_CSV_SYNTAX;
	e->fault_at = at;
	snprintf(e->fault, sizeof(e->fault), "%s", what);
	return -1;
}

static void quote(struct buf *out, const char *s, size_t n)
{
	buf_char(out, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char b = (unsigned char)s[i];

		if (b == '"' || b == '\\')
			buf_printf(out, "\\%c", b);
		else if (b < 32)
			buf_printf(out, b == '\n' ? "\\n" : b == '\t' ? "\\t" : "\\u%04x", b);
		else
			buf_char(out, s[i]);
	}
	buf_char(out, '"');
}

/* A cell of the row at *i as a JSON string; *i is then at a comma or the end. */
static int cell(struct element *e, size_t *i, struct buf *text, struct buf *out)
{
	const char *p = e->p;
	size_t from = *i;

	buf_reset(text);
	if (*i == e->n || p[*i] != '"') {
		while (*i < e->n && p[*i] != ',')
			++*i;
		quote(out, p + from, *i - from);
		return 0;
	}
	for (++*i; *i < e->n; ++*i) {
		if (p[*i] == '"' && (*i + 1 == e->n || p[*i + 1] != '"'))
			break;
		*i += p[*i] == '"';
		buf_char(text, p[*i]);
	}
	if (*i == e->n)
		return fault(e, from, "a cell begins with '\"' and is never closed");
	++*i;
	if (*i < e->n && p[*i] != ',')
		return fault(e, *i, "text behind the '\"' that closes a cell");
	quote(out, text->p, text->n);
	return 0;
}

int csv_names(struct csv *c, struct element *e)
{
	struct buf text = { 0 };
	size_t i = 0;
	int rc = 0;

	while (rc == 0) {
		size_t from = c->names.n, at = i;

		rc = cell(e, &i, &text, &c->names);
		if (rc < 0)
			break;
		if (c->names.n - from == 2)
			rc = fault(e, at, "a column of the first row has no name");
		buf_char(&c->names, 0);
		for (size_t k = 0; k < from && rc == 0; k += strlen(c->names.p + k) + 1)
			if (!strcmp(c->names.p + k, c->names.p + from))
				rc = fault(e, at, "two columns have the same name");
		c->n_names++;
		if (i == e->n)
			break;
		i++;
	}
	buf_free(&text);
	return rc;
}

/* Where the byte at `at` of the row stands. */
static struct element_cell place(const struct element *e, size_t at)
{
	struct element_cell cell = { .line = e->line, .column = e->column };
	const char *p = e->p, *nl;
	size_t left = at;

	while ((nl = memchr(p, '\n', left))) {
		cell.line++;
		cell.column = 1;
		left -= (size_t)(nl + 1 - p);
		p = nl + 1;
	}
	cell.column += bytes_characters(p, left);
	return cell;
}

int csv_row(struct csv *c, struct element *e)
{
	const char *name = c->names.p;
	struct buf text = { 0 };
	size_t i = 0, n = 0;
	int rc = 0;

	buf_reset(&c->json);
	buf_reset(&c->cells);
	for (; rc == 0; n++, i++, name += strlen(name) + 1) {
		struct element_cell at = place(e, i);

		if (n == c->n_names) {
			rc = fault(e, i,
				   "more cells than the first row has names; a text with a comma "
				   "stands in quotes");
			break;
		}
		at.at = c->json.n;
		buf_add(&c->cells, &at, sizeof(at));
		buf_printf(&c->json, "%c%s:", n ? ',' : '{', name);
		rc = cell(e, &i, &text, &c->json);
		if (rc == 0 && i == e->n)
			break;
	}
	if (rc == 0 && n + 1 < c->n_names)
		rc = fault(e, e->n, "fewer cells than the first row has names");
	buf_char(&c->json, '}');
	buf_free(&text);
	if (rc < 0)
		return -1;
	e->p = c->json.p;
	e->n = c->json.n;
	e->cells = (const struct element_cell *)c->cells.p;
	e->n_cells = n + 1;
	return 0;
}

void csv_free(struct csv *c)
{
	buf_free(&c->names);
	buf_free(&c->json);
	buf_free(&c->cells);
	*c = (struct csv){ 0 };
}
