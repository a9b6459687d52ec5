/* SPDX-License-Identifier: Apache-2.0 */
#include "model/batch.h"

#include "base/mem.h"

#include <string.h>

size_t batch_bytes(const struct batch_limits *l)
{
	const struct batch *b = NULL;

	return (size_t)l->tokens * (sizeof(*b->ids) + sizeof(*b->pos)) +
	       (size_t)l->segs * sizeof(*b->segs) + (size_t)l->ranges * sizeof(*b->ranges) +
	       (size_t)l->rows * (sizeof(*b->rows) + sizeof(*b->targets));
}

void batch_open(struct batch *b, const struct batch_limits *limits)
{
	memset(b, 0, sizeof(*b));
	b->limits = *limits;
	b->ids = mem_new((size_t)limits->tokens, sizeof(*b->ids));
	b->pos = mem_new((size_t)limits->tokens, sizeof(*b->pos));
	b->segs = mem_new((size_t)limits->segs, sizeof(*b->segs));
	b->ranges = mem_new((size_t)limits->ranges, sizeof(*b->ranges));
	b->rows = mem_new((size_t)limits->rows, sizeof(*b->rows));
	b->targets = mem_new((size_t)limits->rows, sizeof(*b->targets));
}

void batch_close(struct batch *b)
{
	mem_free(b->ids);
	mem_free(b->pos);
	mem_free(b->segs);
	mem_free(b->ranges);
	mem_free(b->rows);
	mem_free(b->targets);
	memset(b, 0, sizeof(*b));
}

void batch_reset(struct batch *b)
{
	b->n_tokens = b->n_segs = b->n_ranges = b->n_rows = b->max_q = b->max_k = 0;
}

static int max(int a, int b)
{
	return a > b ? a : b;
}

/* Tokens and the segment itself; its ranges are the caller's to add. */
static int segment(struct batch *b, const uint32_t *ids, int n, int first_pos)
{
	int s = b->n_segs++;

	for (int i = 0; i < n; i++) {
		b->ids[b->n_tokens + i] = (int32_t)ids[i];
		b->pos[b->n_tokens + i] = first_pos + i;
	}
	b->segs[s] = (struct attn_seg){ b->n_tokens, b->n_tokens + n, b->n_ranges, b->n_ranges };
	b->n_tokens += n;
	b->max_q = max(b->max_q, n);
	return s;
}

static void range(struct batch *b, int s, int begin, int end)
{
	int keys = 0;

	b->ranges[b->n_ranges++] = (struct attn_range){ begin, end };
	b->segs[s].range_end = b->n_ranges;
	for (int r = b->segs[s].range_begin; r < b->n_ranges; r++)
		keys += b->ranges[r].k_end - b->ranges[r].k_begin;
	b->max_k = max(b->max_k, keys);
}

int batch_segment(struct batch *b, const uint32_t *ids, int n, int parent)
{
	const struct attn_seg *p = parent >= 0 ? &b->segs[parent] : NULL;
	int s = segment(b, ids, n, p ? b->pos[p->q_end - 1] + 1 : 0);

	for (int r = p ? p->range_begin : 0; p && r < p->range_end; r++)
		range(b, s, b->ranges[r].k_begin, b->ranges[r].k_end);
	range(b, s, b->segs[s].q_begin, b->segs[s].q_end);
	return s;
}

int batch_cached_segment(struct batch *b, const uint32_t *ids, int n, int k_begin, int n_past)
{
	int s = segment(b, ids, n, n_past);

	range(b, s, k_begin, k_begin + n_past + n);
	return s;
}

void batch_row(struct batch *b, int row, uint32_t target)
{
	b->rows[b->n_rows] = row;
	b->targets[b->n_rows++] = (int32_t)target;
}
