/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packing: examples that together take the place of one. LLaMA-Factory's rule: within each group of
 * preprocessing_batch_size examples, bins of at most `capacity` tokens are filled one after the other,
 * always with the longest example that still fits. Here the sequences of a bin never see each other,
 * so packing only decides what a step's batch is.
 */
#ifndef TRAIN_KNAPSACK_H
#define TRAIN_KNAPSACK_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Bin k holds items[first[k]] to items[first[k + 1] - 1]. */
struct bins {
	uint32_t n;
	uint32_t *first; /* n + 1 */
	uint32_t *items;
};

/* An item that is longer than capacity is an error. Free in any case. */
int knapsack(struct bins *b, const uint32_t *lengths, uint32_t n, uint32_t capacity, uint32_t group,
	     struct err *err);
void bins_free(struct bins *b);

#endif
