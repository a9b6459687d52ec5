/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loss of held-out examples: of each batch the mean over its trained tokens, of the batches the
 * mean weighted by their examples, as transformers' Trainer has it. The adapter is as training left it,
 * without dropout; nothing of the run changes.
 */
#include "train/step.h"

#include "base/tool.h"

#include <math.h>

/* -log p of what is packed, and of how many tokens it is. */
static void collect(struct trainer *t, struct metrics *m)
{
	for (int i = 0; i < t->n_placed; i++) {
		const struct placed *p = &t->placed[i];

		for (int r = 0; r < p->n_rows; r++)
			m->loss -= t->logp[p->row + r];
		m->n_trained += (uint64_t)p->n_rows;
	}
}

int trainer_evaluate(struct trainer *t, double *loss, struct err *err)
{
	size_t size = (size_t)t->c->per_device_eval_batch_size, left, n;
	uint32_t *batch = mem_new(size, sizeof(*batch));
	double sum = 0;

	for (size_t i = t->n; i < t->n_all; i += n) {
		struct metrics m = { 0 };

		left = t->n_all - i;
		n = left < size ? left : size;
		for (size_t k = 0; k < n; k++)
			batch[k] = (uint32_t)(i + k);
		progress("evaluation: example %zu of %zu", i - t->n + 1, t->n_all - t->n);
		step_run(t, batch, NULL, (uint32_t)n, &t->lora, false, collect, &m);
		if (m.n_trained)
			sum += (double)n * m.loss / (double)m.n_trained;
	}
	mem_free(batch);
	*loss = sum / (double)(t->n_all - t->n);
	if (isfinite(*loss))
		return 0;
	return err_kind(err, ERR_NUMERIC,
			"step %ld: the loss of the held-out examples is not finite", t->step);
}
