/* SPDX-License-Identifier: Apache-2.0 */
/* From answers and log-probabilities to the numbers of a set. */
#include "eval/run.h"

#include <math.h>
#include <string.h>

/*
 * Does the answer tell what was trained for another prompt? What was trained for this prompt, and
 * what the data set itself wants as the answer (another wording of a trained request), is no leak.
 */
static void find_leak(const struct eval *e, struct sample *s, const struct text *answer,
		      const struct text *reference)
{
	const struct message *prompt = sample_prompt(s);
	struct overlap o;

	overlap_open(&o, answer);
	for (size_t i = 0; i < e->n_trained; i++) {
		const struct trained *t = &e->trained[i];
		size_t run;

		if ((t->n_prompt == prompt->n && !memcmp(t->prompt, prompt->text, prompt->n)) ||
		    text_same(&t->text, reference))
			continue;
		run = overlap_add(&o, &t->text);
		if (run <= s->run)
			continue;
		s->run = run;
		if (overlap_tells(&o, run))
			s->leak = t;
	}
	s->share = overlap_share(&o);
	overlap_close(&o);
}

static void score_answers(const struct eval *e, struct eval_set *set)
{
	struct totals *t = &set->totals;
	struct chrf corpus = { 0 };

	t->exact = t->chrf = t->repeats = t->cut = 0;
	t->leak = e->n_trained_sets ? 0 : NAN;
	for (size_t i = 0; i < set->n; i++) {
		struct sample *s = &set->v[i];
		const struct message *want = sample_reference(s);
		struct text answer = text_of(s->answer.p, s->answer.n),
			    reference = text_of(want->text, want->n);
		struct chrf own = { 0 };

		s->exact = text_same(&answer, &reference);
		s->repeats = text_repeats(&answer);
		chrf_add(&own, &answer, &reference);
		chrf_add(&corpus, &answer, &reference);
		s->chrf = chrf_score(&own);
		if (e->n_trained_sets)
			find_leak(e, s, &answer, &reference);
		t->exact += s->exact;
		t->repeats += s->repeats;
		t->cut += s->cut;
		t->leak += s->leak != NULL;
		t->chrf += s->chrf / (double)set->n;
		text_free(&answer);
		text_free(&reference);
	}
	t->chrf_corpus = chrf_score(&corpus);
}

static void score_pairs(struct eval_set *set, bool has_lora)
{
	struct totals *t = &set->totals;
	double n = (double)set->n;

	t->preferred = 0;
	for (size_t i = 0; i < set->n; i++)
		t->preferred += set->v[i].chosen > set->v[i].rejected;
	if (!has_lora)
		return;
	t->rewarded = t->margin = 0;
	t->chosen_change = t->rejected_change = 0;
	t->chosen_change_abs = t->rejected_change_abs = 0;
	for (size_t i = 0; i < set->n; i++) {
		const struct sample *s = &set->v[i];
		double c = s->chosen - s->ref_chosen, r = s->rejected - s->ref_rejected;

		t->rewarded += c > r;
		t->margin += EVAL_BETA * (c - r) / n;
		t->chosen_change += c / n;
		t->rejected_change += r / n;
		t->chosen_change_abs += fabs(c) / n;
		t->rejected_change_abs += fabs(r) / n;
	}
}

void eval_score(const struct eval *e, struct eval_set *set, bool has_lora)
{
	double *v = (double *)&set->totals;

	for (size_t i = 0; i < sizeof(set->totals) / sizeof(*v); i++)
		v[i] = NAN;
	set->totals.records = (double)set->n;
	if (set->preference)
		score_pairs(set, has_lora);
	else
		score_answers(e, set);
}
