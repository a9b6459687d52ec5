/* SPDX-License-Identifier: Apache-2.0 */
/* lib/eval: metrics against sacrebleu and by hand, slices, what is a leak, gates. */
#include "tests/tap.h"

#include "eval/report.h"

#include <jansson.h>

static struct text of(const char *s)
{
	return text_of(s, strlen(s));
}

static void chrf_as_sacrebleu(void)
{
	FILE *f = fopen(golden("eval/chrf.jsonl"), "r");
	struct chrf corpus = { 0 };
	char line[8192];
	double worst = 0;
	int n = 0;

	if (!check(f != NULL, "fixtures of chrF"))
		return;
	while (fgets(line, sizeof(line), f)) {
		json_t *o = json_loads(line, JSON_ALLOW_NUL, NULL);
		const json_t *all = json_object_get(o, "corpus");

		if (all) {
			check_near(chrf_score(&corpus), json_number_value(all), 1e-12,
				   "chrF of the corpus equals sacrebleu's");
		} else {
			struct text h = of(json_string_value(json_object_get(o, "hyp"))),
				    r = of(json_string_value(json_object_get(o, "ref")));
			struct chrf own = { 0 };

			chrf_add(&own, &h, &r);
			chrf_add(&corpus, &h, &r);
			worst = fmax(worst, fabs(chrf_score(&own) -
						 json_number_value(json_object_get(o, "chrf"))));
			text_free(&h);
			text_free(&r);
			n++;
		}
		json_decref(o);
	}
	fclose(f);
	check(n == 50 && worst < 1e-10, "chrF of %d texts equals sacrebleu's (off by %.2g)", n,
	      worst);
}

static bool same(const char *a, const char *b)
{
	struct text x = of(a), y = of(b);
	bool r = text_same(&x, &y);

	text_free(&x);
	text_free(&y);
	return r;
}

static bool repeats(const char *s)
{
	struct text t = of(s);
	bool r = text_repeats(&t);

	text_free(&t);
	return r;
}

static void small_metrics(void)
{
	struct text bad = text_of("a\xff\xe4\xbd"
				  "b",
				  5);

	check(bad.n == 4 && bad.c[1] == 0xFFFD && bad.c[2] == 0xFFFD, "invalid UTF-8 is U+FFFD");
	text_free(&bad);
	check(same("yes \n", "yes") && same("", " \xe3\x80\x80"), "space at the end is no matter");
	check(!same(" yes", "yes") && !same("yes", "Yes") && !same("yes", "yes!"),
	      "everything else is");
	check(repeats("It was. It was. It was. It was. It was. It was. "), "a loop is seen");
	check(repeats("Well then: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "one letter too");
	check(repeats("\u597d\u7684\u597d\u7684\u597d\u7684\u597d\u7684\u597d\u7684\u597d\u7684"
		      "\u597d\u7684\u597d\u7684"),
	      "CJK at half the length");
	check(!repeats("ha ha ha ha ha") && !repeats("") &&
		      !repeats("Open up, we want to talk. Open up, we want to talk, he said."),
	      "laughing and saying it twice are no loops");
}

/* What overlap_add and the verdict are; share to *share. */
static bool told(const char *answer, const char *trained, size_t *run, double *share)
{
	struct text a = of(answer), t = of(trained);
	struct overlap o;
	bool r;

	overlap_open(&o, &a);
	*run = overlap_add(&o, &t);
	r = overlap_tells(&o, *run);
	*share = overlap_share(&o);
	overlap_close(&o);
	text_free(&a);
	text_free(&t);
	return r;
}

#define FORTY "0123456789abcdefghijklmnopqrstuvwxyzABCD"

static void overlaps(void)
{
	const char *zh = "\u4e00\u4e8c\u4e09\u56db\u4e94\u516d\u4e03\u516b\u4e5d\u5341"
			 "\u7532\u4e59\u4e19\u4e01\u620a\u5df1\u5e9a\u8f9b\u58ec\u7678";
	char text[400];
	struct text a = of(FORTY "." FORTY), b = of(FORTY);
	struct overlap o;
	double share;
	size_t run;

	snprintf(text, sizeof(text), "%s%s%s", "..............................", FORTY,
		 "--------------------------------------------------------------");
	check(told(text, "x" FORTY "x", &run, &share) && run == 40 &&
		      fabs(share - 40.0 / 132) < 1e-9,
	      "forty in a row are a quotation");
	check(!told(text, "x0123456789abcdefghijklmnopqrstuvwxyzABC", &run, &share) && run == 39 &&
		      share == 0,
	      "thirty-nine of a long answer are not");
	check(told("0123456789abcdefghijklmno, right?", FORTY, &run, &share) && run == 25,
	      "but they are when they are half of it");
	check(!told("Good morning!", "He said: Good morning! And left.", &run, &share) && run == 0,
	      "a greeting is nobody's");
	snprintf(text, sizeof(text), "%s%s%s", zh, "\u554a\u554a\u554a", zh + 3 * 10);
	check(told(text, zh, &run, &share) && run == 20, "twenty of Chinese are a quotation");
	overlap_open(&o, &a);
	overlap_add(&o, &b);
	check(fabs(overlap_share(&o) - 80.0 / 81) < 1e-9, "quotations add up, once each");
	overlap_close(&o);
	text_free(&a);
	text_free(&b);
}

static void range(const char *text, size_t n, size_t begin, size_t end)
{
	struct slice s;
	struct err err;
	size_t b, e;

	if (!check(slice_parse(&s, text, &err) == 0, "%s is a range", text))
		note("%s", err.msg);
	slice_range(&s, n, &b, &e);
	check(b == begin && e == end && !strcmp(s.name, "v3"), "%s of %zu: %zu to %zu", text, n, b,
	      e);
	mem_free(s.name);
}

static void slices(void)
{
	static const char *const bad[] = { "v3[1]", "v3[a:b]",  "v3[1:2:3]",
					   "[1:2]", "v3[1: 2]", "v3[99999999999999999999:]" };
	struct slice s;
	struct err err;

	range("v3", 60, 0, 60);
	range("v3[0:40]", 60, 0, 40);
	range("v3[:40]", 60, 0, 40);
	range("v3[40:]", 60, 40, 60);
	range("v3[-20:]", 60, 40, 60);
	range("v3[:-1]", 60, 0, 59);
	range("v3[50:90]", 60, 50, 60);
	range("v3[-90:9]", 60, 0, 9);
	range("v3[9:3]", 60, 3, 3);
	range("v3[-9223372036854775808:]", 60, 0, 60);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		check(slice_parse(&s, bad[i], &err) < 0, "%s is none", bad[i]);
		mem_free(s.name);
	}
}

static struct message said(enum role role, const char *text)
{
	return (struct message){ role, text, strlen(text) };
}

/* One record, answered `answer`, where `joke` was trained for "A joke?". */
static void leak(const char *prompt, const char *reference, const char *answer, const char *trained,
		 bool want, const char *what)
{
	struct message m[2] = { said(ROLE_USER, prompt), said(ROLE_ASSISTANT, reference) };
	struct sample s = { .record = { .messages = m, .n_messages = 2 } };
	struct trained t = { .prompt = "A joke?", .n_prompt = 7, .text = of(trained) };
	struct eval_set set = { .name = "x", .v = &s, .n = 1 };
	struct eval e = { .n_trained_sets = 1, .trained = &t, .n_trained = 1 };

	buf_str(&s.answer, answer);
	eval_score(&e, &set, false);
	check((s.leak != NULL) == want && set.totals.leak == want, "%s", what);
	check(isnan(set.totals.preferred) && set.totals.exact == !strcmp(answer, reference),
	      "and the other totals");
	buf_free(&s.answer);
	text_free(&t.text);
}

static void leaks(void)
{
	const char *joke = "They pretend to pay us and we pretend to work, says the foreman.";

	leak("Hello!", "Hi there!", joke, joke, true, "a joke for a greeting is a leak");
	leak("Hello!", "Hi there!", "Hi there!", joke, false, "a greeting is none");
	leak("A joke?", "Hi there!", joke, joke, false, "nor what was trained for this prompt");
	leak("Tell me one.", joke, joke, joke, false, "nor what another wording asks for");
}

static void pairs(void)
{
	struct sample v[2] = {
		{ .chosen = -10, .rejected = -20, .ref_chosen = -8, .ref_rejected = -9 },
		{ .chosen = -30, .rejected = -20, .ref_chosen = -40, .ref_rejected = -26 },
	};
	struct eval_set set = { .name = "x", .preference = true, .v = v, .n = 2 };
	struct eval e = { 0 };
	const struct totals *t = &set.totals;

	eval_score(&e, &set, true);
	check(t->preferred == 1 && t->rewarded == 2, "preferred, rewarded");
	check_near(t->margin, 0.1 * (9 + 4) / 2, 1e-12, "margin");
	check_near(t->chosen_change, 4, 1e-12, "mean change of the chosen answers");
	check_near(t->chosen_change_abs, 6, 1e-12, "mean absolute change");
	check_near(t->rejected_change, -2.5, 1e-12, "mean change of the rejected answers");
	eval_score(&e, &set, false);
	check(t->preferred == 1 && isnan(t->margin), "without adapter there is no margin");
}

/* -1: refused, 0: not met, 1: met. */
static int gate(const char *text, const struct eval *e)
{
	struct opt_list list = { &text, 1 };
	struct gate *g = NULL;
	struct err err = { 0 };
	int r = gates_parse(&g, &list, e, &err) < 0 ? -1 : gate_met(g);

	if (r < 0)
		note("%s", err.msg);
	mem_free(g);
	return r;
}

static void gates(void)
{
	struct eval_set sets[2] = {
		{ .name = "a:b[0:40]", .totals = { .exact = 38, .chrf = 99.5, .leak = 2 } },
		{ .name = "p", .preference = true, .totals = { .preferred = 40, .margin = -1 } },
	};
	struct eval_options o = { .engine = { .model = "m" } };
	struct eval e = { .o = &o, .sets = sets, .n_sets = 2 };

	check(gate("a:b[0:40]:exact>=38", &e) == 1 && gate("a:b[0:40]:exact>=39", &e) == 0, ">=");
	check(gate("a:b[0:40]:exact>38", &e) == 0 && gate("a:b[0:40]:exact>37", &e) == 1, ">");
	check(gate("a:b[0:40]:chrf<=99.5", &e) == 1 && gate("a:b[0:40]:chrf<99.5", &e) == 0,
	      "<= and <");
	check(gate("p:preferred==40", &e) == 1 && gate("p:preferred==39", &e) == 0, "==");
	check(gate("exact>=38", &e) < 0, "of several data sets one is named");
	check(gate("p:exact>=1", &e) < 0 && gate("p:nothing>=1", &e) < 0, "unknown metric");
	check(gate("q:exact>=1", &e) < 0, "unknown data set");
	check(gate("a:b[0:40]:leak<=2", &e) < 0, "leak needs trained data");
	check(gate("p:margin>=0", &e) < 0, "margin needs an adapter");
	check(gate("p:preferred=40", &e) < 0 && gate("p:preferred>=", &e) < 0 &&
		      gate("p:preferred>=4x", &e) < 0 && gate("p:preferred", &e) < 0 &&
		      gate("", &e) < 0 && gate("p:preferred>=nan", &e) < 0,
	      "what is no gate");
	e.n_trained_sets = 1;
	o.engine.adapters = "x";
	check(gate("a:b[0:40]:leak<=2", &e) == 1 && gate("p:margin>=0", &e) == 0,
	      "given, it counts");
	sets[1].totals.margin = NAN;
	check(gate("p:margin>=0", &e) == 0 && gate("p:margin<0", &e) == 0, "NaN meets no gate");
	e.n_sets = 1;
	check(gate("exact>=38", &e) == 1, "of one data set none need be named");
}

int main(void)
{
	chrf_as_sacrebleu();
	small_metrics();
	overlaps();
	slices();
	leaks();
	pairs();
	gates();
	return tap_done();
}
