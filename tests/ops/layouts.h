/* SPDX-License-Identifier: Apache-2.0 */
/* Who sees whom: the batches that attention is tried on. */
#ifndef TESTS_OPS_LAYOUTS_H
#define TESTS_OPS_LAYOUTS_H

#include "kernels/ops.h"

enum layout_kind { SINGLE, PACKED, TRIE, FAN, CACHE, UNHELD };

struct layout {
	struct attn_seg segs[32];
	struct attn_range ranges[64];
	int n_segs, n_ranges, q_rows, k_rows, max_q, max_k;
};

/* Queries [q, q + n) see keys [a, a + an) and, causally, the last n of [k, k + kn). */
static void layout_add(struct layout *l, int q, int n, int a, int an, int k, int kn)
{
	struct attn_seg *s = &l->segs[l->n_segs++];

	s->q_begin = q;
	s->q_end = q + n;
	s->range_begin = l->n_ranges;
	if (an)
		l->ranges[l->n_ranges++] = (struct attn_range){ a, a + an };
	l->ranges[l->n_ranges++] = (struct attn_range){ k, k + kn };
	s->range_end = l->n_ranges;
	l->max_q = n > l->max_q ? n : l->max_q;
	l->max_k = an + kn > l->max_k ? an + kn : l->max_k;
	l->q_rows = q + n > l->q_rows ? q + n : l->q_rows;
	l->k_rows = k + kn > l->k_rows ? k + kn : l->k_rows;
}

/* A prompt and two answers that see it, from row `at` on; returns the row behind them. */
static int layout_pair(struct layout *l, int at, int prompt, int chosen, int rejected)
{
	layout_add(l, at, prompt, 0, 0, at, prompt);
	layout_add(l, at + prompt, chosen, at, prompt, at + prompt, chosen);
	layout_add(l, at + prompt + chosen, rejected, at, prompt, at + prompt + chosen, rejected);
	return at + prompt + chosen + rejected;
}

static void layout_make(struct layout *l, enum layout_kind kind, int n)
{
	static const int lengths[] = { 1, 2, 63, 64, 65, 130 };
	int at = 0;

	*l = (struct layout){ 0 };
	switch (kind) {
	case SINGLE:
		layout_add(l, 0, n, 0, 0, 0, n);
		break;
	case PACKED:
		for (int i = 0; i < 6; at += lengths[i++])
			layout_add(l, at, lengths[i], 0, 0, at, lengths[i]);
		break;
	case TRIE:
		at = layout_pair(l, 0, 70, 65, 2);
		layout_pair(l, at, 1, 64, n);
		break;
	case FAN: /* n short tails that share one beginning: more keys than a wave of the backward pass has */
		layout_add(l, 0, at = 65, 0, 0, 0, 65);
		for (int i = 0; i < n; at += 1 + i++ % 3)
			layout_add(l, at, 1 + i % 3, 0, 65, at, 1 + i % 3);
		break;
	case CACHE: /* one token, a few, and more than a block, behind keys that are there */
		layout_add(l, 0, 1, 0, 0, 0, 50);
		layout_add(l, 1, 9, 0, 0, 50, 64);
		layout_add(l, 10, 65, 0, 0, 114, 65 + n);
		break;
	case UNHELD: /* rows 0..2, 12, and those behind belong to nobody */
		layout_add(l, 3, 9, 0, 0, 3, 9);
		layout_add(l, 13, n, 0, 0, 13, n);
		l->q_rows += 2;
		l->k_rows += 2;
		break;
	}
}

#endif
