/* SPDX-License-Identifier: Apache-2.0 */
#include "template/bulk.h"

#include "base/relay.h"
#include "base/tool.h"

struct bulk_run {
	const struct bulk *b;
	const struct dataset *d;
	struct dataset_reader *r;
	size_t n; /* records read */
	bool ended; /* before `most` were read */
};

struct item {
	struct element e;
	struct buf text; /* e's; the reader's window moves on */
	struct ids ids;
	struct buf spans;
	struct example example;
	struct encode_counts counts;
	int rc;
	struct err err;
};

static int fill(void *arg, void *item, size_t *bytes, struct err *err)
{
	struct bulk_run *u = arg;
	struct item *i = item;
	int rc;

	if (u->b->most && u->n == u->b->most)
		return 0;
	rc = dataset_cut(u->r, &i->e, err);
	u->ended = rc == 0;
	if (rc != 1)
		return rc;
	buf_reset(&i->text);
	buf_add(&i->text, i->e.p, i->e.n);
	i->e.p = i->text.p;
	*bytes = i->e.n;
	if (++u->n % 256 == 0)
		progress("%s: %zu records", dataset_label(u->d), u->n);
	return 1;
}

static int fail(const struct bulk_run *u, const struct item *i, struct err *err)
{
	return err_wrap(err, "%s:%zu:%zu", dataset_label(u->d), i->e.line, i->e.column);
}

static void encode(void *arg, void *item)
{
	const struct bulk_run *u = arg;
	struct item *i = item;
	struct record rec;

	i->ids.n = 0;
	i->counts = (struct encode_counts){ 0 };
	buf_reset(&i->spans);
	i->rc = dataset_parse(u->r, &i->e, &rec, &i->err);
	if (i->rc == 0) {
		i->rc = encode_record(u->b->settings, u->b->tok, &rec, &i->ids, &i->spans,
				      &i->example, &i->counts, &i->err);
		if (i->rc < 0)
			fail(u, i, &i->err);
	}
	record_free(&rec);
}

static int put(void *arg, void *item, struct err *err)
{
	const struct bulk_run *u = arg;
	struct item *i = item;

	if (i->rc < 0) {
		*err = i->err;
		return -1;
	}
	if (shard_write(u->b->writer, &i->example, err) < 0)
		return fail(u, i, err);
	u->b->counts->truncated += i->counts.truncated;
	u->b->counts->tokens_lost += i->counts.tokens_lost;
	return 0;
}

static void release(void *item)
{
	struct item *i = item;

	buf_free(&i->text);
	ids_free(&i->ids);
	buf_free(&i->spans);
}

int bulk_encode(const struct bulk *b, const struct dataset *d, size_t *n, struct err *err)
{
	struct bulk_run u = { .b = b, .d = d };
	struct relay relay = { .arg = &u,
			       .size = sizeof(struct item),
			       .threads = b->threads,
			       .fill = fill,
			       .work = encode,
			       .drain = put,
			       .release = release };
	int rc;

	u.r = dataset_reader_open(d, err);
	if (!u.r)
		return -1;
	rc = relay_run(&relay, err);
	if (rc == 0 && u.ended)
		rc = dataset_end(u.r, err);
	*n = u.n;
	dataset_reader_close(u.r);
	return rc;
}
