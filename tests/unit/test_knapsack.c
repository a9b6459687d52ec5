/* SPDX-License-Identifier: Apache-2.0 */
/* packing: bins as LLaMA-Factory fills them, and steps that take bins for examples. */
#include "tests/tap.h"

#include "train/schedule.h"

#include <stdlib.h>

static void bins(const uint32_t *v, uint32_t n, uint32_t capacity, uint32_t group, struct buf *out)
{
	struct err err = { 0 };
	struct bins b;

	buf_reset(out);
	check(!knapsack(&b, v, n, capacity, group, &err), "%s", err.msg);
	for (uint32_t k = 0; k < b.n; k++) {
		for (uint32_t i = b.first[k]; i < b.first[k + 1]; i++)
			buf_printf(out, "%s%u", i > b.first[k] ? "," : "[", v[b.items[i]]);
		buf_char(out, ']');
	}
	bins_free(&b);
}

static void test_golden(void)
{
	static const uint32_t a[] = { 2, 3, 5, 7, 1, 8, 4 }, b[] = { 600, 500, 400, 300, 200, 100 };
	struct buf got = { 0 };

	bins(a, 7, 10, 1000, &got);
	check_str(got.p, "[8,2][7,3][5,4,1]", "seven lengths");
	bins(b, 6, 1000, 1000, &got);
	check_str(got.p, "[600,400][500,300,200][100]", "six lengths");
	bins(b, 6, 1000, 4, &got);
	check_str(got.p, "[600,400][500,300][200,100]", "in groups of four");
	buf_free(&got);
}

static void test_equal(void)
{
	static const uint32_t v[] = { 5, 5, 5, 4 };
	struct err err = { 0 };
	struct bins b;

	knapsack(&b, v, 4, 10, 1000, &err);
	check(b.n == 2 && b.items[0] == 2 && b.items[1] == 1 && b.items[2] == 0 && b.items[3] == 3,
	      "of equal lengths the last goes first");
	bins_free(&b);
	check(knapsack(&b, v, 4, 4, 1000, &err) == -1 &&
		      strstr(err.msg, "example 0 of the shard has 5 tokens"),
	      "%s", err.msg);
	bins_free(&b);
}

/* Every epoch holds every example once, and a step whole bins. */
static void test_schedule(void)
{
	uint32_t lengths[50], seen[50] = { 0 }, *order;
	const char *over[] = { "per_device_train_batch_size=2", "gradient_accumulation_steps=2",
			       "num_train_epochs=3" };
	struct buf problems = { 0 };
	struct err err = { 0 };
	struct schedule s;
	struct config c;
	struct bins b;
	uint32_t n = 0;

	for (uint32_t i = 0; i < 50; i++)
		lengths[i] = 1 + i * 7 % 23;
	knapsack(&b, lengths, 50, 40, 1000, &err);
	check(!config_load(&c, CONFIG_SFT, NULL, over, 3, &problems, &err) &&
		      !schedule_open(&s, &c, 50, &b, &err),
	      "opened");
	check(s.batches_per_epoch == (b.n + 1) / 2 &&
		      s.steps_per_epoch == (s.batches_per_epoch + 1) / 2,
	      "%u bins are what batches are made of", b.n);
	order = mem_new(schedule_order_size(&s), sizeof(*order));
	for (long step = 0; step < s.total_steps; step++) {
		struct step_window w;
		uint32_t sum = 0;

		if (step % (long)s.steps_per_epoch == 0)
			schedule_order(&s, schedule_epoch_of(&s, step), order);
		w = schedule_window(&s, step, order);
		for (uint32_t i = 0; i < w.n; i++) {
			seen[order[w.first + i]]++;
			sum += lengths[order[w.first + i]];
		}
		n += w.n;
		if (sum > 160)
			check(false, "step %ld has %u tokens", step, sum);
	}
	check(n == 150, "three times fifty");
	for (int i = 0; i < 50; i++)
		if (seen[i] != 3)
			check(false, "example %d: %u times", i, seen[i]);
	mem_free(order);
	bins_free(&b);
	config_close(&c);
	buf_free(&problems);
}

int main(void)
{
	test_golden();
	test_equal();
	test_schedule();
	return tap_done();
}
