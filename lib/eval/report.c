/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/report.h"

#include "base/jsonw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SUPERVISED = 1, PREFERENCE = 2, TRAINED = 4, ADAPTER = 8 };

struct metric {
	const char *name, *title; /* of its column; NULL: not in the table */
	size_t off; /* in struct totals */
	int when; /* kinds of sets that have it, and what must be given */
	int decimals; /* of a mean; -1: a count of records */
};

static const struct metric metrics[] = {
	{ "records", "records", offsetof(struct totals, records), SUPERVISED | PREFERENCE, 0 },
	{ "exact", "exact", offsetof(struct totals, exact), SUPERVISED, -1 },
	{ "chrf", "chrF", offsetof(struct totals, chrf), SUPERVISED, 2 },
	{ "chrf_corpus", NULL, offsetof(struct totals, chrf_corpus), SUPERVISED, 2 },
	{ "leak", "leak", offsetof(struct totals, leak), SUPERVISED | TRAINED, -1 },
	{ "preferred", "preferred", offsetof(struct totals, preferred), PREFERENCE, -1 },
	{ "rewarded", "rewarded", offsetof(struct totals, rewarded), PREFERENCE | ADAPTER, -1 },
	{ "margin", "margin", offsetof(struct totals, margin), PREFERENCE | ADAPTER, 3 },
	{ "chosen_change", NULL, offsetof(struct totals, chosen_change), PREFERENCE | ADAPTER, 3 },
	{ "rejected_change", NULL, offsetof(struct totals, rejected_change), PREFERENCE | ADAPTER,
	  3 },
	{ "chosen_change_abs", NULL, offsetof(struct totals, chosen_change_abs),
	  PREFERENCE | ADAPTER, 3 },
	{ "rejected_change_abs", NULL, offsetof(struct totals, rejected_change_abs),
	  PREFERENCE | ADAPTER, 3 },
	{ "repeats", "repeats", offsetof(struct totals, repeats), SUPERVISED, -1 },
	{ "cut", "cut", offsetof(struct totals, cut), SUPERVISED, -1 },
};

#define N_METRICS (sizeof(metrics) / sizeof(*metrics))

static double value_of(const struct metric *m, const struct eval_set *set)
{
	return *(const double *)((const char *)&set->totals + m->off);
}

static bool applies(const struct metric *m, const struct eval_set *set)
{
	return m->when & (set->preference ? PREFERENCE : SUPERVISED);
}

/* ---- gates ---- */

static int find_metric(struct gate *g, const char *name, size_t n, const struct eval *e,
		       struct err *err)
{
	struct buf names = { 0 };
	const struct metric *m = NULL;
	int rc = 0;

	for (size_t i = 0; i < N_METRICS; i++) {
		if (!applies(&metrics[i], g->set))
			continue;
		if (strlen(metrics[i].name) == n && !memcmp(metrics[i].name, name, n))
			m = &metrics[i];
		buf_printf(&names, "%s%s", names.n ? ", " : "", metrics[i].name);
	}
	g->metric = m;
	if (!m)
		rc = err_set(err, "%s: '%s' has no '%.*s'; it has %s", g->text, g->set->name,
			     (int)n, name, names.p);
	else if (m->when & TRAINED && !e->n_trained_sets)
		rc = err_set(err, "%s: '%s' needs --trained", g->text, m->name);
	else if (m->when & ADAPTER && !e->o->engine.adapters)
		rc = err_set(err, "%s: '%s' needs --adapter", g->text, m->name);
	buf_free(&names);
	return rc;
}

static int find_set(struct gate *g, const char *name, size_t n, const struct eval *e,
		    struct err *err)
{
	if (!name && e->n_sets > 1)
		return err_set(err, "%s: of which data set? write NAME:%s", g->text, g->text);
	for (size_t i = 0; i < e->n_sets; i++) {
		const char *have = e->sets[i].name;

		if (!name || (strlen(have) == n && !memcmp(have, name, n))) {
			g->set = &e->sets[i];
			return 0;
		}
	}
	return err_set(err, "%s: no --dataset '%.*s' is given", g->text, (int)n, name);
}

static int parse_gate(struct gate *g, const char *text, const struct eval *e, struct err *err)
{
	const char *colon = strrchr(text, ':'), *metric = colon ? colon + 1 : text,
		   *op = metric + strcspn(metric, "<>="), *number;
	char *end;

	*g = (struct gate){ .text = text };
	g->op[0] = *op;
	if (*op && op[1] == '=')
		g->op[1] = '=';
	number = op + strlen(g->op);
	g->bound = strtod(number, &end);
	if (!*op || !strcmp(g->op, "=") || end == number || *end || !isfinite(g->bound))
		return err_set(err, "--require '%s': it takes NAME:METRIC>=NUMBER", text);
	if (find_set(g, colon ? text : NULL, colon ? (size_t)(colon - text) : 0, e, err) < 0)
		return -1;
	return find_metric(g, metric, (size_t)(op - metric), e, err);
}

int gates_parse(struct gate **gates, const struct opt_list *list, const struct eval *e,
		struct err *err)
{
	*gates = mem_new(list->n + 1, sizeof(**gates));
	for (size_t i = 0; i < list->n; i++)
		if (parse_gate(&(*gates)[i], list->v[i], e, err) < 0)
			return -1;
	return 0;
}

double gate_value(const struct gate *g)
{
	return value_of(g->metric, g->set);
}

bool gate_met(const struct gate *g)
{
	double x = gate_value(g);

	if (g->op[0] == '=')
		return x == g->bound;
	if (g->op[0] == '>')
		return g->op[1] ? x >= g->bound : x > g->bound;
	return g->op[1] ? x <= g->bound : x < g->bound;
}

/* ---- table ---- */

struct cell {
	char s[40];
};

static struct cell cell_of(const struct metric *m, const struct eval_set *set)
{
	double x = value_of(m, set);
	struct cell c;

	if (!applies(m, set) || isnan(x))
		snprintf(c.s, sizeof(c.s), "-");
	else if (m->decimals < 0)
		snprintf(c.s, sizeof(c.s), "%.0f/%zu", x, set->n);
	else
		snprintf(c.s, sizeof(c.s), "%.*f", m->decimals, x);
	return c;
}

void report_table(const struct eval *e, FILE *f)
{
	size_t name = strlen("data set");

	for (size_t i = 0; i < e->n_sets; i++)
		name = strlen(e->sets[i].name) > name ? strlen(e->sets[i].name) : name;
	for (size_t row = 0; row <= e->n_sets; row++) {
		const struct eval_set *set = row ? &e->sets[row - 1] : NULL;

		fprintf(f, "%-*s  %-10s", (int)name, set ? set->name : "data set",
			!set              ? "kind"
			: set->preference ? "preference"
					  : "sft");
		for (size_t i = 0; i < N_METRICS; i++) {
			const struct metric *m = &metrics[i];
			size_t width = m->title ? strlen(m->title) : 0;

			if (!m->title)
				continue;
			for (size_t k = 0; k < e->n_sets; k++) {
				size_t n = strlen(cell_of(m, &e->sets[k]).s);

				width = n > width ? n : width;
			}
			fprintf(f, "  %*s", (int)width, set ? cell_of(m, set).s : m->title);
		}
		fputc('\n', f);
	}
}

/* ---- JSON ---- */

static void put_text(struct jsonw *w, const char *key, const char *s, size_t n)
{
	jsonw_key(w, key);
	jsonw_str(w, s ? s : "", n);
}

static void put_sample(struct jsonw *w, const struct eval *e, const struct eval_set *set,
		       const struct sample *s)
{
	const struct message *prompt = sample_prompt(s), *want = sample_reference(s);

	jsonw_open(w, '{');
	jsonw_kint(w, "line", (int64_t)s->record.line);
	put_text(w, "prompt", prompt->text, prompt->n);
	if (set->preference) {
		jsonw_knum(w, "logp_chosen", s->chosen, 9);
		jsonw_knum(w, "logp_rejected", s->rejected, 9);
		if (e->o->engine.adapters) {
			jsonw_knum(w, "ref_logp_chosen", s->ref_chosen, 9);
			jsonw_knum(w, "ref_logp_rejected", s->ref_rejected, 9);
		}
		jsonw_kbool(w, "preferred", s->chosen > s->rejected);
	} else {
		put_text(w, "reference", want->text, want->n);
		put_text(w, "answer", s->answer.p, s->answer.n);
		jsonw_kbool(w, "exact", s->exact);
		jsonw_knum(w, "chrf", s->chrf, 9);
		jsonw_kbool(w, "cut", s->cut);
		jsonw_kbool(w, "repeats", s->repeats);
		if (e->n_trained_sets) {
			jsonw_key(w, "leak_of");
			if (s->leak)
				jsonw_str(w, s->leak->prompt, s->leak->n_prompt);
			else
				jsonw_null(w);
			jsonw_kint(w, "leak_run", (int64_t)s->run);
			jsonw_knum(w, "leak_share", s->share, 9);
		}
	}
	jsonw_close(w, '}');
}

static void put_set(struct jsonw *w, const struct eval *e, const struct eval_set *set)
{
	jsonw_open(w, '{');
	jsonw_kstr(w, "name", set->name);
	jsonw_kstr(w, "kind", set->preference ? "preference" : "sft");
	for (size_t i = 0; i < N_METRICS; i++)
		if (applies(&metrics[i], set))
			jsonw_knum(w, metrics[i].name, value_of(&metrics[i], set), 9);
	jsonw_key(w, "samples");
	jsonw_open(w, '[');
	for (size_t i = 0; i < set->n; i++)
		put_sample(w, e, set, &set->v[i]);
	jsonw_close(w, ']');
	jsonw_close(w, '}');
}

static void put_settings(struct jsonw *w, const struct eval *e, const struct engine *engine)
{
	const struct encode_settings *s = &engine->settings;

	jsonw_kstr(w, "model", e->o->engine.model);
	jsonw_kstr(w, "adapter", e->o->engine.adapters);
	jsonw_kstr(w, "dtype", engine->model.act == DT_F32 ? "float32" : "bfloat16");
	jsonw_kstr(w, "template", s->template->name);
	jsonw_kstr(w, "system", s->system ? s->system : s->template->default_system);
	jsonw_kint(w, "max_new_tokens", e->o->max_new_tokens);
	jsonw_knum(w, "beta", EVAL_BETA, 9);
	jsonw_key(w, "trained");
	jsonw_open(w, '[');
	for (size_t i = 0; i < e->n_trained_sets; i++)
		jsonw_str(w, e->trained_sets[i].name, strlen(e->trained_sets[i].name));
	jsonw_close(w, ']');
}

void report_json(const struct eval *e, const struct engine *engine, const struct gate *gates,
		 size_t n_gates, struct buf *out)
{
	struct jsonw w = { .out = out, .indent = 1 };

	jsonw_open(&w, '{');
	put_settings(&w, e, engine);
	jsonw_key(&w, "datasets");
	jsonw_open(&w, '[');
	for (size_t i = 0; i < e->n_sets; i++)
		put_set(&w, e, &e->sets[i]);
	jsonw_close(&w, ']');
	jsonw_key(&w, "required");
	jsonw_open(&w, '[');
	for (size_t i = 0; i < n_gates; i++) {
		jsonw_open(&w, '{');
		jsonw_kstr(&w, "gate", gates[i].text);
		jsonw_knum(&w, "value", gate_value(&gates[i]), 9);
		jsonw_kbool(&w, "met", gate_met(&gates[i]));
		jsonw_close(&w, '}');
	}
	jsonw_close(&w, ']');
	jsonw_close(&w, '}');
	buf_char(out, '\n');
}
