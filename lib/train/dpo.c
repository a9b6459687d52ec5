/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct preference optimisation, sigmoid loss (Rafailov et al. 2023), as LLaMA-Factory has it:
 *   z = beta ((pc - pr) - (rc - rr)), sums of log-probabilities of policy and reference;
 *   loss = -(1 - eps) log sigmoid(z) - eps log sigmoid(-z) + ftx (-pc / |chosen|);
 *   dloss/dpc = -beta ((1 - eps) sigmoid(-z) - eps sigmoid(z)) - ftx / |chosen|, dloss/dpr the
 *   opposite of the first part. Mean over the pairs of a micro-batch, then over the micro-batches.
 */
#include "train/trainer.h"

#include <math.h>

static int dpo_sequences(const struct example *e, struct sequence v[2])
{
	const uint32_t *chosen = e->ids + e->n_prompt, *rejected = chosen + e->n_chosen;

	v[0] = (struct sequence){ e->ids, chosen, e->n_prompt, e->n_chosen, NULL, 0 };
	v[1] = (struct sequence){ e->ids,      rejected,
				  e->n_prompt, e->n_ids - e->n_prompt - e->n_chosen,
				  NULL,        0 };
	return 2;
}

static void dpo_weigh(const struct trainer *t, const struct step_window *win,
		      const uint32_t *examples, float *w)
{
	uint32_t bs = t->schedule.batch_size;

	(void)examples;
	for (uint32_t i = 0; i < win->n; i++) {
		uint32_t begin = i / bs * bs, n = win->n - begin < bs ? win->n - begin : bs;

		w[i] = 1.0f / ((float)n * (float)win->n_batches);
	}
}

static double log_sigmoid(double z)
{
	return z > 0 ? -log1p(exp(-z)) : z - log1p(exp(z));
}

static void dpo_loss(const struct trainer *t, const struct placed *p, const float *logp,
		     float *coef, struct metrics *m)
{
	const struct example *e = &t->v[p->example];
	const float *ref = t->reference + 2 * (size_t)p->example;
	double beta = t->c->pref_beta, eps = t->c->dpo_label_smoothing, ftx = t->c->pref_ftx,
	       w = p->weight;
	double pc = 0, pr = 0, z, slope;
	int nc = (int)e->n_chosen;

	for (int i = 0; i < p->n_rows; i++)
		*(i < nc ? &pc : &pr) += logp[i];
	z = beta * ((pc - pr) - ((double)ref[0] - ref[1]));
	slope = beta * ((1 - eps) / (1 + exp(z)) - eps / (1 + exp(-z)));
	for (int i = 0; i < p->n_rows; i++)
		coef[i] = (float)(w * (i < nc ? slope + ftx / nc : -slope));
	m->loss += w * (-(1 - eps) * log_sigmoid(z) - eps * log_sigmoid(-z) - ftx * pc / nc);
	m->rewards_chosen += w * beta * (pc - ref[0]);
	m->rewards_rejected += w * beta * (pr - ref[1]);
	m->accuracy += pc - ref[0] > pr - ref[1] ? w : 0;
	m->logps_chosen += w * pc;
	m->logps_rejected += w * pr;
}

const struct objective objective_dpo = {
	.name = "dpo",
	.stage = SHARD_DPO,
	.sequences = dpo_sequences,
	.weigh = dpo_weigh,
	.loss = dpo_loss,
};
