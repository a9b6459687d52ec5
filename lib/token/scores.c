/* SPDX-License-Identifier: Apache-2.0 */
/* Merges of a SentencePiece vocabulary that has scores instead, in the order in which Hugging Face's
 * converter lists them: by score, then by the lengths of both parts, largest first. */
#include "token/vocab.h"

#include <math.h>
#include <stdlib.h>

struct pair {
	struct merge m;
	float score;
	uint32_t left, right; /* characters */
};

struct pairs {
	struct pair *v;
	size_t n, cap;
};

static int compare(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? 1 : -1;
	if (x->left != y->left)
		return x->left < y->left ? 1 : -1;
	if (x->right != y->right)
		return x->right < y->right ? 1 : -1;
	if (x->m.left != y->m.left)
		return x->m.left < y->m.left ? -1 : 1;
	return (x->m.right > y->m.right) - (x->m.right < y->m.right);
}

static bool begins_char(char c)
{
	return (c & 0xC0) != 0x80;
}

/* Every way to make entry id of two others that may merge. */
static void split(const struct token *t, uint32_t id, float score, const bool *merge,
		  struct pairs *out)
{
	const char *s = t->pool.p + t->v[id].off;
	uint32_t n = t->v[id].len, chars = 0, before = 0;

	for (uint32_t i = 0; i < n; i++)
		chars += begins_char(s[i]);
	for (uint32_t i = 1; i < n; i++) {
		struct merge m;

		before += begins_char(s[i - 1]);
		if (!begins_char(s[i]))
			continue;
		m.left = token_find_bytes(t, s, i, false);
		m.right = token_find_bytes(t, s + i, n - i, false);
		if (m.left == TOKEN_NONE || m.right == TOKEN_NONE || !merge[m.left] ||
		    !merge[m.right])
			continue;
		if (out->n == out->cap) {
			out->cap = out->cap ? 2 * out->cap : 4096;
			out->v = mem_grow(out->v, out->cap, sizeof(*out->v));
		}
		out->v[out->n++] = (struct pair){ m, score, before, chars - before };
	}
}

int token_add_scores(struct token *t, const float *scores, const bool *merge, size_t n,
		     struct err *err)
{
	struct pairs p = { 0 };
	int rc = 0;

	for (uint32_t id = 0; rc == 0 && id < t->n && id < n; id++) {
		if (isnan(scores[id]))
			rc = err_set(err, "the score of token %u is no number", id);
		else if (merge[id] && t->v[id].flags & ENTRY_VOCAB &&
			 !(t->v[id].flags & ENTRY_BYTE))
			split(t, id, scores[id], merge, &p);
		if (p.n > TOKEN_MAX_MERGES)
			rc = err_set(err, "the vocabulary makes more than %u merges",
				     TOKEN_MAX_MERGES);
	}
	if (rc == 0 && p.n) {
		qsort(p.v, p.n, sizeof(*p.v), compare);
		t->merges = mem_grow(t->merges, p.n, sizeof(*t->merges));
		t->merges_cap = (uint32_t)p.n;
		for (size_t i = 0; i < p.n; i++)
			t->merges[t->n_merges++] = p.v[i].m;
	}
	mem_free(p.v);
	return rc;
}
