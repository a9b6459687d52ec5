/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packed micro-batch on the host: whole sequences end to end, no padding. A sequence is one or
 * more segments, of which the first ones may be another's, too (train/pack.h). Loss rows say
 * which token's hidden state predicts which id. Capacities are fixed when it is opened.
 */
#ifndef MODEL_BATCH_H
#define MODEL_BATCH_H

#include "kernels/ops.h"

struct batch_limits {
	int tokens, segs, ranges, rows;
	int max_q, max_k; /* longest segment, most keys of one */
};

struct batch {
	struct batch_limits limits; /* capacities */
	int n_tokens, n_segs, n_ranges, n_rows;
	int max_q, max_k; /* of what is in it */
	int32_t *ids, *pos; /* (T) */
	struct attn_seg *segs;
	struct attn_range *ranges;
	int32_t *rows, *targets; /* (n_rows): token index, id it is to predict */
};

size_t batch_bytes(const struct batch_limits *limits); /* what it takes */
void batch_open(struct batch *b, const struct batch_limits *limits);
void batch_close(struct batch *b);
void batch_reset(struct batch *b);
/*
 * Append n tokens as a segment that sees itself causally and, when parent >= 0, all that that
 * segment's last token sees; positions go on after the parent's. Returns the segment's number.
 */
int batch_segment(struct batch *b, const uint32_t *ids, int n, int parent);
/* As batch_segment without parent, for a KV cache: its keys are the rows [k_begin, k_begin +
 * n_past + n) of the cache, positions begin at n_past. */
int batch_cached_segment(struct batch *b, const uint32_t *ids, int n, int k_begin, int n_past);
/* The token at index `row` is to predict `target`. */
void batch_row(struct batch *b, int row, uint32_t target);
/* Index of the first token of a segment. */
static inline int batch_first(const struct batch *b, int seg)
{
	return b->segs[seg].q_begin;
}

#endif
