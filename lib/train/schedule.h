/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a run is divided (as transformers' Trainer 4.5x does it) and the learning rate of each step.
 * With N examples, batches of bs and accumulation ga: ceil(N / bs) micro-batches an epoch,
 * ceil(that / ga) optimizer steps an epoch; the last window of an epoch may be smaller. With packing a
 * bin of examples counts as one.
 */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include "config/config.h"
#include "train/knapsack.h"

#include <stdint.h>

struct schedule {
	uint32_t n_examples, batch_size, accumulation;
	const struct bins *bins; /* NULL: no packing */
	uint32_t batches_per_epoch, steps_per_epoch;
	long total_steps, warmup_steps;
	double base_lr;
	const char *type;
	bool shuffle;
	uint64_t seed;
};

/* One optimizer step: order[first..first + n); without packing batch i holds batch_size of them, the last
 * the rest. */
struct step_window {
	long epoch;
	uint32_t first, n, n_batches; /* within the epoch's order */
};

/* bins: must outlive s; NULL: no packing. */
int schedule_open(struct schedule *s, const struct config *c, uint64_t n_examples,
		  const struct bins *bins, struct err *err);
/* Learning rate of step s = 0, 1, ... (the first has 0 when there is warm-up). */
double schedule_lr(const struct schedule *s, long step);
long schedule_epoch_of(const struct schedule *s, long step);
/* order: that of the step's epoch. */
struct step_window schedule_window(const struct schedule *s, long step, const uint32_t *order);
/* The order of an epoch: n_examples; with packing, where each bin begins in it stands behind that. */
void schedule_order(const struct schedule *s, long epoch, uint32_t *order);
size_t schedule_order_size(const struct schedule *s);
/* Epochs done after `steps` steps, as the Trainer counts. */
double schedule_epoch(const struct schedule *s, long steps);

#endif
