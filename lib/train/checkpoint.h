/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint-N folders: the adapter as PEFT has it, AdamW's moments (optimizer.safetensors), the
 * step and what computes it (trainer_state.json), the provenance, and the hashes of all these
 * (SHA256SUMS). Each folder is whole or absent. A run that goes on from one gives the same bytes as
 * a run that never stopped.
 */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "adapter/provenance.h"
#include "train/trainer.h"

#define CHECKPOINT_STATE "trainer_state.json"
/* Its files but SHA256SUMS; ends with NULL. */
extern const char *const checkpoint_files[];

/* Writes <dir>/checkpoint-<step>; when that is on disk, removes the oldest beyond `keep` (0: keeps
 * all). */
int checkpoint_save(const struct trainer *t, const char *dir, const struct provenance *p, long keep,
		    struct err *err);
/* Its files are there and what they were when they were written. */
int checkpoint_verify(const char *path, struct err *err);
/* The newest checkpoint of dir that is whole, from the heap; newer ones that are not are passed over with
 * a note each. NULL: there is none. */
char *checkpoint_newest(const char *dir);
/* Removes what `keep` leaves no room for beside checkpoint-<newest>. */
void checkpoint_prune(const char *dir, long newest, long keep);
/* Refuses, naming each difference with both values, when the data, the base, the back end or a setting
 * that changes the result is not what the checkpoint was made with. *step is its step. */
int checkpoint_compare(const struct trainer *t, const char *path, const struct provenance *now,
		       long *step, struct err *err);
/* Compares, and puts the state back. */
int checkpoint_load(struct trainer *t, const char *path, const struct provenance *now,
		    struct err *err);

#endif
