/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run leaves behind for people and programs, under the names LLaMA-Factory's users know:
 * trainer_log.jsonl (a line an interval, while it runs), trainer_state.json, train_results.json,
 * eval_results.json, all_results.json and training_loss.svg (at the end).
 */
#ifndef TRAIN_RUNLOG_H
#define TRAIN_RUNLOG_H

#include "train/trainer.h"

struct log_row {
	long step;
	double epoch, loss, grad_norm, lr;
	double rewards_chosen, rewards_rejected, accuracy, logps_chosen, logps_rejected;
};

struct runlog {
	const struct trainer *t;
	char *dir;
	char *log; /* path of trainer_log.jsonl */
	long interval;
	double started;
	struct log_row *rows;
	size_t n_rows;
	struct log_row *evals; /* step, epoch, loss of what is held out */
	size_t n_evals;
	double eval_seconds; /* of the last one */
	struct log_row sum; /* since the last row */
	long n_sum;
	double total_loss;
	uint64_t n_tokens,
		n_computed; /* of data; of micro-batches, where what is shared counts once */
	long first_step;
};

/* append: the run goes on from a checkpoint; what the log in dir says of its steps is kept. */
int runlog_open(struct runlog *l, const struct trainer *t, const char *dir, bool append,
		struct err *err);
/* After every optimizer step. */
int runlog_step(struct runlog *l, const struct metrics *m, double grad_norm, double lr,
		struct err *err);
/* After an evaluation. */
int runlog_eval(struct runlog *l, double loss, double seconds, struct err *err);
/* The files of the end; with_plot: training_loss.svg too. */
int runlog_finish(struct runlog *l, bool with_plot, struct err *err);
void runlog_close(struct runlog *l);

/* A line chart of the rows' loss, raw and smoothed as LLaMA-Factory smooths. */
void svg_loss(const struct log_row *rows, size_t n, const char *title, struct buf *out);

#endif
