/* SPDX-License-Identifier: Apache-2.0 */
#include "train/schedule.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

/* What is counted, shuffled and put into batches: examples, or bins of them. */
static uint32_t units(const struct schedule *s)
{
	return s->bins ? s->bins->n : s->n_examples;
}

int schedule_open(struct schedule *s, const struct config *c, uint64_t n_examples,
		  const struct bins *bins, struct err *err)
{
	double total;

	if (n_examples < 1 || n_examples > UINT32_MAX / 2)
		return err_set(err,
			       "the shard holds %llu examples; 1 to 2147483647 can be trained on",
			       (unsigned long long)n_examples);
	memset(s, 0, sizeof(*s));
	s->n_examples = (uint32_t)n_examples;
	s->bins = bins;
	s->batch_size = (uint32_t)c->per_device_train_batch_size;
	s->accumulation = (uint32_t)c->gradient_accumulation_steps;
	s->batches_per_epoch = (units(s) + s->batch_size - 1) / s->batch_size;
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

long schedule_epoch_of(const struct schedule *s, long step)
{
	return step / (long)s->steps_per_epoch;
}

struct step_window schedule_window(const struct schedule *s, long step, const uint32_t *order)
{
	struct step_window w = { .epoch = schedule_epoch_of(s, step) };
	uint32_t at = (uint32_t)(step % (long)s->steps_per_epoch) * s->accumulation;

	w.n_batches = s->batches_per_epoch - at < s->accumulation ? s->batches_per_epoch - at
								  : s->accumulation;
	w.first = at * s->batch_size;
	w.n = w.n_batches * s->batch_size;
	if (w.n > units(s) - w.first)
		w.n = units(s) - w.first;
	if (s->bins) {
		const uint32_t *begins = order + s->n_examples;
		uint32_t end = begins[w.first + w.n];

		w.first = begins[w.first];
		w.n = end - w.first;
	}
	return w;
}

/* Bins in the order of begins, written out; begins then says where each stands. */
static void unpack(const struct schedule *s, uint32_t *order, uint32_t *begins)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < s->bins->n; i++) {
		uint32_t bin = begins[i], n = s->bins->first[bin + 1] - s->bins->first[bin];

		memcpy(order + at, s->bins->items + s->bins->first[bin], n * sizeof(*order));
		begins[i] = at;
		at += n;
	}
	begins[s->bins->n] = at;
}

void schedule_order(const struct schedule *s, long epoch, uint32_t *order)
{
	uint32_t *v = s->bins ? order + s->n_examples : order;

	for (uint32_t i = 0; i < units(s); i++)
		v[i] = i;
	if (s->shuffle)
		rng_permutation(s->seed, RNG_SHUFFLE + (uint32_t)epoch, v, units(s));
	if (s->bins)
		unpack(s, order, v);
}

size_t schedule_order_size(const struct schedule *s)
{
	return s->n_examples + (s->bins ? (size_t)s->bins->n + 1 : 0);
}

double schedule_epoch(const struct schedule *s, long steps)
{
	long whole = steps / (long)s->steps_per_epoch, rest = steps % (long)s->steps_per_epoch;

	return (double)whole + (double)(rest * (long)s->accumulation) / s->batches_per_epoch;
}
