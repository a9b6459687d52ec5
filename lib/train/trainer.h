/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run in memory: model, adapter, data, buffers; and one optimizer step over it. SFT and DPO
 * differ by an objective: how an example is packed, and what its log-probabilities cost.
 */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "adapter/adapter.h"
#include "config/config.h"
#include "model/pass.h"
#include "shard/shard.h"
#include "train/pack.h"
#include "train/plan.h"
#include "train/schedule.h"

#include <signal.h>

struct trainer;

/* An example within a packed micro-batch: its rows are [row, row + n_rows) of the batch. */
struct placed {
	uint32_t example;
	float weight; /* of the example within the step (objective's own meaning) */
	int row, n_rows;
};

/* Sums over a step; what they mean is the objective's. */
struct metrics {
	double loss;
	double rewards_chosen, rewards_rejected, accuracy, logps_chosen, logps_rejected;
	uint64_t n_tokens; /* of data, prompts of a pair counted once */
	uint64_t n_trained; /* of an evaluation: tokens that it is the loss of */
	uint64_t n_computed; /* of micro-batches: what is shared counted once */
};

struct objective {
	const char *name; /* "sft" */
	enum shard_stage stage;
	/* The one or two sequences that an example is; returns how many. */
	int (*sequences)(const struct example *e, struct sequence v[2]);
	/* Weight of each example of a window, into w[0..n). */
	void (*weigh)(const struct trainer *t, const struct step_window *win,
		      const uint32_t *examples, float *w);
	/* One example's rows: logp given, coef to fill in (loss = sum coef * -logp up to a constant),
	 * metrics added to. */
	void (*loss)(const struct trainer *t, const struct placed *p, const float *logp,
		     float *coef, struct metrics *m);
};

extern const struct objective objective_sft, objective_dpo;

struct trainer_options {
	const char *device;
	long threads;
	double memory_limit_gb; /* for all of it, the program too; 0: what can be had now */
	int micro_tokens; /* of a micro-batch, at least the longest example; 0: the plan's choice */
	int recompute; /* lowest layers to compute again, if not more have to be */
	const struct shard *val; /* held-out examples for trainer_evaluate; NULL: none */
	bool plan_only; /* no weights, no buffers */
	volatile sig_atomic_t *stop; /* NULL: none. Set: what takes long ends so */
	int semantics; /* of the tool: raised when the same input gives other output */
};

struct trainer {
	const struct config *c;
	const struct objective *objective;
	const struct shard *shard;
	const struct example *v; /* the shard's n, and behind them those that are held out */
	size_t n, n_all;
	struct example *joined; /* v, where there are both */
	volatile sig_atomic_t *stop;
	struct dev *dev;
	int threads;
	struct plan plan;
	int semantics;
	char back_end[OPS_IDENTITY_SIZE];
	struct source source;
	char *merged_names; /* comma-separated */
	struct adapter_list merged; /* adapters that were merged into the weights */
	struct model model;
	struct lora lora;
	struct adapter_info info;
	struct pass pass;
	struct batch batch;
	struct pack pack;
	struct schedule schedule;
	struct bins bins; /* of packing */
	float *reference; /* DPO, by reference_open: log-probabilities (n, 2) of chosen, rejected */
	/* room for one step */
	uint32_t *order;
	long order_epoch;
	struct placed *placed;
	int n_placed;
	float *logp, *coef, *weights, *norm;
	long step; /* optimizer steps done */
	uint64_t dropout_seed, n_packed; /* of the step that runs; its micro-batches so far */
};

/* Opens everything and makes the plan; problems are errors before anything is trained. DPO needs its
 * reference besides (train/reference.h). */
int trainer_open(struct trainer *t, const struct config *c, const struct objective *objective,
		 const struct shard *shard, const struct trainer_options *o, struct err *err);
void trainer_close(struct trainer *t); /* fine on {0} */
/* One optimizer step: t->step grows. ERR_NUMERIC when loss or gradient is not finite. */
int trainer_step(struct trainer *t, struct metrics *m, double *grad_norm, double *lr,
		 struct err *err);
/* The loss of what is held out, which is there. ERR_NUMERIC when it is not finite. */
int trainer_evaluate(struct trainer *t, double *loss, struct err *err);
/* Gradients of the next step into lora.grad without updating anything: for tests. */
int trainer_gradients(struct trainer *t, struct metrics *m, struct err *err);

#endif
