/* SPDX-License-Identifier: Apache-2.0 */
/* Supervised fine-tuning: the exact mean of -log p over all trained tokens of the optimizer step. */
#include "train/trainer.h"

static int sft_sequences(const struct example *e, struct sequence v[2])
{
	v[0] = (struct sequence){ e->ids, NULL, e->n_ids, 0, e->spans, e->n_spans };
	return 1;
}

static int trained(const struct example *e)
{
	struct sequence v[2];

	sft_sequences(e, v);
	return sequence_rows(v);
}

static void sft_weigh(const struct trainer *t, const struct step_window *win,
		      const uint32_t *examples, float *w)
{
	int64_t tokens = 0;

	for (uint32_t i = 0; i < win->n; i++)
		tokens += trained(&t->v[examples[i]]);
	for (uint32_t i = 0; i < win->n; i++)
		w[i] = tokens ? 1.0f / (float)tokens : 0;
}

static void sft_loss(const struct trainer *t, const struct placed *p, const float *logp,
		     float *coef, struct metrics *m)
{
	(void)t;
	for (int i = 0; i < p->n_rows; i++) {
		m->loss -= (double)p->weight * logp[i];
		coef[i] = p->weight;
	}
}

const struct objective objective_sft = {
	.name = "sft",
	.stage = SHARD_SFT,
	.sequences = sft_sequences,
	.weigh = sft_weigh,
	.loss = sft_loss,
};
