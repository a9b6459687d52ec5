/* SPDX-License-Identifier: Apache-2.0 */
#include "train/schedule.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

int schedule_open(struct schedule *s, const struct config *c, uint64_t n_examples, struct err *err)
{
	double total;

	if (n_examples < 1 || n_examples > UINT32_MAX / 2)
		return err_set(err,
			       "the shard holds %llu examples; 1 to 2147483647 can be trained on",
			       (unsigned long long)n_examples);
	memset(s, 0, sizeof(*s));
	s->n_examples = (uint32_t)n_examples;
	s->batch_size = (uint32_t)c->per_device_train_batch_size;
	s->accumulation = (uint32_t)c->gradient_accumulation_steps;
	s->batches_per_epoch = (s->n_examples + s->batch_size - 1) / s->batch_size;
	s->steps_per_epoch = (s->batches_per_epoch + s->accumulation - 1) / s->accumulation;
	total = c->max_steps > 0 ? (double)c->max_steps
				 : ceil(c->num_train_epochs * s->steps_per_epoch);
	if (!(total >= 1 && total < 1e9))
		return err_set(err, "%g optimizer steps; check num_train_epochs and max_steps",
			       total);
	s->total_steps = (long)total;
	s->warmup_steps = config_warmup(c, s->total_steps);
	s->base_lr = c->learning_rate;
	s->type = c->lr_scheduler_type;
	s->shuffle = !c->disable_shuffling;
	s->seed = (uint64_t)c->data_seed;
	return 0;
}

double schedule_lr(const struct schedule *s, long step)
{
	double warm = (double)s->warmup_steps, left = (double)(s->total_steps - s->warmup_steps);
	double t = (double)step - warm;

	if (!strcmp(s->type, "constant"))
		return s->base_lr;
	if (step < s->warmup_steps)
		return s->base_lr * (double)step / fmax(1, warm);
	if (!strcmp(s->type, "linear"))
		return s->base_lr * fmax(0, (double)(s->total_steps - step) / fmax(1, left));
	if (!strcmp(s->type, "cosine"))
		return s->base_lr * fmax(0, 0.5 * (1 + cos(M_PI * t / fmax(1, left))));
	return s->base_lr; /* constant_with_warmup */
}

struct step_window schedule_window(const struct schedule *s, long step)
{
	struct step_window w;
	uint32_t at = (uint32_t)(step % (long)s->steps_per_epoch) * s->accumulation;

	w.epoch = step / (long)s->steps_per_epoch;
	w.n_batches = s->batches_per_epoch - at < s->accumulation ? s->batches_per_epoch - at
								  : s->accumulation;
	w.first = at * s->batch_size;
	w.n = w.n_batches * s->batch_size;
	if (w.n > s->n_examples - w.first)
		w.n = s->n_examples - w.first;
	return w;
}

void schedule_order(const struct schedule *s, long epoch, uint32_t *order)
{
	if (s->shuffle) {
		rng_permutation(s->seed, RNG_SHUFFLE + (uint32_t)epoch, order, s->n_examples);
		return;
	}
	for (uint32_t i = 0; i < s->n_examples; i++)
		order[i] = i;
}

double schedule_epoch(const struct schedule *s, long steps)
{
	long whole = steps / (long)s->steps_per_epoch, rest = steps % (long)s->steps_per_epoch;

	return (double)whole + (double)(rest * (long)s->accumulation) / s->batches_per_epoch;
}
