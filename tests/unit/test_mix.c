/* SPDX-License-Identifier: Apache-2.0 */
/* Data sets in one row: orders are those of Hugging Face's interleave_datasets, parts are exact. */
#include "tests/tap.h"

#include "base/file.h"
#include "data/mix.h"

#include <unistd.h>

static const char *const files[] = { "test_mix_a.tmp.jsonl", "test_mix_b.tmp.jsonl",
				     "test_mix_c.tmp.jsonl" };

/* The order as indices into all sets one behind the other. */
static void order(enum mix_strategy strategy, const uint64_t *n, const double *shares,
		  uint64_t seed, struct buf *out)
{
	struct mix_order o = {
		.strategy = strategy, .n = n, .n_sets = 3, .shares = shares, .seed = seed
	};
	uint64_t first[3] = { 0, n[0], n[0] + n[1] }, at[3] = { 0 };
	long i;

	buf_reset(out);
	while ((i = mix_order_next(&o)) >= 0)
		buf_printf(out, "%llu ", (unsigned long long)(first[i] + at[i]++ % n[i]));
	mix_order_free(&o);
}

/* Made with datasets 5.0.1. */
static void test_in_turn(void)
{
	static const uint64_t a[] = { 3, 4, 5 }, b[] = { 3, 4, 3 };
	struct buf got = { 0 };

	order(MIX_CONCAT, b, NULL, 1, &got);
	check_str(got.p, "0 1 2 3 4 5 6 7 8 9 ", "concat");
	order(MIX_UNDER, a, NULL, 1, &got);
	check_str(got.p, "0 3 7 1 4 8 2 5 9 ", "until the first ends");
	order(MIX_OVER, a, NULL, 1, &got);
	check_str(got.p, "0 3 7 1 4 8 2 5 9 0 6 10 1 3 11 ", "until all have ended");
	order(MIX_ONCE, b, NULL, 1, &got);
	check_str(got.p, "0 3 7 1 4 8 2 5 9 6 ", "each once");
	buf_free(&got);
}

static void test_by_shares(void)
{
	static const uint64_t n[] = { 40, 300, 900 };
	static const double shares[] = { 0.5, 1, 2.5 };
	struct buf one = { 0 }, two = { 0 };

	for (int s = MIX_UNDER; s <= MIX_ONCE; s++) {
		struct mix_order o = { .strategy = (enum mix_strategy)s,
				       .n = n,
				       .n_sets = 3,
				       .shares = shares,
				       .seed = 5 };
		uint64_t given[3] = { 0 }, all = 0;
		long last = -1, i;
		size_t done = 0;

		while ((i = mix_order_next(&o)) >= 0) {
			last = i;
			given[i]++;
			all++;
		}
		for (i = 0; i < 3; i++)
			done += given[i] >= n[i];
		if (s == MIX_UNDER)
			check(done == 1 && given[last] == n[last],
			      "it ends with the first that ends");
		else if (s == MIX_OVER)
			check(done == 3 && given[last] == n[last],
			      "it ends with the last that ends");
		else
			check(given[0] == 40 && given[1] == 300 && given[2] == 900, "each once");
		if (s == MIX_OVER)
			check(given[0] * 100 > all * 11 && given[0] * 100 < all * 14 &&
				      given[2] * 100 > all * 60 && given[2] * 100 < all * 65,
			      "in the shares that were asked for: %g, %g",
			      (double)given[0] / (double)all, (double)given[2] / (double)all);
		mix_order_free(&o);
	}
	order(MIX_UNDER, n, shares, 5, &one);
	order(MIX_UNDER, n, shares, 5, &two);
	check_str(one.p, two.p, "the same seed, the same order");
	order(MIX_UNDER, n, shares, 6, &two);
	check(strcmp(one.p, two.p) != 0, "another seed, another");
	buf_free(&one);
	buf_free(&two);
	check(mix_strategy_of("interleave_over") == MIX_OVER &&
		      mix_strategy_of("concat") == MIX_CONCAT,
	      "names");
}

/* The records' numbers in order; those that are held out in brackets. */
static int row(const struct mix_settings *s, struct dataset *sets, size_t n, struct buf *out,
	       struct err *err)
{
	struct mix *m = mix_open(s, sets, n, err);
	struct mix_item item;
	struct record rec;
	int rc = -1;

	buf_reset(out);
	while (m && (rc = mix_next(m, &item, err)) == 1) {
		rc = mix_parse(m, &item, &rec, err);
		if (rc < 0)
			break;
		buf_printf(out, item.held ? "[%s] " : "%s ", rec.messages[1].text);
		record_free(&rec);
	}
	if (rc == 0)
		rc = mix_end(m, err);
	mix_close(m);
	return rc;
}

static size_t words(const char *s, char first)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == first;
	return n;
}

static void test_files(void)
{
	struct mix_settings s = { .seed = 42 };
	struct dataset sets[3];
	struct buf got = { 0 }, again = { 0 };
	struct err err = { 0 };

	for (int i = 0; i < 3; i++) {
		struct buf text = { 0 };

		for (int k = 0; k < 4 + i; k++)
			buf_printf(&text, "{\"instruction\":\"q\",\"output\":\"%c%d\"}\n", 'a' + i,
				   k);
		file_write(files[i], text.p, text.n, &err);
		buf_free(&text);
		check(!dataset_open(&sets[i], files[i], ".", &err), "%s", files[i]);
	}
	check(!row(&s, sets, 3, &got, &err), "%s", err.msg);
	check_str(got.p, "a0 a1 a2 a3 b0 b1 b2 b3 b4 c0 c1 c2 c3 c4 c5 ", "one behind the other");
	s.max_samples = 2;
	row(&s, sets, 3, &got, &err);
	check_str(got.p, "a0 a1 b0 b1 c0 c1 ", "the first of each");
	s = (struct mix_settings){ .strategy = MIX_OVER, .seed = 42 };
	row(&s, sets, 3, &got, &err);
	check_str(got.p, "a0 b0 c0 a1 b1 c1 a2 b2 c2 a3 b3 c3 a0 b4 c4 a1 b0 c5 ",
		  "a file that has ended begins anew");
	s = (struct mix_settings){ .val_size = 0.2, .seed = 42 };
	row(&s, sets, 3, &got, &err);
	check(words(got.p, '[') == 3 && words(got.p, ' ') == 15, "a fifth is held out: %s", got.p);
	row(&s, sets, 3, &again, &err);
	check_str(again.p, got.p, "the same again");
	s.seed = 43;
	row(&s, sets, 3, &again, &err);
	check(strcmp(again.p, got.p) != 0, "another seed holds out others: %s", again.p);
	s.val_size = 7;
	row(&s, sets, 3, &got, &err);
	check(words(got.p, '[') == 7, "seven");
	s.val_size = 15;
	check(row(&s, sets, 3, &got, &err) == -1 && strstr(err.msg, "leaves nothing to train on"),
	      "all");

	s = (struct mix_settings){ .seed = 42 };
	sets[2].num_samples = 3;
	row(&s, sets, 3, &got, &err);
	check(words(got.p, 'c') == 3 && words(got.p, 'a') == 4, "three of six: %s", got.p);
	sets[2].num_samples = 15;
	row(&s, sets, 3, &got, &err);
	check(words(got.p, 'c') == 15, "fifteen of six: %s", got.p);
	for (int k = 0; k < 6; k++)
		check(words(got.p, (char)('0' + k)) >= 2, "each twice at least");
	s.max_samples = 2;
	row(&s, sets, 3, &got, &err);
	check(words(got.p, 'c') == 2 && words(got.p, 'a') == 2, "and of these two: %s", got.p);
	for (int i = 0; i < 3; i++) {
		dataset_close(&sets[i]);
		unlink(files[i]);
	}
	buf_free(&got);
	buf_free(&again);
}

/* Every record of a sample is as likely as any other. */
static void test_fair(void)
{
	size_t hits[6] = { 0 };
	struct dataset d;
	struct buf text = { 0 }, got = { 0 };
	struct err err = { 0 };

	for (int k = 0; k < 6; k++)
		buf_printf(&text, "{\"instruction\":\"q\",\"output\":\"%d\"}\n", k);
	file_write(files[0], text.p, text.n, &err);
	check(!dataset_open(&d, files[0], ".", &err), "opened");
	d.num_samples = 2;
	for (uint64_t seed = 0; seed < 600; seed++) {
		struct mix_settings s = { .seed = seed };

		row(&s, &d, 1, &got, &err);
		for (int k = 0; k < 6; k++)
			hits[k] += words(got.p, (char)('0' + k));
	}
	for (int k = 0; k < 6; k++)
		check(hits[k] > 150 && hits[k] < 250, "record %d: %zu of 600", k, hits[k]);
	dataset_close(&d);
	unlink(files[0]);
	buf_free(&text);
	buf_free(&got);
}

int main(void)
{
	test_in_turn();
	test_by_shares();
	test_files();
	test_fair();
	return tap_done();
}
