/* SPDX-License-Identifier: Apache-2.0 */
#include "data/check.h"

#include "data/seen.h"

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
	c->set = errors_only ? NULL : mem_new(1, sizeof(*c->set));
	c->report = report;
	c->arg = arg;
	return c;
}

void check_compare(struct check *c, const struct check_context *context)
{
	c->context = *context;
}

void check_close(struct check *c)
{
	if (!c)
		return;
	arena_free(&c->arena);
	tape_free(&c->tape);
	turns_free(&c->turns);
	if (c->set)
		seen_free(c->set->seen);
	mem_free(c->set);
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

void check_report_place(struct check *c, enum rule_id rule, size_t line, size_t column,
			const char *fmt, ...)
{
	char message[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	tell(c, &(struct finding){ rule, line, column, message, "", 0 });
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
	const char *const v[N_COLUMNS] = { c->prompt,   c->query,  c->response, c->history,
					   c->messages, c->system, c->tools,    c->chosen,
					   c->rejected, c->kto_tag };
	static const char *const names[N_COLUMNS] = { "prompt",   "query",  "response", "history",
						      "messages", "system", "tools",    "chosen",
						      "rejected", "kto_tag" };

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

/* What jansson says about an element that the tape does not take, or has doubts about. False when it is
 * not JSON. */
static bool explain(struct check *c)
{
	const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL,
		     lenient = flags | JSON_DECODE_INT_AS_REAL;
	const struct element *e = c->e;
	json_error_t err;
	json_t *json = json_loadb(e->p, e->n, flags | JSON_REJECT_DUPLICATES, &err);

	if (!json && json_error_code(&err) == json_error_numeric_overflow)
		json = json_loadb(e->p, e->n, lenient | JSON_REJECT_DUPLICATES, &err);
	if (!json) {
		report_syntax(c, &err);
		if (json_error_code(&err) != json_error_duplicate_key)
			return false;
		c->tape.twice = true;
		json = json_loadb(e->p, e->n, lenient, &err); /* only to look further */
		if (!json)
			report_syntax(c, &err);
	}
	json_decref(json);
	return json != NULL;
}

/* The element's JSON is on the tape; its syntax errors are reported. */
static bool parse(struct check *c)
{
	bool whole = tape_read(&c->tape, c->e->p, c->e->n);

	if (whole && !c->tape.twice && !c->tape.doubt)
		return true;
	if (!explain(c))
		return false;
	if (!whole) { /* jansson passes over a NUL behind a number or a word */
		const char *nul = memchr(c->e->p, 0, c->e->n);

		check_report(c, RULE_JSON_SYNTAX, nul ? (size_t)(nul - c->e->p) : 0,
			     "a NUL byte outside a string");
	}
	return whole;
}

static uint64_t hash_keys(const struct tape *t)
{
	uint64_t h = t->twice;

	for (uint32_t k = 0; (k = tape_key(t, 0, k));) {
		const char *p = t->p + t->v[k].at;
		size_t n = t->v[k].n;

		for (h += n; n >= 8; p += 8, n -= 8) {
			uint64_t w;

			memcpy(&w, p, 8);
			h = (h ^ w) * 0x9E3779B97F4A7C15u;
			h ^= h >> 32;
		}
		while (n-- > 0)
			h = (h ^ (unsigned char)*p++) * 0x9E3779B97F4A7C15u;
	}
	return h;
}

static void note_columns(struct check *c)
{
	uint64_t hash = hash_keys(&c->tape);
	size_t n = 0, len;

	c->usual = c->any && hash == c->keys_hash;
	c->keys_hash = hash;
	if (c->usual)
		return;
	for (size_t i = 0; i < N_COLUMNS; i++) {
		const char *column = column_at(&c->d.columns, i, NULL);

		if (column && !(c->columns_seen >> i & 1) && tape_get(&c->tape, 0, column))
			c->columns_seen |= 1u << i;
	}
	if (c->any)
		return;
	for (uint32_t k = 0; (k = tape_key(&c->tape, 0, k));) {
		const char *key = tape_string(&c->tape, k, &len);

		if (n + len + 5 > sizeof(c->keys))
			break;
		n += (size_t)snprintf(c->keys + n, sizeof(c->keys) - n, "%s\"%.*s\"", n ? ", " : "",
				      (int)len, key);
	}
}

bool column_used(const struct check *c, uint32_t key)
{
	for (size_t i = 0; i < N_COLUMNS; i++) {
		const char *column = column_at(&c->d.columns, i, NULL);

		if (column && tape_is(&c->tape, key, column))
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
static const char *wrapper_key(struct check *c)
{
	struct tape *t = &c->tape;

	for (uint32_t k = 0; !c->any && (k = tape_key(t, 0, k));) {
		uint32_t first = tape_element(t, k + 1, 0);
		size_t n;

		if (first && tape_type(t, first) == TAPE_OBJECT && !column_used(c, k)) {
			const char *key = tape_string(t, k, &n);
			char *name = tape_alloc(t, n + 1);

			memcpy(name, key, n);
			name[n] = 0;
			return name;
		}
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
		dataset_detect(&c->d, &c->tape);
	note_columns(c);
	c->turns_ok = turns_read(&c->turns, &c->d, &c->tape) == 0;
	go_on = c->turns_ok || report_turns(c);
	c->any = true;
	for (int i = 0; go_on && i < RULE_COUNT; i++)
		if (rules[i].record && (!c->errors_only || rules[i].severity == SEVERITY_ERROR))
			rules[i].record(c);
}

bool check_element(struct check *c, const struct element *e)
{
	static const char *const kinds[] = {
		[TAPE_ARRAY] = "an array",  [TAPE_STRING] = "a string", [TAPE_NUMBER] = "a number",
		[TAPE_FALSE] = "a boolean", [TAPE_TRUE] = "a boolean",  [TAPE_NULL] = "null",
	};

	c->e = e;
	c->errors = 0;
	c->turns_ok = false;
	if (e->fault[0])
		check_report(c, e->rule, e->fault_at, "%s", e->fault);
	else if (!parse(c))
		return false;
	else if (tape_type(&c->tape, 0) == TAPE_OBJECT)
		check_object(c);
	else
		check_report(c, RULE_NOT_ARRAY_OF_OBJECTS, 0, "a record is %s, an object is needed",
			     kinds[tape_type(&c->tape, 0)]);
	return c->errors == 0;
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
		ok = check_element(c, &e);
		n->records += e.is_record;
		n->valid += e.is_record && ok;
	}
	if (rc < 0)
		return -1;
	if (n->records == 0 && !c->errors)
		check_whole(c, RULE_NO_RECORDS, "the file holds no records");
	check_columns(c);
	for (int i = 0; !c->errors_only && i < RULE_COUNT && !c->stop; i++)
		if (rules[i].end)
			rules[i].end(c);
	return 0;
}
