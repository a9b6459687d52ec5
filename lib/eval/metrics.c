/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/metrics.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#define LOOP 30 /* code points; half as many of a script that says more with each */

struct text text_of(const char *s, size_t n)
{
	struct text t = { .c = mem_new(n + 1, sizeof(*t.c)) };

	for (size_t i = 0; i < n;) {
		const char *at = s + i;
		size_t len = utf8_check(at, n - i);

		t.c[t.n++] = len ? utf8_next(&at) : 0xFFFD;
		i += len ? len : utf8_bad_length(s + i, n - i);
	}
	return t;
}

void text_free(struct text *t)
{
	mem_free(t->c);
	*t = (struct text){ 0 };
}

/* What Python's str.split() splits at. */
static bool is_space(uint32_t c)
{
	return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
	       c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
	       c == 0x202F || c == 0x205F || c == 0x3000;
}

static bool is_cjk(uint32_t c)
{
	return (c >= 0x3001 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) ||
	       (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0xF900 && c <= 0xFAFF) ||
	       (c >= 0xFF00 && c <= 0xFFEF) || (c >= 0x20000 && c <= 0x323AF);
}

bool text_is_cjk(const struct text *t)
{
	size_t cjk = 0, all = 0;

	for (size_t i = 0; i < t->n; i++) {
		cjk += is_cjk(t->c[i]);
		all += !is_space(t->c[i]);
	}
	return 2 * cjk > all;
}

static size_t trimmed(const struct text *t)
{
	size_t n = t->n;

	while (n && is_space(t->c[n - 1]))
		n--;
	return n;
}

bool text_same(const struct text *a, const struct text *b)
{
	size_t n = trimmed(a);

	return n == trimmed(b) && (!n || !memcmp(a->c, b->c, n * sizeof(*a->c)));
}

/* ---- chrF ---- */

static int compare_keys(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* n-grams as numbers: (number of the (n-1)-gram, its next code point), numbered by rank. */
struct grams {
	uint64_t *keys, *sorted;
	uint32_t *rank; /* of the n-gram that starts here */
	uint32_t *c; /* hypothesis, then reference, without white space */
	size_t n_hyp, n_ref;
	uint64_t *count; /* of a rank, in the hypothesis */
};

static size_t squeeze(uint32_t *out, const struct text *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		if (!is_space(t->c[i]))
			out[n++] = t->c[i];
	return n;
}

/* Numbers the n-grams that start at [begin, begin + count) of two places by the ranks of the
 * (n-1)-grams there. */
static void number(struct grams *g, int order, size_t hyp, size_t ref)
{
	size_t n = 0, distinct = 0, starts[2] = { 0, g->n_hyp }, counts[2] = { hyp, ref };

	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < counts[side]; i++) {
			size_t at = starts[side] + i;

			g->keys[at] = (uint64_t)g->rank[at] << 32 | g->c[at + (size_t)order - 1];
			g->sorted[n++] = g->keys[at];
		}
	qsort(g->sorted, n, sizeof(*g->sorted), compare_keys);
	for (size_t i = 0; i < n; i++)
		if (!i || g->sorted[i] != g->sorted[distinct - 1])
			g->sorted[distinct++] = g->sorted[i];
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < counts[side]; i++) {
			size_t at = starts[side] + i;
			const uint64_t *p = bsearch(&g->keys[at], g->sorted, distinct,
						    sizeof(*g->sorted), compare_keys);

			g->rank[at] = (uint32_t)(p - g->sorted);
		}
}

static uint64_t matches(struct grams *g, size_t hyp, size_t ref)
{
	uint64_t n = 0;

	memset(g->count, 0, (g->n_hyp + g->n_ref) * sizeof(*g->count));
	for (size_t i = 0; i < hyp; i++)
		g->count[g->rank[i]]++;
	for (size_t i = 0; i < ref; i++) {
		uint64_t *left = &g->count[g->rank[g->n_hyp + i]];

		n += *left > 0;
		*left -= *left > 0;
	}
	return n;
}

void chrf_add(struct chrf *sum, const struct text *hyp, const struct text *ref)
{
	size_t room = hyp->n + ref->n + 1;
	struct grams g = { .keys = mem_new(room, sizeof(*g.keys)),
			   .sorted = mem_new(room, sizeof(*g.sorted)),
			   .rank = mem_new(room, sizeof(*g.rank)),
			   .c = mem_new(room, sizeof(*g.c)),
			   .count = mem_new(room, sizeof(*g.count)) };

	g.n_hyp = squeeze(g.c, hyp);
	g.n_ref = squeeze(g.c + g.n_hyp, ref);
	for (int order = 1; order <= CHRF_ORDER; order++) {
		size_t skip = (size_t)order - 1, h = g.n_hyp > skip ? g.n_hyp - skip : 0,
		       r = g.n_ref > skip ? g.n_ref - skip : 0;

		if (h && r) {
			number(&g, order, h, r);
			sum->match[skip] += matches(&g, h, r);
		}
		sum->hyp[skip] += r ? h : 0; /* sacrebleu: none without a reference */
		sum->ref[skip] += r;
	}
	mem_free(g.keys);
	mem_free(g.sorted);
	mem_free(g.rank);
	mem_free(g.c);
	mem_free(g.count);
}

double chrf_score(const struct chrf *s)
{
	double precision = 0, recall = 0;
	int orders = 0;

	for (int i = 0; i < CHRF_ORDER; i++) {
		if (!s->hyp[i] || !s->ref[i])
			continue;
		precision += (double)s->match[i] / (double)s->hyp[i];
		recall += (double)s->match[i] / (double)s->ref[i];
		orders++;
	}
	if (precision + recall <= 0)
		return 0;
	precision /= orders;
	recall /= orders;
	return 100 * 5 * precision * recall / (4 * precision + recall);
}

/* ---- repetition ---- */

bool text_repeats(const struct text *t)
{
	size_t least = text_is_cjk(t) ? LOOP / 2 : LOOP;

	/* a period p holds from i on as long as c[i] == c[i + p] */
	for (size_t p = 1; 4 * p <= t->n; p++) {
		size_t want = least > 4 * p ? least - p : 3 * p, run = 0;

		for (size_t i = 0; i + p < t->n; i++) {
			run = t->c[i] == t->c[i + p] ? run + 1 : 0;
			if (run >= want)
				return true;
		}
	}
	return false;
}
