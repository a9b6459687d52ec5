/* SPDX-License-Identifier: Apache-2.0 */
/* Records for training: what dataset_next gives out, and the first error it meets. */
#include "data/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct dataset_reader {
	const struct dataset *d;
	struct reader *r;
	bool own; /* r is ours to close */
	struct check *check; /* as the first record left it; threads copy it */
	atomic_uint columns_seen; /* by records after the first */
};

/* The first error in a record, or in all of them. */
struct first {
	struct finding finding;
	char message[512];
};

static bool keep_first(void *arg, const struct finding *f)
{
	struct first *first = arg;

	if (!first->message[0] && rules[f->rule].severity == SEVERITY_ERROR) {
		first->finding = *f;
		snprintf(first->message, sizeof(first->message), "%s", f->message);
	}
	return true;
}

static int parse(struct dataset_reader *r, const struct element *e, struct record *rec,
		 bool teaches, struct err *err);

/* The first record teaches about the others; what is wrong with it is told when it is read. */
static void learn_first(struct dataset_reader *r)
{
	struct err ignored;
	struct element e;
	struct record rec;

	if (reader_next(r->r, &e, &ignored) != 1)
		return;
	reader_again(r->r);
	if (parse(r, &e, &rec, true, &ignored) == 0)
		record_free(&rec);
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
	r->check = check_open(d, true, keep_first, NULL);
	learn_first(r);
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

static void fill(struct record *rec, const struct dataset *d, const struct turns *t)
{
	rec->verdict = t->verdict;
	rec->is_preference = d->ranking;
	rec->n_messages = t->n;
	rec->messages = arena_new(&rec->arena, t->n, sizeof(*rec->messages));
	for (size_t i = 0; i < t->n; i++)
		rec->messages[i] = copy(rec, &t->v[i]);
	rec->system = copy(rec, &t->system);
	rec->tools = copy(rec, &t->tools);
	if (d->ranking) {
		rec->chosen = copy(rec, &t->chosen);
		rec->rejected = copy(rec, &t->rejected);
	}
}

static int fail(const struct dataset_reader *r, const struct first *f, struct err *err)
{
	return err_set(err, "%s:%zu:%zu: %s [%s]", dataset_label(r->d), f->finding.line,
		       f->finding.column, f->message, rules[f->finding.rule].name);
}

/* What a record teaches about the others: all of it the first one, later ones which columns are there. */
static void learn(struct dataset_reader *r, const struct check *c, bool first)
{
	if (first)
		*r->check = *c;
	else if (c->columns_seen & ~atomic_load_explicit(&r->columns_seen, memory_order_relaxed))
		atomic_fetch_or(&r->columns_seen, c->columns_seen);
}

static int parse(struct dataset_reader *r, const struct element *e, struct record *rec,
		 bool teaches, struct err *err)
{
	struct check c = *r->check;
	struct first first = { .message = "" };
	bool ok;

	*rec = (struct record){ 0 };
	c.arg = &first;
	ok = check_element(&c, e);
	if (ok) {
		rec->line = e->line;
		rec->column = e->column;
		fill(rec, &c.d, &c.turns);
	}
	tape_free(&c.tape);
	turns_free(&c.turns);
	if (!ok)
		return fail(r, &first, err);
	learn(r, &c, teaches);
	return 0;
}

int dataset_parse(struct dataset_reader *r, const struct element *e, struct record *rec,
		  struct err *err)
{
	return parse(r, e, rec, false, err);
}

void dataset_again(struct dataset_reader *r)
{
	reader_again(r->r);
}

int dataset_rewind(struct dataset_reader *r, struct err *err)
{
	struct reader *again = reader_open(r->d->path, err);

	if (!again)
		return -1;
	if (r->own)
		reader_close(r->r);
	r->r = again;
	r->own = true;
	return 0;
}

int dataset_cut(struct dataset_reader *r, struct element *e, struct err *err)
{
	return reader_next(r->r, e, err);
}

int dataset_end(struct dataset_reader *r, struct err *err)
{
	struct first first = { .message = "" };

	r->check->columns_seen |= r->columns_seen;
	r->check->arg = &first;
	check_columns(r->check);
	return first.message[0] ? fail(r, &first, err) : 0;
}

int dataset_next(struct dataset_reader *r, struct record *rec, struct err *err)
{
	struct element e;
	int rc = dataset_cut(r, &e, err);

	*rec = (struct record){ 0 };
	if (rc == 1)
		return dataset_parse(r, &e, rec, err) < 0 ? -1 : 1;
	return rc == 0 ? dataset_end(r, err) : rc;
}

void record_free(struct record *r)
{
	arena_free(&r->arena);
	*r = (struct record){ 0 };
}
