/* SPDX-License-Identifier: Apache-2.0 */
/* Log-probabilities of tiny models with and without adapters that PEFT wrote, against those of
 * transformers and PEFT (tests/parity/peft_adapter_in_ours.py). */
#include "tests/tap.h"

#include "adapter/adapter.h"
#include "base/mem.h"
#include "model/pass.h"

#include <jansson.h>

static struct err err;

struct setup {
	struct dev *dev;
	struct source source;
	struct model model;
	struct adapter_list merged; /* below the adapter */
	struct adapter adapter;
	struct lora lora;
};

static int setup_open(struct setup *s, const char *device, const json_t *doc, enum dtype act)
{
	struct model_options o = { .act = act };
	const char *model = golden(json_string_value(json_object_get(doc, "model")));
	const char *adapter = golden(json_string_value(json_object_get(doc, "adapter")));
	const char *merged = json_string_value(json_object_get(doc, "merged"));
	struct weight_hook hook = adapter_list_hook(&s->merged);

	memset(s, 0, sizeof(*s));
	o.hook = merged ? &hook : NULL;
	s->dev = ops_open(device, 0, &err);
	if (!s->dev || source_open(&s->source, model, &err) < 0 ||
	    adapter_list_open(&s->merged, merged ? golden(merged) : "", &s->source.arch, &err) <
		    0 ||
	    model_open(&s->model, s->dev, &s->source, &o, &err) < 0 ||
	    adapter_open(&s->adapter, adapter, &s->model.arch, &err) < 0)
		return -1;
	return adapter_to_lora(&s->adapter, &s->lora, s->dev, act, &err);
}

static void setup_close(struct setup *s)
{
	lora_close(&s->lora);
	if (s->adapter.path)
		adapter_close(&s->adapter);
	adapter_list_close(&s->merged);
	model_close(&s->model);
	source_close(&s->source);
	if (s->dev)
		s->dev->ops->close(s->dev);
}

/* Largest difference of a text's log-probabilities from those under `key`. */
static double one_text(struct setup *s, const struct lora *lora, const json_t *text,
		       const char *key)
{
	const json_t *list = json_object_get(text, "ids"), *want = json_object_get(text, key);
	int n = (int)json_array_size(list);
	struct batch_limits limits = { n, 1, 1, n, n, n };
	struct pass_options o = { .limits = limits };
	uint32_t *ids = mem_new((size_t)n, sizeof(*ids));
	float *logp = mem_new((size_t)n, sizeof(*logp));
	double worst = n < 2 || (int)json_array_size(want) != n - 1 ? INFINITY : 0;
	struct pass p;
	struct batch b;

	for (int i = 0; i < n; i++)
		ids[i] = (uint32_t)json_integer_value(json_array_get(list, (size_t)i));
	for (int l = 0; lora && l < s->model.arch.n_layers; l++)
		if (lora->layers[l].width > o.lora_width)
			o.lora_width = lora->layers[l].width;
	if (pass_open(&p, &s->model, &o, &err) == 0) {
		batch_open(&b, &limits);
		batch_segment(&b, ids, n, -1);
		for (int i = 0; i + 1 < n; i++)
			batch_row(&b, i, ids[i + 1]);
		pass_forward(&p, &b, lora, NULL);
		pass_head(&p, &b, logp, false);
		for (int i = 0; i + 1 < n; i++)
			worst = fmax(worst,
				     fabs(logp[i] -
					  json_number_value(json_array_get(want, (size_t)i))));
		batch_close(&b);
		pass_close(&p);
	}
	mem_free(ids);
	mem_free(logp);
	return worst;
}

static void test_logprobs(const char *device, const json_t *doc, enum dtype act, double bound)
{
	const char *type = act == DT_F32 ? "fp32" : "bf16";
	const json_t *cases = json_object_get(doc, "cases"), *text;
	struct setup s;
	double with = 0, without = 0;
	size_t i;

	if (setup_open(&s, device, doc, act) < 0) {
		check(false, "%s: the adapter that PEFT wrote opens: %s", device, err.msg);
		setup_close(&s);
		return;
	}
	json_array_foreach(cases, i, text)
	{
		with = fmax(with, one_text(&s, &s.lora, text, "logprobs"));
		without = fmax(without, one_text(&s, NULL, text, "base"));
	}
	check(i > 0 && without < bound, "%s, %s: the base's log-probabilities", device, type);
	check(i > 0 && with < bound, "%s, %s: the adapter's log-probabilities", device, type);
	note("largest differences %.2g and %.2g over %zu texts", without, with, i);
	setup_close(&s);
}

/* The adapters move them by 0.1 and by more than 1: bf16 must stay well within. */
static const struct {
	const char *file;
	double bf16;
} docs[] = { { "parity/logprobs.json", 2e-2 }, { "parity/patterns.json", 0.3 } };

int main(void)
{
	for (size_t i = 0; i < sizeof(docs) / sizeof(*docs); i++) {
		json_error_t je;
		json_t *doc = json_load_file(golden(docs[i].file), 0, &je);

		for (const char *const *d = ops_names(); *d; d++) {
			test_logprobs(*d, doc, DT_F32, 1e-5);
			test_logprobs(*d, doc, DT_BF16, docs[i].bf16);
		}
		json_decref(doc);
	}
	return tap_done();
}
