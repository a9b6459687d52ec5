/* SPDX-License-Identifier: Apache-2.0 */
#include "template/bulk.h"

#include "base/relay.h"
#include "base/tool.h"

struct bulk_run {
	const struct bulk *b;
	const struct dataset *sets;
	uint64_t n, n_held; /* records */
};

struct item {
	struct mix_item from;
	struct buf text; /* its; the reader's window moves on */
	struct ids ids;
	struct buf spans;
	struct example example;
	struct encode_counts counts;
	bool none; /* no example comes of it */
	int rc;
	struct err err;
};

static int fill(void *arg, void *item, size_t *bytes, struct err *err)
{
	struct bulk_run *u = arg;
	struct item *i = item;
	int rc = mix_next(u->b->mix, &i->from, err);

	if (rc != 1)
		return rc;
	element_keep(&i->from.e, &i->text);
	*bytes = i->from.e.n;
	u->n_held += i->from.held;
	if (++u->n % 256 == 0)
		progress("%s: %llu records", dataset_label(&u->sets[i->from.set]),
			 (unsigned long long)u->n);
	return 1;
}

static int fail(const struct bulk_run *u, const struct item *i, struct err *err)
{
	return err_wrap(err, "%s:%zu:%zu", dataset_label(&u->sets[i->from.set]), i->from.e.line,
			i->from.e.column);
}

static void encode(void *arg, void *item)
{
	const struct bulk_run *u = arg;
	struct item *i = item;
	struct record rec;

	i->ids.n = 0;
	i->counts = (struct encode_counts){ 0 };
	buf_reset(&i->spans);
	i->rc = mix_parse(u->b->mix, &i->from, &rec, &i->err);
	i->none = i->rc == 0 && rec.verdict == VERDICT_BAD;
	i->counts.bad = i->none;
	if (i->rc == 0 && !i->none) {
		i->rc = encode_record(u->b->settings, u->b->tok, &rec, &i->ids, &i->spans,
				      &i->example, &i->counts, &i->err);
		i->none = i->rc > 0;
		if (i->rc < 0)
			fail(u, i, &i->err);
	}
	record_free(&rec);
}

static int put(void *arg, void *item, struct err *err)
{
	const struct bulk_run *u = arg;
	struct item *i = item;
	struct shard_writer *to = i->from.held ? u->b->held : u->b->writer;

	if (i->rc < 0) {
		*err = i->err;
		return -1;
	}
	if (to && !i->none && shard_write(to, &i->example, err) < 0)
		return fail(u, i, err);
	u->b->counts->truncated += i->counts.truncated;
	u->b->counts->tokens_lost += i->counts.tokens_lost;
	u->b->counts->bad += i->counts.bad;
	u->b->counts->dropped += i->counts.dropped;
	return 0;
}

static void release(void *item)
{
	struct item *i = item;

	buf_free(&i->text);
	ids_free(&i->ids);
	buf_free(&i->spans);
}

int bulk_encode(const struct bulk *b, const struct dataset *sets, uint64_t *n_held, struct err *err)
{
	struct bulk_run u = { .b = b, .sets = sets };
	struct relay relay = { .arg = &u,
			       .size = sizeof(struct item),
			       .threads = b->threads,
			       .fill = fill,
			       .work = encode,
			       .drain = put,
			       .release = release };
	int rc = relay_run(&relay, err);

	if (rc == 0)
		rc = mix_end(b->mix, err);
	*n_held = u.n_held;
	return rc;
}
