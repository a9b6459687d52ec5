/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct preference optimisation, sigmoid loss (Rafailov et al. 2023), as LLaMA-Factory has it:
 *   z = beta ((pc - pr) - (rc - rr)), sums of log-probabilities of policy and reference;
 *   loss = -(1 - eps) log sigmoid(z) - eps log sigmoid(-z) + ftx (-pc / |chosen|);
 *   dloss/dpc = -beta ((1 - eps) sigmoid(-z) - eps sigmoid(z)) - ftx / |chosen|, dloss/dpr the
 *   opposite of the first part. Mean over the pairs of a micro-batch, then over the micro-batches.
 * The prompt of a pair is one segment that both answers see: computed once, exact.
 */
#include "train/trainer.h"

#include <math.h>

static int rejected_length(const struct example *e)
{
	return (int)(e->n_ids - e->n_prompt - e->n_chosen);
}

static void dpo_need(const struct example *e, struct batch_limits *sum)
{
	int p = (int)e->n_prompt, c = (int)e->n_chosen, r = rejected_length(e),
	    longest = c > r ? c : r;

	batch_need(sum, p + c + r, 3, 5, c + r, p > longest ? p : longest, p + longest);
}

/* An answer after the prompt's segment: the prompt's last token predicts its first. */
static void place_answer(struct batch *b, int prompt, const uint32_t *ids, int n)
{
	int first = batch_first(b, batch_segment(b, ids, n, prompt));

	batch_row(b, b->segs[prompt].q_end - 1, ids[0]);
	for (int i = 1; i < n; i++)
		batch_row(b, first + i - 1, ids[i]);
}

static void dpo_place(struct batch *b, const struct example *e)
{
	int prompt = batch_segment(b, e->ids, (int)e->n_prompt, -1);

	place_answer(b, prompt, e->ids + e->n_prompt, (int)e->n_chosen);
	place_answer(b, prompt, e->ids + e->n_prompt + e->n_chosen, rejected_length(e));
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
	const struct example *e = &t->shard->v[p->example];
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
	.need = dpo_need,
	.place = dpo_place,
	.weigh = dpo_weigh,
	.loss = dpo_loss,
};
