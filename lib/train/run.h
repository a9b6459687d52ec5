/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A training run from files to files: what ft-sft and ft-dpo do. They differ by the objective.
 */
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

#include "train/trainer.h"

#include <signal.h>

struct run_args {
	const char *tool;
	const struct objective *objective;
	enum config_use use;
	const char *device;
	long threads;
	double memory_limit;
	bool plan, json;
	char **operands; /* CONFIG.yaml, SHARD, KEY=VALUE..., in any order */
	int n_operands;
	volatile sig_atomic_t
		*stop; /* set by a signal: checkpoint and leave with ERR_INTERRUPTED */
};

/* Trains and writes output_dir; with args->plan only prints the plan on stdout. */
int run_training(const struct run_args *args, struct err *err);

#endif
