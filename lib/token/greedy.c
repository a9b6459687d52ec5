/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The result of all merges without making them: the longest entry that can stand at a place is
 * taken, and taken back where it leads nowhere. Time is linear in the word's length.
 *
 * Why that is the same. Call an entry alive when the merges make it of its own bytes; whatever
 * stands in a result is alive, as merges outside of its bytes have no part in it. Merges of a text go
 * by rank, so what is at both sides of the border between two entries of a result is, at each moment,
 * what each of them would have there by itself; so a row of living entries is the result if and only
 * if each two neighbours are the result of their own bytes: `border_holds`. There is one result, so a
 * search may go any way. And whatever row ends at a place is the result of the bytes in front of
 * it, always the same: a place from which the search went back once needs no second visit.
 *
 * Rank has to be time. A merge of two parts is late when one of them is made at a higher rank; it
 * never happens if what it makes is alive by other parts (a row of two that becomes the entry can be
 * reached once only). If a late merge gives life, greedy_build says no, and merges are made as ever.
 */
#include "token/greedy.h"

#include "token/match.h"

#include <assert.h>
#include <string.h>

/* Does the border between a and b last when all merges of a rank below limit were made? Time runs
 * backwards: what was made last is taken apart first, of equal ranks the right one. */
static bool border_holds(const struct token *t, uint32_t a, uint32_t b, uint32_t limit)
{
	const struct made *made = t->greedy.made;
	struct made x = made[a], y = made[b];

	for (;;) {
		if (token_rank(t, a, b) < limit)
			return false;
		if (x.birth > y.birth) {
			limit = x.birth - 1u; /* of its own rank it was first */
			a = x.right;
			x = made[a];
		} else if (y.birth) {
			limit = y.birth;
			b = y.left;
			y = made[b];
		} else {
			return true;
		}
	}
}

static bool alive(const struct greedy *g, uint32_t id)
{
	return g->made[id].len;
}

/* Goes through the merges by rank. False: one of them gives life late. */
static bool find_living(struct token *t)
{
	struct greedy *g = &t->greedy;
	bool *late = mem_new(t->n_merges, sizeof(*late)), ok = true;

	for (int c = 0; c < 256; c++)
		g->made[t->byte_id[c]].len = 1;
	for (uint32_t i = 0; i < t->n_merges; i++) {
		struct merge m = t->merges[i];
		struct made *new = &g->made[t->merged[i]];

		if (token_rank(t, m.left, m.right) != i)
			continue; /* it stands twice */
		if (!alive(g, m.left) || !alive(g, m.right))
			late[i] = true;
		else if (!alive(g, t->merged[i]) && border_holds(t, m.left, m.right, i))
			*new = (struct made){ i + 1, m.left, m.right, TOKEN_NONE,
					      t->v[t->merged[i]].len };
	}
	for (uint32_t i = 0; ok && i < t->n_merges; i++)
		ok = !late[i] || alive(g, t->merged[i]) || !alive(g, t->merges[i].left) ||
		     !alive(g, t->merges[i].right);
	mem_free(late);
	return ok;
}

/* Every byte is a symbol, and nothing else is. */
static bool has_all_bytes(const struct token *t)
{
	for (int c = 0; c < 256; c++)
		if (t->byte_id[c] == TOKEN_NONE)
			return false;
	return !t->chars;
}

void greedy_build(struct token *t)
{
	struct greedy *g = &t->greedy;
	uint32_t *ids;
	size_t n = 0;

	if (!has_all_bytes(t))
		return;
	g->made = mem_new(t->n, sizeof(*g->made));
	ids = mem_new(t->n, sizeof(*ids));
	g->works = find_living(t);
	for (uint32_t id = 0; g->works && id < t->n; id++)
		if (alive(g, id))
			ids[n++] = id;
	g->works = g->works && match_build(t, ids, n);
	mem_free(ids);
}

void greedy_free(struct greedy *g)
{
	match_free(&g->match);
	mem_free(g->made);
}

static void mark(struct bpe *b, size_t n, size_t at)
{
	size_t words = n / 64 + 1;

	if (!b->any_dead) {
		if (b->dead_cap < words) {
			b->dead_cap = 2 * words;
			b->dead = mem_grow(b->dead, b->dead_cap, sizeof(*b->dead));
		}
		memset(b->dead, 0, words * sizeof(*b->dead));
		b->any_dead = true;
	}
	b->dead[at / 64] |= (uint64_t)1 << at % 64;
}

static bool is_dead(const struct bpe *b, size_t at)
{
	return b->any_dead && b->dead[at / 64] >> at % 64 & 1;
}

void greedy_word(struct bpe *b, const char *s, size_t n)
{
	const struct token *t = b->t;
	const struct made *made = t->greedy.made;
	struct ids *out = b->out;
	size_t at = 0, first = out->n, len = 0;
	uint32_t id = match_longest(&t->greedy.match, s, n, &len), last = TOKEN_NONE;

	b->any_dead = false;
	for (;;) {
		b->tries++;
		while (is_dead(b, at + len) ||
		       (last != TOKEN_NONE && !border_holds(t, last, id, TOKEN_NONE))) {
			b->tries++;
			id = made[id].prefix;
			while (id == TOKEN_NONE) { /* one step back */
				assert(out->n > first);
				mark(b, n, at);
				at -= made[last].len;
				id = made[last].prefix;
				last = --out->n > first ? out->v[out->n - 1] : TOKEN_NONE;
			}
			len = made[id].len;
		}
		ids_push(out, id);
		at += len;
		if (at == n)
			return;
		last = id;
		id = match_longest(&t->greedy.match, s + at, n - at, &len);
	}
}
