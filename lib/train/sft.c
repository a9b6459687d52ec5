/* SPDX-License-Identifier: Apache-2.0 */
/* Supervised fine-tuning: the exact mean of -log p over all trained tokens of the optimizer step. */
#include "train/trainer.h"

/* Tokens whose prediction is trained: the first token of a sequence is predicted by nothing. */
static int trained(const struct example *e)
{
	int n = 0;

	for (uint32_t s = 0; s < e->n_spans; s++)
		n += (int)(e->spans[s].end - e->spans[s].begin) - (e->spans[s].begin == 0);
	return n;
}

static void sft_need(const struct example *e, struct batch_limits *sum)
{
	batch_need(sum, (int)e->n_ids, 1, 1, trained(e), (int)e->n_ids, (int)e->n_ids);
}

static void sft_place(struct batch *b, const struct example *e)
{
	int first = batch_first(b, batch_segment(b, e->ids, (int)e->n_ids, -1));

	for (uint32_t s = 0; s < e->n_spans; s++)
		for (uint32_t i = e->spans[s].begin ? e->spans[s].begin : 1; i < e->spans[s].end;
		     i++)
			batch_row(b, first + (int)i - 1, e->ids[i]);
}

static void sft_weigh(const struct trainer *t, const struct step_window *win,
		      const uint32_t *examples, float *w)
{
	int64_t tokens = 0;

	for (uint32_t i = 0; i < win->n; i++)
		tokens += trained(&t->shard->v[examples[i]]);
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
	.need = sft_need,
	.place = sft_place,
	.weigh = sft_weigh,
	.loss = sft_loss,
};
