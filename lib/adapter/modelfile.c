/* SPDX-License-Identifier: Apache-2.0 */
/* Ollama's Modelfile: `ollama create NAME -f DIR/Modelfile`. */
#include "adapter/merge_parts.h"

#include "base/file.h"
#include "base/jsonfile.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define MAX_CONTEXT                                                                                \
	8192 /* as ft-chat has it: a cache for all positions of a large model is large */

/* A number of generation_config.json, if it is one and in range. */
static void take(const json_t *root, const char *key, double min, double max, double *v)
{
	const json_t *x = json_object_get(root, key);

	if (json_is_number(x) && json_number_value(x) >= min && json_number_value(x) <= max)
		*v = json_number_value(x);
}

/* How the base wants to be sampled; where it does not say, the likeliest token, as ft-chat does. */
int merge_read_sampling(struct merge *m, struct err *err)
{
	struct merge_sampling *s = &m->sampling;
	char *path = path_join(m->job->model, "generation_config.json");
	bool there = !m->src.is_gguf && file_exists(path);
	json_t *root = there ? json_file_object(path, err) : NULL;
	double top_k = 50; /* transformers' default */

	*s = (struct merge_sampling){ .repetition_penalty = 1, .top_p = 1 };
	mem_free(path);
	if (root) {
		s->known = true;
		s->temperature = json_is_true(json_object_get(root, "do_sample")) ? 1 : 0;
		if (s->temperature > 0)
			take(root, "temperature", 0, 100, &s->temperature);
		take(root, "top_p", 0, 1, &s->top_p);
		take(root, "top_k", 0, 1e6, &top_k);
		take(root, "repetition_penalty", 0.01, 100, &s->repetition_penalty);
		s->top_k = (long)top_k;
	}
	json_decref(root);
	return there && !s->known ? -1 : 0;
}

/* FROM and ADAPTER; paths are relative to the Modelfile. */
static void write_from(const struct merge *m, struct buf *out)
{
	char *base;

	if (m->job->format == MERGE_HF) {
		buf_str(out, "FROM .\n");
	} else if (m->job->format == MERGE_GGUF) {
		buf_str(out, "FROM ./" MERGE_MODEL_GGUF "\n");
	} else {
		base = path_relative(m->job->out, m->job->model);
		buf_printf(out, "FROM %s\nADAPTER ./" MERGE_ADAPTER_GGUF "\n", base);
		mem_free(base);
	}
}

/* Text in Ollama's quotes, which know no escapes: a text with """ is left out. */
static void write_text(struct buf *out, const char *word, const char *text)
{
	if (strstr(text, "\"\"\""))
		buf_printf(out, "\n# %s holds three quotes, which a Modelfile cannot say\n", word);
	else
		buf_printf(out, "\n%s \"\"\"%s\"\"\"\n", word, text);
}

static void write_number(struct buf *out, const char *name, double v)
{
	buf_printf(out, "PARAMETER %s %.9g\n", name, v);
}

static void write_parameters(const struct merge *m, struct buf *out)
{
	const struct merge_sampling *s = &m->sampling;
	const struct template *t = m->job->template;
	const struct arch *a = &m->src.arch;
	int context = rope_context(&a->rope, a->max_positions);

	/* llama.cpp knows no window in these models: beyond it they would be others. */
	for (int l = 0; l < a->n_layers; l++)
		if (arch_window(a, l) > 0 && arch_window(a, l) < context)
			context = arch_window(a, l);

	buf_char(out, '\n');
	for (const char *const *w = t ? t->stop_words : NULL; w && *w; w++)
		if (token_id(m->tok, *w) >= 0)
			buf_printf(out, "PARAMETER stop \"%s\"\n", *w);
	write_number(out, "temperature", s->temperature);
	if (s->temperature > 0) {
		write_number(out, "top_k", (double)s->top_k);
		write_number(out, "top_p", s->top_p);
	}
	write_number(out, "repeat_penalty", s->repetition_penalty);
	write_number(out, "num_ctx", context < MAX_CONTEXT ? context : MAX_CONTEXT);
}

int merge_write_modelfile(struct merge *m, const char *dir, struct err *err)
{
	const struct template *t = m->job->template;
	const char *system = m->job->system;
	struct buf text = { 0 }, go = { 0 };
	int rc;

	write_from(m, &text);
	if (t) {
		template_ollama(t, m->tok, thinking_of(m->job->thinking), &go);
		write_text(&text, "TEMPLATE", go.p);
		system = system ? system : t->default_system;
	}
	if (system && *system)
		write_text(&text, "SYSTEM", system);
	write_parameters(m, &text);
	rc = merge_put(dir, "Modelfile", &text, err);
	buf_free(&go);
	buf_free(&text);
	return rc;
}
