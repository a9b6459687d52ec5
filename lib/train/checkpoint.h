/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint-N folders: the adapter as PEFT has it, AdamW's moments (optimizer.safetensors), the
 * step (trainer_state.json) and the provenance, each folder whole or absent. A run that goes on
 * from one gives the same bytes as a run that never stopped.
 */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "adapter/provenance.h"
#include "train/trainer.h"

/* Writes <dir>/checkpoint-<step>, then removes the oldest beyond `keep` (0: keeps all). */
int checkpoint_save(const struct trainer *t, const char *dir, const struct provenance *p, long keep,
		    struct err *err);
/* Puts the state back. Refuses, naming the difference, when the data, the base or a setting that
 * changes the result differs from what the checkpoint was made with. */
int checkpoint_load(struct trainer *t, const char *path, const struct provenance *now,
		    struct err *err);

#endif
