/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory plan of a run: every buffer by name, before any but the adapter's own is had. What does
 * not fit is made to: first layers are computed again in the backward pass, as few as will do (the
 * same bits), then the micro-batch is made smaller, down to the longest example. What still does not
 * fit is refused with what would.
 */
#ifndef TRAIN_PLAN_H
#define TRAIN_PLAN_H

#include "base/err.h"
#include "model/pass.h"

#include <stdio.h>

struct trainer;
struct trainer_options;

struct plan_row {
	const char *group, *name;
	size_t bytes;
};

#define PLAN_ROWS (PLAN_MAX + 40)

struct plan {
	struct plan_row rows[PLAN_ROWS];
	int n;
	size_t total, limit; /* bytes */
	struct pass_options pass; /* what was decided */
	int n_layers;
};

/* Decides. t has device, schedule, shard, adapter, and its model described. */
int plan_make(struct plan *p, const struct trainer *t, const struct trainer_options *o,
	      struct err *err);
/* The most positions that an example of the shard takes. */
int plan_positions(const struct trainer *t);
/* As a table, and as one JSON object. */
void plan_print(const struct plan *p, FILE *f);
void plan_print_json(const struct plan *p, FILE *f);

#endif
