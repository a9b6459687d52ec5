/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/engine.h"

#include "base/mem.h"
#include "base/tool.h"
#include "chat/engine_adapters.h"

#include <string.h>

static int read_dtype(const char *name, enum dtype *act, struct err *err)
{
	*act = DT_COUNT;
	if (name && !strcmp(name, "float32"))
		*act = DT_F32;
	else if (name && !strcmp(name, "bfloat16"))
		*act = DT_BF16;
	else if (name && strcmp(name, "auto"))
		return err_set(err, "there is no dtype '%s'; there are auto, float32, bfloat16",
			       name);
	return 0;
}

/* All but the last into the weights, the last beside them. */
static int open_merged(struct engine *e, const struct engine_options *o, struct model_options *mo,
		       struct err *err)
{
	struct weight_hook hook = adapter_list_hook(&e->merged);
	const char *last;
	char *merged = adapter_names_split(o->adapters, &last);
	struct adapter a = { 0 };
	int rc = adapter_list_open(&e->merged, merged, &e->source.arch, err);

	if (rc == 0 && last)
		rc = adapter_open(&a, last, &e->source.arch, err); /* before the weights are read */
	mo->hook = e->merged.n ? &hook : NULL;
	if (rc == 0)
		rc = model_open(&e->model, e->dev, &e->source, mo, err);
	if (rc == 0 && last)
		rc = adapter_to_lora(&a, &e->lora, e->dev, e->model.act, err);
	e->has_lora = rc == 0 && last;
	adapter_close(&a);
	mem_free(merged);
	return rc;
}

int engine_load(struct engine *e, const struct engine_options *o, struct err *err)
{
	struct model_options mo = { .n_positions = (int)o->context };

	if (read_dtype(o->dtype, &mo.act, err) < 0)
		return -1;
	mo.stored = mo.act == DT_COUNT;
	if (!o->apart)
		return open_merged(e, o, &mo, err);
	if (engine_adapters_open(e, o->adapters, err) < 0 || /* before the weights are read */
	    model_open(&e->model, e->dev, &e->source, &mo, err) < 0)
		return -1;
	return engine_set_adapters(e, o->adapters ? o->adapters : "", err);
}

/* Options win over the last adapter's provenance (the model's when there is none), that over a guess:
 * template and system prompt each by itself. */
static int open_template(struct engine *e, const struct engine_options *o, struct err *err)
{
	const char *last, *name = o->template;
	int rc;

	mem_free(adapter_names_split(o->adapters, &last));
	rc = provenance_read(&e->provenance, last ? last : o->model, err);
	if (rc < 0)
		return -1;
	if (!name)
		name = e->provenance.template_name ? e->provenance.template_name
						   : template_guess(e->tok);
	if (!name)
		return err_set(
			err,
			"%s does not say which chat template it wants; name one with --template "
			"(%s)",
			o->model, template_names());
	e->settings.template = template_find(name, err);
	if (!e->settings.template)
		return -1;
	if (e->provenance.tokenizer_hash &&
	    strcmp(e->provenance.tokenizer_hash, token_hash(e->tok)))
		tool_note("%s was made with another tokenizer than the one in use",
			  last ? last : o->model);
	e->settings.system = o->system ? o->system : e->provenance.system;
	e->settings.thinking = thinking_of(o->thinking ? o->thinking : e->provenance.thinking);
	e->settings.cutoff_len = UINT32_MAX;
	template_stops(e->settings.template, e->tok, &e->stops);
	return 0;
}

int engine_prepare(struct engine *e, const struct engine_options *o, bool need_template,
		   struct err *err)
{
	memset(e, 0, sizeof(*e));
	e->dev = ops_open(o->device ? o->device : "auto", (int)o->threads, err);
	if (!e->dev || source_open(&e->source, o->model, err) < 0)
		return -1;
	e->n_positions = model_positions(&e->source.arch, (int)o->context);
	if (!need_template)
		return 0;
	e->tok = token_open(o->tokenizer ? o->tokenizer : o->model, err);
	return e->tok ? open_template(e, o, err) : -1;
}

int engine_open(struct engine *e, const struct engine_options *o, bool need_template,
		struct err *err)
{
	int rc = engine_prepare(e, o, need_template, err);

	if (rc == 0)
		rc = engine_load(e, o, err);
	if (rc < 0)
		engine_close(e);
	return rc;
}

void engine_close(struct engine *e)
{
	if (e->has_lora)
		lora_close(&e->lora);
	model_close(&e->model);
	adapter_list_close(&e->merged);
	engine_adapters_close(e);
	source_close(&e->source);
	if (e->tok)
		token_close(e->tok);
	ids_free(&e->stops);
	provenance_close(&e->provenance);
	if (e->dev)
		e->dev->ops->close(e->dev);
	memset(e, 0, sizeof(*e));
}

bool engine_is_stop(const struct engine *e, uint32_t id)
{
	for (size_t i = 0; i < e->stops.n; i++)
		if (e->stops.v[i] == id)
			return true;
	return false;
}

int engine_logprobs(struct engine *e, const uint32_t *ids, size_t n, bool lora_off, float *logp,
		    struct err *err)
{
	struct batch_limits limits = { (int)n, 1, 1, (int)n, (int)n, (int)n };
	struct pass_options o = { .limits = limits };
	struct pass p;
	struct batch b;

	if (n < 1 || n > (size_t)e->model.n_positions)
		return err_set(err, "%zu ids; the model takes 1 to %d", n, e->model.n_positions);
	for (size_t i = 0; i < n; i++)
		if (ids[i] >= (uint32_t)e->model.arch.vocab)
			return err_set(err, "id %u is beyond the model's vocabulary of %d", ids[i],
				       e->model.arch.vocab);
	if (e->has_lora)
		lora_widths(&e->lora, &o.lora_width, &o.lora_rows);
	if (pass_open(&p, &e->model, &o, err) < 0)
		return -1;
	batch_open(&b, &limits);
	batch_segment(&b, ids, (int)n, -1);
	for (size_t i = 0; i + 1 < n; i++)
		batch_row(&b, (int)i, ids[i + 1]);
	pass_forward(&p, &b, engine_lora(e, lora_off), NULL);
	logp[0] = 0;
	if (b.n_rows)
		pass_head(&p, &b, logp + 1, false);
	batch_close(&b);
	pass_close(&p);
	return 0;
}
