/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two batches take turns: while all threads work on one, one of them drains the other and fills it
 * again, and then joins in.
 */
#include "base/relay.h"

#include "base/mem.h"

#define BATCH_ITEMS 512
#define BATCH_BYTES ((size_t)4 << 20)
#define KEEP_BYTES  ((size_t)1 << 14) /* an item that had more input than this is released */
#define FEW         8 /* items for which no thread is woken */

struct batch {
	char *v;
	size_t bytes[BATCH_ITEMS];
	size_t n;
};

struct run {
	const struct relay *r;
	struct batch batches[2], *now, *other;
	int more; /* 1: there may be more to fill, 0: no, -1: fill_err */
	struct err fill_err;
};

static void *item(const struct run *u, const struct batch *b, size_t i)
{
	return b->v + i * u->r->size;
}

static void fill(struct run *u, struct batch *b, size_t room)
{
	size_t sum = 0;

	for (b->n = 0; b->n < room && sum < BATCH_BYTES; sum += b->bytes[b->n++]) {
		if (u->more == 1)
			u->more = u->r->fill(u->r->arg, item(u, b, b->n), &b->bytes[b->n],
					     &u->fill_err);
		if (u->more != 1)
			break;
	}
}

static int drain(const struct run *u, struct batch *b, struct err *err)
{
	for (size_t i = 0; i < b->n; i++) {
		if (u->r->drain(u->r->arg, item(u, b, i), err) < 0)
			return -1;
		if (b->bytes[i] > KEEP_BYTES)
			u->r->release(item(u, b, i));
	}
	return 0;
}

static int turn(struct run *u, struct err *err)
{
	struct batch *now = u->now, *other = u->other;
	int rc = 0;

#pragma omp parallel num_threads(u->r->threads) if (now->n > FEW)
	{
#pragma omp single nowait
		{
			rc = drain(u, other, err);
			if (rc == 0)
				fill(u, other, BATCH_ITEMS);
		}
#pragma omp for schedule(dynamic, 4)
		for (size_t i = 0; i < now->n; i++)
			u->r->work(u->r->arg, item(u, now, i));
	}
	u->now = other;
	u->other = now;
	return rc;
}

static int run(struct run *u, struct err *err)
{
	fill(u, u->now, 1);
	if (u->now->n) {
		u->r->work(u->r->arg, item(u, u->now, 0));
		if (drain(u, u->now, err) < 0)
			return -1;
	}
	fill(u, u->now, BATCH_ITEMS);
	while (u->now->n)
		if (turn(u, err) < 0)
			return -1;
	if (drain(u, u->other, err) < 0)
		return -1;
	if (u->more < 0)
		*err = u->fill_err;
	return u->more;
}

int relay_run(const struct relay *r, struct err *err)
{
	struct run *u = mem_new(1, sizeof(*u));
	int rc;

	u->r = r;
	u->more = 1;
	u->now = &u->batches[0];
	u->other = &u->batches[1];
	u->now->v = mem_new(BATCH_ITEMS, r->size);
	u->other->v = mem_new(BATCH_ITEMS, r->size);
	rc = run(u, err);
	for (size_t i = 0; i < 2 * (size_t)BATCH_ITEMS; i++)
		r->release(item(u, &u->batches[i / BATCH_ITEMS], i % BATCH_ITEMS));
	mem_free(u->now->v);
	mem_free(u->other->v);
	mem_free(u);
	return rc;
}
