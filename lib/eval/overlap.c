/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Common runs of two texts: the longest common suffix of every pair of prefixes, row by row. Most
 * pairs of texts have nothing in common, so a hashed set of the text's runs is asked first.
 */
#include "base/mem.h"
#include "eval/metrics.h"

#include <string.h>

#define QUOTE     40
#define GRAM_BITS 16

size_t quote_length(const struct text *t)
{
	return text_is_cjk(t) ? QUOTE / 2 : QUOTE;
}

/* Calls for the hash of every run of k code points; ends early when fn returns true. */
static bool each_gram(const struct text *t, size_t k, bool (*fn)(uint64_t *set, uint32_t bit),
		      uint64_t *set)
{
	const uint64_t base = 0x100000001B3u;
	uint64_t hash = 0, top = 1;

	for (size_t i = 1; i < k; i++)
		top *= base;
	for (size_t i = 0; i < t->n; i++) {
		if (i >= k)
			hash -= top * (t->c[i - k] + 1);
		hash = hash * base + t->c[i] + 1;
		if (i + 1 >= k &&
		    fn(set, (uint32_t)(hash * 0x9E3779B97F4A7C15u >> (64 - GRAM_BITS))))
			return true;
	}
	return false;
}

static bool gram_put(uint64_t *set, uint32_t bit)
{
	set[bit / 64] |= (uint64_t)1 << bit % 64;
	return false;
}

static bool gram_has(uint64_t *set, uint32_t bit)
{
	return set[bit / 64] >> bit % 64 & 1;
}

void overlap_open(struct overlap *o, const struct text *text)
{
	o->text = text;
	o->quote = quote_length(text);
	o->reach = mem_new(text->n + 1, sizeof(*o->reach));
	o->grams = mem_new(((size_t)1 << GRAM_BITS) / 64, sizeof(*o->grams));
	each_gram(text, o->quote / 2, gram_put, o->grams);
}

void overlap_close(struct overlap *o)
{
	mem_free(o->reach);
	mem_free(o->grams);
	*o = (struct overlap){ 0 };
}

size_t overlap_add(struct overlap *o, const struct text *other)
{
	const uint32_t *a = o->text->c, *b = other->c;
	size_t best = 0, *row;

	if (!each_gram(other, o->quote / 2, gram_has, o->grams))
		return 0;
	row = mem_new(other->n + 1, sizeof(*row)); /* row[j]: run that ends at a[i], b[j - 1] */
	for (size_t i = 0; i < o->text->n; i++)
		for (size_t j = other->n; j > 0; j--) {
			row[j] = a[i] == b[j - 1] ? row[j - 1] + 1 : 0;
			o->reach[i] = row[j] > o->reach[i] ? row[j] : o->reach[i];
			best = row[j] > best ? row[j] : best;
		}
	mem_free(row);
	return best >= o->quote / 2 ? best : 0;
}

double overlap_share(const struct overlap *o)
{
	size_t covered = 0, begin = o->text->n; /* of what is covered so far */

	for (size_t i = o->text->n; i > 0; i--) {
		size_t run = o->reach[i - 1];

		if (run >= o->quote && i - run < begin) {
			covered += (i < begin ? i : begin) - (i - run);
			begin = i - run;
		}
	}
	return o->text->n ? (double)covered / (double)o->text->n : 0;
}

bool overlap_tells(const struct overlap *o, size_t run)
{
	return run >= o->quote || (2 * run >= o->text->n && run > 0 && 2 * run >= o->quote);
}
