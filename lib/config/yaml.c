/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's events as a flat list of entries. Only what a configuration needs is let through, so
 * nothing can expand (aliases), change its type (tags) or hide (a key twice, a second document).
 */
#include "config/schema.h"

#include <string.h>
#include <yaml.h>

#define MOST_ENTRIES  1024
#define MOST_BRACKETS 4096

struct reader {
	yaml_parser_t parser;
	yaml_event_t event;
	const char *file;
	const unsigned char *text;
	struct arena *arena;
	struct entries *es;
	struct problems *ps;
	bool failed; /* no event can follow */
};

#define HERE(r)                                                                                    \
	(r)->file, (long)(r)->event.start_mark.line + 1, (long)(r)->event.start_mark.column + 1

/* Report anchors, aliases and tags: they are not let through anywhere. */
static void refuse_extras(struct reader *r)
{
	const yaml_event_t *e = &r->event;
	const yaml_char_t *anchor = NULL, *tag = NULL;

	if (e->type == YAML_ALIAS_EVENT) {
		problem_add(r->ps, HERE(r), "alias '*%.60s' is not supported; write the value out",
			    (const char *)e->data.alias.anchor);
	} else if (e->type == YAML_SCALAR_EVENT) {
		anchor = e->data.scalar.anchor;
		tag = e->data.scalar.tag;
	} else if (e->type == YAML_SEQUENCE_START_EVENT) {
		anchor = e->data.sequence_start.anchor;
		tag = e->data.sequence_start.tag;
	} else if (e->type == YAML_MAPPING_START_EVENT) {
		anchor = e->data.mapping_start.anchor;
		tag = e->data.mapping_start.tag;
	}
	if (anchor)
		problem_add(r->ps, HERE(r), "anchor '&%.60s' is not supported; leave it out",
			    (const char *)anchor);
	if (tag)
		problem_add(r->ps, HERE(r), "tag '%.60s' is not supported; leave it out",
			    (const char *)tag);
}

/* Bad bytes have an offset only. */
static void locate(const unsigned char *text, size_t offset, long *line, long *column)
{
	*line = *column = 1;
	for (size_t i = 0; i < offset; i++) {
		*column += (text[i] & 0xC0) != 0x80;
		if (text[i] == '\n') {
			++*line;
			*column = 1;
		}
	}
}

/* The next event; false at a syntax error, which is reported. */
static bool next(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	long line, column;

	yaml_event_delete(&r->event);
	if (r->failed)
		return false;
	if (yaml_parser_parse(&r->parser, &r->event)) {
		refuse_extras(r);
		return true;
	}
	r->failed = true;
	line = (long)p->problem_mark.line + 1;
	column = (long)p->problem_mark.column + 1;
	if (p->error == YAML_READER_ERROR)
		locate(r->text, p->problem_offset, &line, &column);
	problem_add(r->ps, r->file, line, column, "not YAML: %s%s%s",
		    p->problem ? p->problem : "out of memory", p->context ? " " : "",
		    p->context ? p->context : "");
	return false;
}

static bool opens(const struct reader *r)
{
	return r->event.type == YAML_MAPPING_START_EVENT ||
	       r->event.type == YAML_SEQUENCE_START_EVENT;
}

static bool closes(const struct reader *r)
{
	return r->event.type == YAML_MAPPING_END_EVENT || r->event.type == YAML_SEQUENCE_END_EVENT;
}

/* Pass over the node whose first event is there. */
static bool skip(struct reader *r)
{
	size_t depth = opens(r);

	while (depth) {
		if (!next(r))
			return false;
		depth += opens(r);
		depth -= closes(r);
	}
	return true;
}

/* The text of a scalar event; NULL, reported, if it cannot be a C string. */
static char *scalar(struct reader *r)
{
	const char *s = (const char *)r->event.data.scalar.value;
	size_t n = r->event.data.scalar.length;

	if (memchr(s, 0, n)) {
		problem_add(r->ps, HERE(r), "text holds a NUL byte; take it out");
		return NULL;
	}
	return arena_strndup(r->arena, s, n);
}

/* A sequence of scalars becomes "a,b". *good: it is one. */
static bool read_sequence(struct reader *r, struct entry *e, bool *good)
{
	struct buf list = { 0 };
	bool alive;

	e->sequence = true;
	while ((alive = next(r)) && r->event.type != YAML_SEQUENCE_END_EVENT) {
		char *item;

		if (r->event.type != YAML_SCALAR_EVENT) {
			if (r->event.type != YAML_ALIAS_EVENT)
				problem_add(r->ps, HERE(r),
					    "an item of '%s' is not a plain value; lists hold "
					    "words only",
					    shown(r->arena, e->key));
			*good = false;
			if (!skip(r))
				break;
			continue;
		}
		item = scalar(r);
		if (item && (!*item || strchr(item, ','))) {
			problem_add(r->ps, HERE(r), "an item of '%s' %s", shown(r->arena, e->key),
				    *item ? "holds a comma; write each item by itself"
					  : "is empty; leave it out");
			item = NULL;
		}
		*good = *good && item;
		if (list.n)
			buf_char(&list, ',');
		buf_str(&list, item ? item : "");
	}
	e->value = arena_strndup(r->arena, list.n ? list.p : "", list.n);
	buf_free(&list);
	return alive && !r->failed;
}

static void keep(struct reader *r, const struct entry *e)
{
	struct entries *es = r->es;

	if (!strcmp(e->key, "<<")) {
		problem_add(r->ps, e->file, e->line, e->column,
			    "merge key '<<' is not supported; write the keys out");
		return;
	}
	for (size_t i = 0; i < es->n; i++)
		if (!strcmp(es->v[i].key, e->key)) {
			problem_add(r->ps, e->file, e->line, e->column,
				    "key '%s' stands twice, first in line %ld; keep one",
				    shown(r->arena, e->key), es->v[i].line);
			return;
		}
	es->v = mem_grow(es->v, es->n + 1, sizeof(*es->v));
	es->v[es->n++] = *e;
}

/* One "key: value"; false when no more can be read. */
static bool read_pair(struct reader *r)
{
	struct entry e = { .file = r->file };
	bool good = true;

	e.line = (long)r->event.start_mark.line + 1;
	e.column = (long)r->event.start_mark.column + 1;
	if (r->event.type == YAML_SCALAR_EVENT) {
		e.key = scalar(r);
	} else if (r->event.type != YAML_ALIAS_EVENT) {
		problem_add(r->ps, HERE(r), "a key must be a word");
		if (!skip(r))
			return false;
	}
	if (!next(r))
		return false;
	e.value_line = (long)r->event.start_mark.line + 1;
	e.value_column = (long)r->event.start_mark.column + 1;
	if (!e.key)
		return skip(r);
	if (r->event.type == YAML_SCALAR_EVENT) {
		e.value = scalar(r);
		e.quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	} else if (r->event.type == YAML_SEQUENCE_START_EVENT) {
		if (!read_sequence(r, &e, &good))
			return false;
	} else if (r->event.type == YAML_MAPPING_START_EVENT && strcmp(e.key, "<<")) {
		problem_add(r->ps, HERE(r), "'%s' holds a map; keys are flat here",
			    shown(r->arena, e.key));
		return skip(r);
	} else if (!skip(r)) {
		return false;
	}
	if ((e.value && good) || !strcmp(e.key, "<<"))
		keep(r, &e);
	return true;
}

static void read_document(struct reader *r)
{
	if (!next(r) || !next(r)) /* the stream's start, the document's start */
		return;
	if (r->event.type == YAML_NO_EVENT || r->event.type == YAML_STREAM_END_EVENT)
		return; /* nothing but comments */
	if (!next(r))
		return;
	if (r->event.type == YAML_SCALAR_EVENT && !r->event.data.scalar.length &&
	    r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
		goto end;
	if (r->event.type != YAML_MAPPING_START_EVENT) {
		problem_add(r->ps, HERE(r), "a configuration is lines of 'key: value'");
		return;
	}
	while (next(r) && r->event.type != YAML_MAPPING_END_EVENT) {
		if (r->es->n == MOST_ENTRIES) {
			problem_add(r->ps, HERE(r), "more than %d keys", MOST_ENTRIES);
			return;
		}
		if (!read_pair(r))
			return;
	}
end:
	if (next(r) && next(r) && r->event.type != YAML_STREAM_END_EVENT)
		problem_add(r->ps, HERE(r),
			    "a second document begins; one file is one "
			    "configuration");
}

/* libyaml's time grows with the square of the open brackets. Closing ones do not count, as they may
 * stand in a quoted text where they close nothing. */
static bool too_many_brackets(const struct reader *r, size_t n)
{
	size_t open = 0;
	long line, column;

	for (size_t i = 0; i < n; i++) {
		open += r->text[i] == '[' || r->text[i] == '{';
		if (open > MOST_BRACKETS) {
			locate(r->text, i, &line, &column);
			problem_add(r->ps, r->file, line, column, "more than %d brackets",
				    MOST_BRACKETS);
			return true;
		}
	}
	return false;
}

void yaml_read(const unsigned char *text, size_t n, const char *file, struct arena *arena,
	       struct entries *es, struct problems *ps)
{
	struct reader r = { .file = file, .text = text, .arena = arena, .es = es, .ps = ps };

	if (too_many_brackets(&r, n))
		return;
	if (!yaml_parser_initialize(&r.parser)) {
		problem_add(ps, file, 1, 1, "out of memory");
		return;
	}
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, text, n);
	read_document(&r);
	yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
}
