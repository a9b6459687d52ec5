/* SPDX-License-Identifier: Apache-2.0 */
#include "train/step.h"

#include "base/fault.h"

#include <math.h>
#include <string.h>

/* Forward, head and done for what is packed; then the batch is empty again. */
static void flush(struct trainer *t, const struct lora *lora, bool gradient, packed_fn done,
		  struct metrics *m)
{
	if (!t->n_placed)
		return;
	pack_emit(&t->pack);
	m->n_computed += (uint64_t)t->batch.n_tokens;
	if (t->dropout_seed) /* another mask for every micro-batch */
		t->pass.dropout_seed = t->dropout_seed + t->n_packed++ * 0x9E3779B97F4A7C15u;
	pass_forward(&t->pass, &t->batch, lora, NULL);
	pass_head(&t->pass, &t->batch, t->logp, gradient);
	fault_point("forward", NULL);
	done(t, m);
	t->n_placed = 0;
}

void step_run(struct trainer *t, const uint32_t *examples, const float *weights, uint32_t n,
	      const struct lora *lora, bool gradient, packed_fn done, struct metrics *m)
{
	/* Under dropout every sequence has masks of its own. */
	t->pack.share = t->c->share_prefixes && !(t->dropout_seed && lora && lora->dropout > 0);
	t->n_placed = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct example *e = &t->v[examples[i]];
		struct sequence v[2];
		int n_v = t->objective->sequences(e, v), row = t->pack.n_rows;

		if (!gradient && t->stop && *t->stop)
			break;
		if (!pack_add(&t->pack, v, n_v)) {
			flush(t, lora, gradient, done, m);
			row = 0;
			pack_add(&t->pack, v, n_v); /* by itself every example fits */
		}
		t->placed[t->n_placed++] = (struct placed){ examples[i], weights ? weights[i] : 0,
							    row, t->pack.n_rows - row };
		m->n_tokens += e->n_ids;
	}
	flush(t, lora, gradient, done, m);
}

static void backward(struct trainer *t, struct metrics *m)
{
	for (int i = 0; i < t->n_placed; i++) {
		const struct placed *p = &t->placed[i];

		t->objective->loss(t, p, t->logp + p->row, t->coef + p->row, m);
	}
	pass_backward(&t->pass, &t->batch, &t->lora, t->coef);
	fault_point("backward", NULL);
}

int trainer_gradients(struct trainer *t, struct metrics *m, struct err *err)
{
	long epoch = schedule_epoch_of(&t->schedule, t->step);
	const uint32_t *examples;
	struct step_window win;

	memset(m, 0, sizeof(*m));
	if (t->order_epoch != epoch)
		schedule_order(&t->schedule, epoch, t->order);
	t->order_epoch = epoch;
	win = schedule_window(&t->schedule, t->step, t->order);
	examples = t->order + win.first;
	t->objective->weigh(t, &win, examples, t->weights);
	/* 0 means no dropout: the seed of a step is never that. */
	t->dropout_seed = ((uint64_t)t->c->seed << 32 | (uint64_t)t->step) + 1;
	t->n_packed = 0;
	t->dev->ops->zero(t->dev, t->lora.grad, t->lora.n * sizeof(float));
	step_run(t, examples, t->weights, win.n, &t->lora, true, backward, m);
	t->dropout_seed = t->pass.dropout_seed = 0;
	if (isfinite(m->loss))
		return 0;
	return err_kind(err, ERR_NUMERIC,
			"step %ld: the loss is not finite; lower learning_rate (examples %u "
			"to %u of epoch %ld)",
			t->step + 1, win.first, win.first + win.n - 1, win.epoch);
}

static float clip(const struct config *c, double norm)
{
	double scale = c->max_grad_norm > 0 ? c->max_grad_norm / (norm + 1e-6) : 1;

	return (float)(scale < 1 ? scale : 1);
}

int trainer_step(struct trainer *t, struct metrics *m, double *grad_norm, double *lr,
		 struct err *err)
{
	const struct ops *op = t->dev->ops;
	struct lora *l = &t->lora;
	float sumsq = 0;
	struct adamw h;

	if (trainer_gradients(t, m, err) < 0)
		return -1;
	op->sumsq(t->dev, t->norm, l->grad, l->n);
	op->download(t->dev, &sumsq, t->norm, sizeof(sumsq));
	if (op->sync(t->dev, err) < 0)
		return -1;
	*grad_norm = sqrt((double)sumsq);
	if (!isfinite(*grad_norm))
		return err_kind(err, ERR_NUMERIC,
				"step %ld: the gradient is not finite; lower learning_rate",
				t->step + 1);
	*lr = schedule_lr(&t->schedule, t->step);
	h = (struct adamw){ .lr = (float)*lr,
			    .beta1 = (float)t->c->adam_beta1,
			    .beta2 = (float)t->c->adam_beta2,
			    .eps = (float)t->c->adam_epsilon,
			    .weight_decay = (float)t->c->weight_decay,
			    .correction1 =
				    (float)(1 - pow(t->c->adam_beta1, (double)(t->step + 1))),
			    .correction2 =
				    (float)(1 - pow(t->c->adam_beta2, (double)(t->step + 1))),
			    .grad_scale = clip(t->c, *grad_norm) };
	op->adamw(t->dev, l->p, l->m, l->v, l->grad, l->n, &h);
	fault_point("update", NULL);
	lora_refresh(l);
	t->step++;
	return 0;
}
