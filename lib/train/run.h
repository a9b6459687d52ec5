/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A training run from files to files: what ft-sft and ft-dpo do. They differ by the objective.
 */
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

#include "base/opt.h"
#include "train/trainer.h"

#include <signal.h>

/* What the command line says; run_opts fills it in. */
struct run_args {
	const char *device, *explain, *val;
	long threads;
	double memory_limit;
	bool plan, json, force;
};

/* The options that ft-sft and ft-dpo share. */
extern const struct opt run_opts[];

/* What a trainer is. */
struct run_kind {
	const char *tool;
	const struct objective *objective;
	enum config_use use;
	int semantics; /* as in its struct cmd */
};

/*
 * Trains and writes output_dir; with args->plan only prints the plan, with args->explain a key,
 * on stdout. operands:
 * CONFIG.yaml, SHARD, KEY=VALUE..., in any order. stop: set by a signal: checkpoint and leave with
 * ERR_INTERRUPTED. It goes on from a checkpoint as LLaMA-Factory does: from the one that is named,
 * which must be whole; or, with resume_from_checkpoint "true", or without it where output_dir holds
 * some and overwrite_output_dir is false, from the newest that is whole.
 */
int run_training(const struct run_kind *kind, const struct run_args *args, char **operands,
		 int n_operands, volatile sig_atomic_t *stop, struct err *err);

#endif
