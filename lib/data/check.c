/* SPDX-License-Identifier: Apache-2.0 */
#include "data/check.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { UNSEEN_MISSING_MAX = 20 };

struct check *check_open(const struct dataset *d, bool errors_only, finding_fn *report, void *arg)
{
	struct check *c = mem_new(1, sizeof(*c));

	c->d = *d;
	c->errors_only = errors_only;
	c->report = report;
	c->arg = arg;
	return c;
}

void check_close(struct check *c)
{
	if (!c)
		return;
	arena_free(&c->arena);
	mem_free(c);
}

static void tell(struct check *c, const struct finding *f)
{
	if (rules[f->rule].severity == SEVERITY_ERROR)
		c->errors++;
	if (!c->stop && !c->report(c->arg, f))
		c->stop = true;
}

void check_whole(struct check *c, enum rule_id rule, const char *message)
{
	tell(c, &(struct finding){ rule, 1, 1, message, "", 0 });
}

size_t check_at(const struct check *c, struct where where)
{
	return element_find(c->e, where.key, where.index, where.inner, NULL);
}

void check_report(struct check *c, enum rule_id rule, size_t at, const char *fmt, ...)
{
	char message[512], excerpt[512];
	struct finding f = { .rule = rule, .message = message, .excerpt = excerpt };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	element_place(c->e, at, &f.line, &f.column);
	f.caret = element_excerpt(c->e, at, excerpt, sizeof(excerpt));
	tell(c, &f);
}

const char *column_at(const struct columns *c, size_t i, const char **name)
{
	const char *const v[N_COLUMNS] = { c->prompt,  c->query,    c->response,
					   c->history, c->messages, c->system,
					   c->tools,   c->chosen,   c->rejected };
	static const char *const names[N_COLUMNS] = { "prompt",  "query",    "response",
						      "history", "messages", "system",
						      "tools",   "chosen",   "rejected" };

	if (name)
		*name = names[i];
	return v[i];
}

static void report_syntax(struct check *c, const json_error_t *err)
{
	const char *what = err->text;
	size_t at = element_fault(c->e, err->position, what);

	if (json_error_code(err) == json_error_duplicate_key)
		check_report(c, RULE_DUPLICATE_KEY, at, "%s",
			     *what == 'd' ? what : "duplicate object key");
	else if (strstr(what, "newline"))
		check_report(c, RULE_JSON_SYNTAX, at,
			     "a line break inside a string, or a missing '\"'; a line break is "
			     "written \\n");
	else if (json_error_code(err) == json_error_premature_end_of_input ||
		 strstr(what, "end of file"))
		check_report(c, RULE_JSON_SYNTAX, at, "the record is not complete: %s", what);
	else
		check_report(c, RULE_JSON_SYNTAX, at, "%s", what);
}

/* The element as JSON, with its syntax errors reported; NULL when it is not JSON. */
static json_t *parse(struct check *c)
{
	const size_t lenient = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;
	const struct element *e = c->e;
	json_error_t err;
	json_t *json = json_loadb(e->p, e->n,
				  JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &err);

	if (!json && json_error_code(&err) == json_error_numeric_overflow)
		json = json_loadb(e->p, e->n, lenient | JSON_REJECT_DUPLICATES, &err);
	if (json)
		return json;
	report_syntax(c, &err);
	if (json_error_code(&err) != json_error_duplicate_key)
		return NULL;
	json = json_loadb(e->p, e->n, lenient, &err); /* the last one wins: only to look further */
	if (!json)
		report_syntax(c, &err);
	return json;
}

static void note_columns(struct check *c)
{
	const char *key;
	json_t *value;
	size_t n = 0;

	for (size_t i = 0; i < N_COLUMNS; i++) {
		const char *column = column_at(&c->d.columns, i, NULL);

		if (column && json_object_get(c->json, column))
			c->columns_seen |= 1u << i;
	}
	if (c->any)
		return;
	json_object_foreach((json_t *)c->json, key, value)
	{
		if (n + strlen(key) + 5 > sizeof(c->keys))
			break;
		n += (size_t)snprintf(c->keys + n, sizeof(c->keys) - n, "%s\"%s\"", n ? ", " : "",
				      key);
	}
}

bool column_used(const struct check *c, const char *key)
{
	for (size_t i = 0; i < N_COLUMNS; i++) {
		const char *column = column_at(&c->d.columns, i, NULL);

		if (column && !strcmp(column, key))
			return true;
	}
	return false;
}

static bool never_seen(const struct check *c, const char *column)
{
	for (size_t i = 0; column && i < N_COLUMNS; i++) {
		const char *mapped = column_at(&c->d.columns, i, NULL);

		if (mapped && !strcmp(mapped, column) && (c->columns_seen >> i & 1))
			return false;
	}
	return column != NULL;
}

/* {"data": [{...}, ...]}: the records are one level down. */
static const char *wrapper_key(const struct check *c)
{
	const char *key;
	json_t *value;

	if (c->any)
		return NULL;
	json_object_foreach((json_t *)c->json, key, value)
	{
		if (json_is_object(json_array_get(value, 0)) && !column_used(c, key))
			return key;
	}
	return NULL;
}

/* Returns false when nothing else is worth saying about the record. */
static bool report_turns(struct check *c)
{
	const struct turns *t = &c->turns;
	const char *wrapper = t->rule == RULE_MISSING_FIELD ? wrapper_key(c) : NULL;

	if (wrapper) {
		check_report(c, RULE_NOT_ARRAY_OF_OBJECTS,
			     check_at(c, (struct where){ wrapper, -1, NULL }),
			     "the records are inside \"%.60s\"; the file must be that array itself",
			     wrapper);
		return false;
	}
	/* A column that is never there is one finding at the end (unknown-column), not thousands. */
	if (t->rule == RULE_MISSING_FIELD && c->d.columns_given && never_seen(c, t->where.key) &&
	    c->unseen_missing++ >= UNSEEN_MISSING_MAX) {
		c->errors++;
		return true;
	}
	check_report(c, t->rule, check_at(c, t->where), "%s", t->why);
	return true;
}

static void check_object(struct check *c)
{
	bool go_on;

	if (!c->d.columns_given && !c->d.detected && !c->any)
		dataset_detect(&c->d, c->json);
	note_columns(c);
	c->turns_ok = turns_read(&c->turns, &c->d, c->json) == 0;
	go_on = c->turns_ok || report_turns(c);
	c->any = true;
	for (int i = 0; go_on && i < RULE_COUNT; i++)
		if (rules[i].record && (!c->errors_only || rules[i].severity == SEVERITY_ERROR))
			rules[i].record(c);
	turns_free(&c->turns);
}

static const char *kind(const json_t *json)
{
	return json_is_array(json)    ? "an array"
	       : json_is_string(json) ? "a string"
	       : json_is_number(json) ? "a number"
	       : json_is_null(json)   ? "null"
				      : "a boolean";
}

struct json_t *check_element(struct check *c, const struct element *e, bool *ok)
{
	json_t *json = NULL;

	c->e = e;
	c->errors = 0;
	if (e->fault[0])
		check_report(c, e->rule, e->fault_at, "%s", e->fault);
	else
		json = parse(c);
	if (json && !json_is_object(json)) {
		check_report(c, RULE_NOT_ARRAY_OF_OBJECTS, 0, "a record is %s, an object is needed",
			     kind(json));
		json_decref(json);
		json = NULL;
	}
	if (json) {
		c->json = json;
		check_object(c);
	}
	*ok = c->errors == 0;
	return json;
}

void check_columns(struct check *c)
{
	char message[512];

	for (size_t i = 0; c->any && c->d.columns_given && i < N_COLUMNS; i++) {
		const char *name, *column = column_at(&c->d.columns, i, &name);

		if (!column || (c->columns_seen >> i & 1))
			continue;
		snprintf(message, sizeof(message),
			 "dataset_info.json maps %s to \"%.80s\", which no record has; they have "
			 "%s",
			 name, column, c->keys[0] ? c->keys : "no fields");
		check_whole(c, RULE_UNKNOWN_COLUMN, message);
	}
}

int check_file(struct check *c, struct reader *r, struct check_counts *n, struct err *err)
{
	struct element e;
	bool ok, first = true;
	int rc = 0;

	*n = (struct check_counts){ 0 };
	c->errors = 0;
	while (!c->stop && (rc = reader_next(r, &e, err)) > 0) {
		if (first && reader_bom(r) && !c->errors_only)
			check_whole(c, RULE_BOM, "the file begins with a byte order mark");
		first = false;
		json_decref(check_element(c, &e, &ok));
		n->records += e.is_record;
		n->valid += e.is_record && ok;
	}
	if (rc < 0)
		return -1;
	if (n->records == 0 && !c->errors)
		check_whole(c, RULE_NO_RECORDS, "the file holds no records");
	check_columns(c);
	return 0;
}
