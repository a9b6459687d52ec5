/* SPDX-License-Identifier: Apache-2.0 */
#include "data/mix.h"

#include "base/rng.h"
#include "base/tool.h"

#include <math.h>
#include <string.h>

/* Chooses k of n things that pass by, each k-subset as likely as any other (Knuth's algorithm S). */
struct pick {
	uint64_t k, n, seen, seed;
	uint32_t stream;
};

static bool pick_next(struct pick *p)
{
	uint64_t left = p->n - p->seen, draw;

	/* 32 random bits over `left` places: the bias is below left / 2^32. */
	draw = (uint64_t)(((unsigned __int128)rng_u32(p->seed, p->stream, p->seen) * left) >> 32);
	p->seen++;
	if (draw >= p->k)
		return false;
	p->k--;
	return true;
}

/* A data set of the mix. It gives `want` records: the first ones, or, when it is a sample, `copies` of
 * each and one more of those that are picked. */
struct source {
	const struct dataset *d;
	struct dataset_reader *r;
	uint64_t size, want; /* UINT64_MAX: not counted */
	uint64_t given; /* in all */
	uint64_t passed, taken; /* of this reading: records gone by, and given */
	bool whole; /* all of the file was read */
	bool sampled;
	uint64_t copies;
	struct pick pick;
	uint64_t more; /* of the record that was cut last */
};

struct mix {
	struct mix_settings s;
	struct source *v;
	uint64_t *sizes; /* want of each, for the order */
	size_t n;
	bool counted;
	size_t at; /* not counted: the set that is read */
	struct mix_order order;
	struct pick held;
};

static int count(const struct dataset *d, uint64_t *n, struct err *err)
{
	struct reader *r;
	struct element e;
	int rc;

	if (!strcmp(d->path, "-"))
		return err_set(err, "standard input can be read only once, and this mix counts "
				    "first; give a file");
	r = reader_open(d->path, err);
	if (!r)
		return -1;
	for (*n = 0; (rc = reader_next(r, &e, err)) > 0; ++*n)
		if (*n % 65536 == 65535)
			progress("%s: counting, %llu records", dataset_label(d),
				 (unsigned long long)*n);
	reader_close(r);
	if (rc == 0 && *n == 0)
		return err_set(err, "%s: no records", dataset_label(d));
	return rc;
}

/* What a reading of the set begins with. */
static void begin(struct source *v, size_t i, uint64_t seed)
{
	v->passed = v->taken = v->more = 0;
	v->pick = (struct pick){ v->want % v->size, v->size, 0, seed, RNG_PICK + (uint32_t)i };
}

static int count_all(struct mix *m, struct err *err)
{
	uint64_t most = m->s.max_samples ? m->s.max_samples : UINT64_MAX;

	for (size_t i = 0; i < m->n; i++) {
		struct source *v = &m->v[i];

		if (count(v->d, &v->size, err) < 0)
			return -1;
		v->sampled = v->d->num_samples > 0;
		v->want = v->sampled ? v->d->num_samples : v->size;
		v->want = v->want < most ? v->want : most;
		v->copies = v->want / v->size;
		m->sizes[i] = v->want;
		begin(v, i, m->s.seed);
	}
	m->order = (struct mix_order){ .strategy = m->s.strategy,
				       .n = m->sizes,
				       .n_sets = m->n,
				       .shares = m->s.shares,
				       .seed = m->s.seed };
	return 0;
}

/* How long the row is: the order knows without reading. */
static int plan_held(struct mix *m, struct err *err)
{
	struct mix_order o = m->order;
	uint64_t all = 0, held;

	while (mix_order_next(&o) >= 0)
		all++;
	mix_order_free(&o);
	held = (uint64_t)(m->s.val_size > 1 ? m->s.val_size : ceil(m->s.val_size * (double)all));
	if (held >= all)
		return err_set(err,
			       "val_size %g leaves nothing to train on: there are %llu records",
			       m->s.val_size, (unsigned long long)all);
	m->held = (struct pick){ held, all, 0, m->s.seed, RNG_HOLD };
	return 0;
}

struct mix *mix_open(const struct mix_settings *s, const struct dataset *sets, size_t n,
		     struct err *err)
{
	struct mix *m = mem_new(1, sizeof(*m));
	int rc = 0;

	m->s = *s;
	m->n = n;
	m->v = mem_new(n, sizeof(*m->v));
	m->sizes = mem_new(n, sizeof(*m->sizes));
	m->counted = s->val_size > 0 || (s->strategy != MIX_CONCAT && n > 1);
	for (size_t i = 0; i < n; i++) {
		m->v[i] = (struct source){ .d = &sets[i], .size = UINT64_MAX, .want = UINT64_MAX };
		if (s->max_samples)
			m->v[i].want = s->max_samples;
		m->counted |= sets[i].num_samples > 0;
	}
	if (m->counted)
		rc = count_all(m, err);
	if (rc == 0 && s->val_size > 0)
		rc = plan_held(m, err);
	if (rc == 0)
		return m;
	mix_close(m);
	return NULL;
}

static int open_reader(struct source *v, struct err *err)
{
	if (!v->r)
		v->r = dataset_reader_open(v->d, err);
	return v->r ? 0 : -1;
}

/* The next record of a counted set; one that has ended begins anew. */
static int cut_counted(struct mix *m, size_t i, struct element *e, struct err *err)
{
	struct source *v = &m->v[i];
	uint64_t times;
	int rc;

	if (v->more) {
		v->more--;
		v->taken++;
		dataset_again(v->r);
		return dataset_cut(v->r, e, err);
	}
	do {
		if (v->taken == v->want) {
			if (dataset_rewind(v->r, err) < 0)
				return -1;
			begin(v, i, m->s.seed);
		}
		rc = dataset_cut(v->r, e, err);
		if (rc == 0)
			rc = err_set(err, "%s: changed while it was read", dataset_label(v->d));
		if (rc < 0)
			return rc;
		v->passed++;
		times = v->sampled ? v->copies + pick_next(&v->pick) : 1;
	} while (!times);
	v->taken++;
	v->more = times - 1;
	v->whole |= v->passed == v->size;
	return 1;
}

/* Not counted: one set behind the other, each to its end or to max_samples. */
static int cut_streamed(struct mix *m, struct mix_item *item, struct err *err)
{
	for (; m->at < m->n; m->at++) {
		struct source *v = &m->v[m->at];
		int rc;

		if (v->given == v->want)
			continue;
		if (open_reader(v, err) < 0)
			return -1;
		rc = dataset_cut(v->r, &item->e, err);
		item->set = m->at;
		if (rc != 0)
			return rc;
		v->whole = true;
	}
	return 0;
}

int mix_next(struct mix *m, struct mix_item *item, struct err *err)
{
	long set;
	int rc;

	*item = (struct mix_item){ .set = 0 };
	if (!m->counted) {
		rc = cut_streamed(m, item, err);
	} else {
		set = mix_order_next(&m->order);
		if (set < 0)
			return 0;
		item->set = (size_t)set;
		if (open_reader(&m->v[set], err) < 0)
			return -1;
		rc = cut_counted(m, item->set, &item->e, err);
		item->held = m->held.n && pick_next(&m->held);
	}
	if (rc == 1)
		m->v[item->set].given++;
	return rc;
}

int mix_parse(struct mix *m, const struct mix_item *item, struct record *rec, struct err *err)
{
	return dataset_parse(m->v[item->set].r, &item->e, rec, err);
}

int mix_end(struct mix *m, struct err *err)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->v[i].whole && !m->v[i].sampled && dataset_end(m->v[i].r, err) < 0)
			return -1;
	return 0;
}

uint64_t mix_given(const struct mix *m, size_t i)
{
	return m->v[i].given;
}

void mix_close(struct mix *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		dataset_reader_close(m->v[i].r);
	mix_order_free(&m->order);
	mem_free(m->v);
	mem_free(m->sizes);
	mem_free(m);
}
