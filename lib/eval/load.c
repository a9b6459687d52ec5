/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One bound of a range, which ends at `stop`; absent is fine. */
static bool parse_bound(const char **s, char stop, bool *has, long *value)
{
	char *end;

	*has = **s != stop;
	if (*has) {
		if (**s != '-' && (**s < '0' || **s > '9'))
			return false;
		errno = 0;
		*value = strtol(*s, &end, 10);
		if (end == *s || errno)
			return false;
		*s = end;
	}
	return *(*s)++ == stop;
}

int slice_parse(struct slice *s, const char *text, struct err *err)
{
	size_t n = strlen(text);
	const char *open = n && text[n - 1] == ']' ? strrchr(text, '[') : NULL, *p;

	*s = (struct slice){ .sliced = open != NULL };
	if (!open) {
		s->name = mem_strdup(text);
		return 0;
	}
	p = open + 1;
	if (open == text || !parse_bound(&p, ':', &s->has_begin, &s->begin) ||
	    !parse_bound(&p, ']', &s->has_end, &s->end) || *p)
		return err_set(err, "%s: a range of records is NAME[BEGIN:END]", text);
	s->name = mem_strndup(text, (size_t)(open - text));
	return 0;
}

static size_t place(bool has, long at, size_t n, size_t otherwise)
{
	if (!has)
		return otherwise;
	if (at < 0)
		return (unsigned long)-(at + 1) < n ? n - 1 - (unsigned long)-(at + 1) : 0;
	return (unsigned long)at < n ? (size_t)at : n;
}

void slice_range(const struct slice *s, size_t n, size_t *begin, size_t *end)
{
	*begin = place(s->has_begin, s->begin, n, 0);
	*end = place(s->has_end, s->end, n, n);
	if (*begin > *end)
		*begin = *end;
}

static int read_samples(struct eval_set *set, const struct dataset *d, const struct slice *slice,
			struct err *err)
{
	struct dataset_reader *r = dataset_reader_open(d, err);
	size_t cap = 0, most = SIZE_MAX, begin, end, kept = 0;
	int rc = r ? 1 : -1;

	/* A range that counts from the front alone needs nothing of what follows. */
	if (slice->has_end && slice->end >= 0 && (!slice->has_begin || slice->begin >= 0))
		most = (size_t)slice->end;
	while (rc == 1 && set->n < most) {
		if (set->n == cap) {
			cap = cap ? 2 * cap : 64;
			set->v = mem_grow(set->v, cap, sizeof(*set->v));
		}
		memset(&set->v[set->n], 0, sizeof(*set->v));
		rc = dataset_next(r, &set->v[set->n].record, err);
		if (rc == 1)
			set->n++;
		else
			record_free(&set->v[set->n].record);
	}
	dataset_reader_close(r);
	if (rc < 0)
		return -1;
	slice_range(slice, set->n, &begin, &end);
	for (size_t i = 0; i < set->n; i++) {
		if (i >= begin && i < end)
			set->v[kept++] = set->v[i];
		else
			record_free(&set->v[i].record);
	}
	set->n = kept;
	return kept ? 0 : err_set(err, "%s: no records", set->name);
}

static int load_set(struct eval_set *set, const char *name, const char *dir, struct err *err)
{
	struct slice slice;
	struct dataset d;
	int rc = slice_parse(&slice, name, err);

	*set = (struct eval_set){ .name = name };
	if (rc == 0) {
		rc = dataset_open(&d, slice.name, dir, err);
		if (rc == 0) {
			set->preference = d.ranking;
			rc = read_samples(set, &d, &slice, err);
		}
		dataset_close(&d);
	}
	mem_free(slice.name);
	return rc;
}

const struct message *sample_reference(const struct sample *s)
{
	const struct record *r = &s->record;

	return r->is_preference ? &r->chosen : &r->messages[r->n_messages - 1];
}

const struct message *sample_prompt(const struct sample *s)
{
	const struct record *r = &s->record;
	size_t skip = r->is_preference ? 1 : 2;

	return &r->messages[r->n_messages > skip ? r->n_messages - skip : 0];
}

static void add_trained(struct eval *e, size_t *cap, const struct message *prompt,
			const struct message *answer)
{
	if (e->n_trained == *cap) {
		*cap = *cap ? 2 * *cap : 64;
		e->trained = mem_grow(e->trained, *cap, sizeof(*e->trained));
	}
	e->trained[e->n_trained++] = (struct trained){ .prompt = prompt->text,
						       .n_prompt = prompt->n,
						       .text = text_of(answer->text, answer->n) };
}

/* Every assistant turn was trained, and the chosen answers. */
static void list_trained(struct eval *e)
{
	size_t cap = 0;

	for (size_t i = 0; i < e->n_trained_sets; i++)
		for (size_t k = 0; k < e->trained_sets[i].n; k++) {
			const struct sample *s = &e->trained_sets[i].v[k];
			const struct record *r = &s->record;

			if (r->is_preference)
				add_trained(e, &cap, sample_prompt(s), &r->chosen);
			for (size_t m = 1; m < r->n_messages && !r->is_preference; m += 2)
				add_trained(e, &cap, &r->messages[m - 1], &r->messages[m]);
		}
}

static int load_sets(struct eval_set **sets, size_t *n, const struct opt_list *names,
		     const char *dir, struct err *err)
{
	*sets = mem_new(names->n + 1, sizeof(**sets));
	for (size_t i = 0; i < names->n; i++) {
		for (size_t k = 0; k < i; k++)
			if (!strcmp(names->v[i], names->v[k]))
				return err_set(err, "data set '%s' is given twice", names->v[i]);
		*n = i + 1;
		if (load_set(&(*sets)[i], names->v[i], dir, err) < 0)
			return -1;
	}
	return 0;
}

int eval_load(struct eval *e, const struct eval_options *o, struct err *err)
{
	*e = (struct eval){ .o = o };
	if (load_sets(&e->sets, &e->n_sets, &o->datasets, o->dataset_dir, err) < 0 ||
	    load_sets(&e->trained_sets, &e->n_trained_sets, &o->trained, o->dataset_dir, err) < 0)
		return -1;
	list_trained(e);
	return 0;
}

static void free_sets(struct eval_set *sets, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < sets[i].n; k++) {
			record_free(&sets[i].v[k].record);
			buf_free(&sets[i].v[k].answer);
		}
		mem_free(sets[i].v);
	}
	mem_free(sets);
}

void eval_close(struct eval *e)
{
	free_sets(e->sets, e->n_sets);
	free_sets(e->trained_sets, e->n_trained_sets);
	for (size_t i = 0; i < e->n_trained; i++)
		text_free(&e->trained[i].text);
	mem_free(e->trained);
	*e = (struct eval){ 0 };
}
