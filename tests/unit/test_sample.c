/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling by cases that were computed by hand, and the text of an answer while it grows. */
#include "tests/tap.h"

#include "chat/sample.h"
#include "chat/text.h"

static struct sampler work;

static uint32_t pick(const float *logits, size_t n, const struct sampling *s, size_t position)
{
	float copy[1024];
	struct history h = { .n_prompt = position };

	memcpy(copy, logits, n * sizeof(*copy));
	return sample_token(&work, copy, n, &h, s, 0);
}

#define DRAWS 20000

/* How often each of the first four ids was drawn. */
static void frequencies(const float *logits, size_t n, const struct sampling *s, double f[4])
{
	memset(f, 0, 4 * sizeof(*f));
	for (size_t i = 0; i < DRAWS; i++) {
		uint32_t id = pick(logits, n, s, i);

		if (id < 4)
			f[id] += 1.0 / DRAWS;
	}
}

/* Four standard deviations of a frequency are below 0.015. */
static void check_frequencies(const float *logits, const struct sampling *s, const double want[4],
			      const char *what)
{
	double f[4], worst = 0;
	bool ok = true;

	frequencies(logits, 4, s, f);
	for (int i = 0; i < 4; i++) {
		worst = fmax(worst, fabs(f[i] - want[i]));
		ok = ok && (want[i] > 0) == (f[i] > 0);
	}
	if (!check(ok && worst < 0.015, "%s", what))
		note("%.4f %.4f %.4f %.4f", f[0], f[1], f[2], f[3]);
}

static void test_penalty(void)
{
	const float logits[] = { 2, -1, 1, 0.5f };
	const uint32_t both[] = { 0, 1 }, twice[] = { 0, 0 };
	struct sampling s = sampling_default;
	float v[4];

#define PENALISED(p, ...)                                                                          \
	(s.repetition_penalty = (p), memcpy(v, logits, sizeof(v)),                                 \
	 sample_token(&work, v, 4, &(struct history){ __VA_ARGS__ }, &s, 0))
	check(PENALISED(2, both, NULL, 2, 0) == 0, "penalty: a tie goes to the lowest id");
	check(v[0] == 1 && v[1] == -2 && v[2] == 1, "penalty: divides above 0, multiplies below");
	check(PENALISED(4, NULL, both, 0, 2) == 2, "penalty: the answer's own tokens count");
	check(PENALISED(1.5, twice, twice, 2, 2) == 0 && fabsf(v[0] - 2 / 1.5f) < 1e-6f,
	      "penalty: once for each id");
	check(PENALISED(4, (const uint32_t[]){ 77 }, NULL, 1, 0) == 0,
	      "penalty: an id beyond the logits is passed over");
#undef PENALISED
}

static void test_draws(void)
{
	const float p[] = { logf(0.5f), logf(0.3f), logf(0.15f), logf(0.05f) };
	const float ties[] = { 3, 2, 2, 0 };
	struct sampling s = sampling_default;

#define SET(t, k, q) (s.temperature = (t), s.top_k = (k), s.top_p = (q))
	SET(1, 0, 1);
	check_frequencies(p, &s, (double[]){ 0.5, 0.3, 0.15, 0.05 }, "temperature 1: as it is");
	SET(0.5, 0, 1);
	check_frequencies(p, &s, (double[]){ 0.68493, 0.24658, 0.06164, 0.00685 },
			  "temperature 0.5: squares");
	SET(1, 2, 1);
	check_frequencies(p, &s, (double[]){ 0.625, 0.375, 0, 0 }, "top-k 2");
	check_frequencies(ties, &s, (double[]){ 0.57612, 0.21194, 0.21194, 0 },
			  "top-k 2 keeps what ties with the second");
	SET(1, 0, 0.6);
	check_frequencies(p, &s, (double[]){ 0.625, 0.375, 0, 0 }, "top-p 0.6: the set reaches it");
	SET(1, 0, 0.82);
	check_frequencies(p, &s, (double[]){ 0.52632, 0.31579, 0.15789, 0 }, "top-p 0.82");
	SET(1, 0, 0);
	check_frequencies(p, &s, (double[]){ 1, 0, 0, 0 }, "top-p 0 keeps one");
	SET(0.5, 0, 0.68);
	check_frequencies(p, &s, (double[]){ 1, 0, 0, 0 }, "temperature comes before top-p");
	SET(1, 2, 0.6);
	check_frequencies(p, &s, (double[]){ 1, 0, 0, 0 }, "top-k comes before top-p");
	SET(1e-300, 0, 1);
	check_frequencies(p, &s, (double[]){ 1, 0, 0, 0 }, "the smallest temperature is greedy");
	SET(0, 0, 1);
	check_frequencies(p, &s, (double[]){ 1, 0, 0, 0 }, "temperature 0 is greedy");
}

static void test_many(void)
{
	struct sampling s = sampling_default;
	float logits[1000];
	bool ok = true, same = true, other = false;
	struct sampling t;

	for (int i = 0; i < 1000; i++)
		logits[i] = (float)((i * 7919) % 1000) / 100; /* a permutation of 0 .. 9.99 */
	SET(5, 5, 1);
	for (size_t i = 0; i < 200; i++)
		ok = ok && logits[pick(logits, 1000, &s, i)] > 9.945f;
	check(ok, "of a thousand, top-k 5 draws the largest five");
	SET(5, 0, 1);
	t = s;
	t.seed = 1;
	for (size_t i = 0; i < 100; i++) {
		uint32_t id = pick(logits, 1000, &s, i);

		same = same && id == pick(logits, 1000, &s, i);
		other = other || id != pick(logits, 1000, &t, i);
	}
	check(same, "the same seed and position, the same draw");
	check(other, "another seed draws otherwise");
#undef SET
}

static void test_broken(void)
{
	const float all[] = { NAN, NAN, NAN, NAN }, inf[] = { 0, INFINITY, 0, 0 };
	const float one[] = { NAN, 1, NAN, -INFINITY };
	struct sampling s = sampling_default;

	check(pick(all, 4, &s, 0) == SAMPLE_BROKEN, "NaN everywhere is noticed");
	check(pick(inf, 4, &s, 0) == SAMPLE_BROKEN, "so is infinity");
	check(pick(one, 4, &s, 0) == 1, "greedy passes NaN over");
	s.temperature = 1;
	check(pick(all, 4, &s, 0) == SAMPLE_BROKEN, "NaN everywhere is noticed when drawing");
	check_frequencies(one, &s, (double[]){ 0, 1, 0, 0 }, "NaN is never drawn");
}

/* The text, its pieces separated by '|'. */
static const char *spoken(const struct token *tok, const uint32_t *v, size_t n, const char **stops,
			  size_t n_stops)
{
	static struct buf pieces;
	struct opt_list list = { stops, n_stops };
	struct text t;

	buf_reset(&pieces);
	text_open(&t, tok, &list);
	for (size_t i = 0; i < n && text_add(&t, v[i], &pieces); i++)
		buf_char(&pieces, '|');
	text_end(&t, &pieces);
	text_close(&t);
	return pieces.p;
}

/* Token ids of single bytes. */
static size_t bytes_of(const struct token *tok, const char *s, uint32_t *v)
{
	size_t k = 0, n;

	for (; *s; s++)
		for (uint32_t id = 0; id < token_count(tok); id++) {
			const char *b = token_bytes(tok, id, &n);

			if (b && n == 1 && *b == *s && !token_is_special(tok, id)) {
				v[k++] = id;
				break;
			}
		}
	return k;
}

static void test_text(void)
{
	struct err err;
	struct token *tok = token_open(golden("hf_tiny/qwen2"), &err);
	const char *stops[] = { "END", "NDX", "c" };
	uint32_t v[64];
	size_t n;

	if (!check(tok != NULL, "the tokenizer opens"))
		return;
	n = bytes_of(tok, "ab\xc3\xa9z", v);
	check_str(spoken(tok, v, n, NULL, 0), "a|b||\xc3\xa9|z|", "a character waits for its end");
	n = bytes_of(tok, "a\xe4\xbd!\xff", v);
	check_str(spoken(tok, v, n, NULL, 0), "a|||\xef\xbf\xbd!||\xef\xbf\xbd",
		  "broken characters become U+FFFD");
	n = bytes_of(tok, "abENEND?", v);
	check_str(spoken(tok, v, n, stops, 1), "a|b|||EN||", "a stop string ends it");
	n = bytes_of(tok, "aENx", v);
	check_str(spoken(tok, v, n, stops, 1), "a|||ENx|", "what only began as one is said");
	n = bytes_of(tok, "aEN", v);
	check_str(spoken(tok, v, n, stops, 1), "a|||EN", "also at the end");
	n = bytes_of(tok, "aENDX", v);
	check_str(spoken(tok, v, n, stops + 1, 2), "a|E|||", "one of several");
	token_close(tok);
}

int main(void)
{
	test_penalty();
	test_draws();
	test_many();
	test_broken();
	test_text();
	sampler_close(&work);
	return tap_done();
}
