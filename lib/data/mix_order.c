/* SPDX-License-Identifier: Apache-2.0 */
/* The order in which data sets give their records: the rules of Hugging Face's interleave_datasets. */
#include "data/mix.h"

#include "base/rng.h"

#include <string.h>

enum mix_strategy mix_strategy_of(const char *name)
{
	static const char *const names[] = {
		[MIX_CONCAT] = "concat",
		[MIX_UNDER] = "interleave_under",
		[MIX_OVER] = "interleave_over",
		[MIX_ONCE] = "interleave_once",
	};
	int i = MIX_ONCE;

	while (i > MIX_CONCAT && strcmp(names[i], name) != 0)
		i--;
	return (enum mix_strategy)i;
}

static bool is_done(const struct mix_order *o, size_t i)
{
	return o->given[i] >= o->n[i];
}

static size_t n_done(const struct mix_order *o)
{
	size_t n = 0;

	for (size_t i = 0; i < o->n_sets; i++)
		n += is_done(o, i);
	return n;
}

/* A set by its share. */
static size_t draw(const struct mix_order *o)
{
	double sum = 0, x;
	size_t i = 0;

	for (size_t k = 0; k < o->n_sets; k++)
		sum += o->shares[k];
	x = (double)rng_u32(o->seed, RNG_MIX, o->turn) * 0x1p-32 * sum;
	while (i + 1 < o->n_sets && x >= o->shares[i])
		x -= o->shares[i++];
	return i;
}

/* Rounds are whole where sets come one after the other: the end is looked at between them. */
static bool at_end(const struct mix_order *o)
{
	size_t done = n_done(o);

	if (!o->shares && o->turn % o->n_sets)
		return false;
	return o->strategy == MIX_UNDER ? done > 0 : done == o->n_sets;
}

static long concat(struct mix_order *o)
{
	for (size_t i = 0; i < o->n_sets; i++)
		if (!is_done(o, i))
			return (long)i;
	return -1;
}

long mix_order_next(struct mix_order *o)
{
	long i = -1;

	if (!o->given)
		o->given = mem_new(o->n_sets, sizeof(*o->given));
	if (o->strategy == MIX_CONCAT) {
		i = concat(o);
	} else {
		while (i < 0 && !at_end(o)) {
			i = (long)(o->shares ? draw(o) : o->turn % o->n_sets);
			o->turn++;
			if (o->strategy == MIX_ONCE && is_done(o, (size_t)i))
				i = -1;
		}
	}
	if (i >= 0)
		o->given[i]++;
	return i;
}

void mix_order_free(struct mix_order *o)
{
	mem_free(o->given);
	o->given = NULL;
}
