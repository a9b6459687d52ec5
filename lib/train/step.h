/* SPDX-License-Identifier: Apache-2.0 */
/* Packing examples into micro-batches and running them: the heart of a step, used by the trainer
 * and for reference log-probabilities. */
#ifndef TRAIN_STEP_H
#define TRAIN_STEP_H

#include "train/trainer.h"

/* Called for every packed micro-batch with the log-probabilities of its rows. */
typedef void (*packed_fn)(struct trainer *t, struct metrics *m);

/* Packs examples[0..n) (weights may be NULL) in order, as many as fit at a time; forward and head
 * with lora (NULL: base alone), then done(t, m). Without gradient it ends early when t->stop is set. */
void step_run(struct trainer *t, const uint32_t *examples, const float *weights, uint32_t n,
	      const struct lora *lora, bool gradient, packed_fn done, struct metrics *m);

#endif
