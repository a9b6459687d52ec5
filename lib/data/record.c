/* SPDX-License-Identifier: Apache-2.0 */
/* Records for training: what dataset_next gives out, and the first error it meets. */
#include "data/check.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct dataset_reader {
	const struct dataset *d;
	struct reader *r;
	bool own; /* r is ours to close */
	struct check *check;
	struct finding first; /* of the errors in this record */
	char message[512];
};

static bool keep_first(void *arg, const struct finding *f)
{
	struct dataset_reader *r = arg;

	if (!r->message[0] && rules[f->rule].severity == SEVERITY_ERROR) {
		r->first = *f;
		snprintf(r->message, sizeof(r->message), "%s", f->message);
	}
	return true;
}

struct dataset_reader *dataset_reader_open(const struct dataset *d, struct err *err)
{
	struct dataset_reader *r;
	struct reader *file = d->first;
	bool own = !file || !reader_take(file);

	if (own && !strcmp(d->path, "-")) {
		err_set(err, "standard input can be read only once; give a file");
		return NULL;
	}
	if (own && !(file = reader_open(d->path, err)))
		return NULL;
	r = mem_new(1, sizeof(*r));
	r->d = d;
	r->r = file;
	r->own = own;
	r->check = check_open(d, true, keep_first, r);
	return r;
}

void dataset_reader_close(struct dataset_reader *r)
{
	if (!r)
		return;
	if (r->own)
		reader_close(r->r);
	check_close(r->check);
	mem_free(r);
}

static struct message copy(struct record *rec, const struct turn *t)
{
	struct message m = { t->role, NULL, t->n };

	if (t->text)
		m.text = arena_strndup(&rec->arena, t->text, t->n);
	return m;
}

static void fill(struct record *rec, const struct dataset *d, const json_t *json)
{
	struct turns t;

	turns_read(&t, d, json); /* it was checked: cannot fail */
	rec->is_preference = d->ranking;
	rec->n_messages = t.n;
	rec->messages = arena_new(&rec->arena, t.n, sizeof(*rec->messages));
	for (size_t i = 0; i < t.n; i++)
		rec->messages[i] = copy(rec, &t.v[i]);
	rec->system = copy(rec, &t.system);
	if (d->ranking) {
		rec->chosen = copy(rec, &t.chosen);
		rec->rejected = copy(rec, &t.rejected);
	}
	turns_free(&t);
}

static int fail(const struct dataset_reader *r, struct err *err)
{
	return err_set(err, "%s:%zu:%zu: %s [%s]", dataset_label(r->d), r->first.line,
		       r->first.column, r->message, rules[r->first.rule].name);
}

int dataset_next(struct dataset_reader *r, struct record *rec, struct err *err)
{
	struct element e;
	json_t *json;
	bool ok;
	int rc;

	*rec = (struct record){ 0 };
	r->message[0] = 0;
	rc = reader_next(r->r, &e, err);
	if (rc == 0) {
		check_columns(r->check);
		return r->message[0] ? fail(r, err) : 0;
	}
	if (rc < 0)
		return -1;
	json = check_element(r->check, &e, &ok);
	if (!ok || !json) {
		json_decref(json);
		return fail(r, err);
	}
	rec->line = e.line;
	rec->column = e.column;
	fill(rec, &r->check->d, json);
	json_decref(json);
	return 1;
}

void record_free(struct record *r)
{
	arena_free(&r->arena);
	*r = (struct record){ 0 };
}
