/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/run.h"

#include "base/tool.h"

#include <string.h>

struct watch {
	const char *name;
	size_t tokens;
};

static bool count_token(void *arg, size_t i, uint32_t id)
{
	struct watch *w = arg;

	(void)i;
	(void)id;
	if (++w->tokens % 64 == 0)
		progress("%s: %zu tokens", w->name, w->tokens);
	return true;
}

/* System prompt, history and last question: all but the last answer. */
static int encode_prompt(const struct engine *engine, const struct sample *s, struct ids *ids,
			 struct err *err)
{
	const struct record *r = &s->record;
	size_t n = 0;
	struct message *m = mem_new(r->n_messages + 1, sizeof(*m));
	int rc;

	if (r->system.text) {
		m[n] = r->system;
		m[n++].role = ROLE_SYSTEM;
	}
	for (size_t i = 0; i + 1 < r->n_messages; i++)
		m[n++] = r->messages[i];
	rc = encode_chat(&engine->settings, engine->tok, m, n, ids, err);
	mem_free(m);
	return rc;
}

static int answer_set(struct engine *engine, const struct eval_options *o, struct eval_set *set,
		      struct err *err)
{
	struct answer *v = mem_new(set->n, sizeof(*v));
	struct ids *prompts = mem_new(set->n, sizeof(*prompts));
	struct sampling s = sampling_default;
	struct watch watch = { .name = set->name };
	int rc = 0;

	s.max_new_tokens = o->max_new_tokens;
	for (size_t i = 0; i < set->n && rc == 0; i++) {
		rc = encode_prompt(engine, &set->v[i], &prompts[i], err);
		if (rc < 0)
			err_wrap(err, "%s:%zu", set->name, set->v[i].record.line);
		v[i] = (struct answer){ .prompt = prompts[i].v, .n_prompt = prompts[i].n };
	}
	if (rc == 0 && engine_answer(engine, v, set->n, (int)o->streams, &s, false, count_token,
				     &watch, err) < 0)
		rc = err_wrap(err, "%s", set->name);
	progress_end();
	for (size_t i = 0; i < set->n; i++) {
		set->v[i].cut = !v[i].stopped;
		token_decode(engine->tok, v[i].out.v, v[i].out.n, true, &set->v[i].answer);
		ids_free(&v[i].out);
		ids_free(&prompts[i]);
	}
	mem_free(prompts);
	mem_free(v);
	return rc;
}

/* log p(answer | prompt), summed. */
static int sum_logprobs(struct engine *engine, const struct ids *ids, size_t n_prompt,
			bool lora_off, double *sum, struct err *err)
{
	float *logp = mem_new(ids->n, sizeof(*logp));
	int rc = engine_logprobs(engine, ids->v, ids->n, lora_off, logp, err);

	*sum = 0;
	for (size_t i = n_prompt; i < ids->n && rc == 0; i++)
		*sum += logp[i];
	mem_free(logp);
	return rc;
}

static int score_answer(struct engine *engine, const struct example *e, const uint32_t *answer,
			size_t n, double *with, double *without, struct err *err)
{
	struct ids ids = { 0 };
	int rc;

	ids_add(&ids, e->ids, e->n_prompt);
	ids_add(&ids, answer, n);
	rc = sum_logprobs(engine, &ids, e->n_prompt, false, with, err);
	if (rc == 0 && engine->has_lora)
		rc = sum_logprobs(engine, &ids, e->n_prompt, true, without, err);
	ids_free(&ids);
	return rc;
}

static int score_pair(struct engine *engine, struct sample *s, struct err *err)
{
	struct ids ids = { 0 };
	struct buf spans = { 0 };
	struct example e;
	int rc = encode_record(&engine->settings, engine->tok, &s->record, &ids, &spans, &e, NULL,
			       err);

	if (rc == 0) {
		const uint32_t *chosen = e.ids + e.n_prompt;

		rc = score_answer(engine, &e, chosen, e.n_chosen, &s->chosen, &s->ref_chosen, err);
		if (rc == 0)
			rc = score_answer(engine, &e, chosen + e.n_chosen,
					  e.n_ids - e.n_prompt - e.n_chosen, &s->rejected,
					  &s->ref_rejected, err);
	}
	ids_free(&ids);
	buf_free(&spans);
	return rc;
}

static int score_pairs(struct engine *engine, struct eval_set *set, struct err *err)
{
	for (size_t i = 0; i < set->n; i++) {
		progress("%s: %zu of %zu pairs", set->name, i, set->n);
		if (score_pair(engine, &set->v[i], err) < 0) {
			progress_end();
			return err_wrap(err, "%s:%zu", set->name, set->v[i].record.line);
		}
	}
	progress_end();
	return 0;
}

int eval_run(struct eval *e, struct engine *engine, struct err *err)
{
	for (size_t i = 0; i < e->n_sets; i++) {
		struct eval_set *set = &e->sets[i];
		int rc = set->preference ? score_pairs(engine, set, err)
					 : answer_set(engine, e->o, set, err);

		if (rc < 0)
			return -1;
		eval_score(e, set, engine->has_lora);
	}
	return 0;
}
