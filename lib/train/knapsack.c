/* SPDX-License-Identifier: Apache-2.0 */
#include "train/knapsack.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct item {
	uint32_t length, index;
};

/* Of equal lengths the last is taken first: it stands last. */
static int by_length(const void *pa, const void *pb)
{
	const struct item *a = pa, *b = pb;

	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

/* How many of the sorted items are at most `room` long. */
static uint32_t fitting(const struct item *v, uint32_t n, uint32_t room)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (v[mid].length <= room)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Fill bins with n items; v is used up. */
static void fill(struct bins *b, struct item *v, uint32_t n, uint32_t capacity)
{
	uint32_t at = b->first[b->n];

	qsort(v, n, sizeof(*v), by_length);
	while (n) {
		uint32_t room = capacity, k;

		while ((k = fitting(v, n, room))) {
			room -= v[k - 1].length;
			b->items[at++] = v[k - 1].index;
			memmove(v + k - 1, v + k, (n - k) * sizeof(*v));
			n--;
		}
		b->first[++b->n] = at;
	}
}

int knapsack(struct bins *b, const uint32_t *lengths, uint32_t n, uint32_t capacity, uint32_t group,
	     struct err *err)
{
	struct item *v;

	*b = (struct bins){ 0 };
	for (uint32_t i = 0; i < n; i++)
		if (lengths[i] > capacity)
			return err_set(
				err,
				"example %u of the shard has %u tokens, packing takes at most "
				"cutoff_len - 1 = %u; tokenize with packing: true",
				i, lengths[i], capacity);
	b->first = mem_new(n + 1, sizeof(*b->first));
	b->items = mem_new(n, sizeof(*b->items));
	v = mem_new(group < n ? group : n, sizeof(*v));
	for (uint32_t from = 0, some; from < n; from += some) {
		some = n - from < group ? n - from : group;
		for (uint32_t i = 0; i < some; i++)
			v[i] = (struct item){ lengths[from + i], from + i };
		fill(b, v, some, capacity);
	}
	mem_free(v);
	return 0;
}

void bins_free(struct bins *b)
{
	mem_free(b->first);
	mem_free(b->items);
	*b = (struct bins){ 0 };
}
