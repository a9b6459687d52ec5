/* SPDX-License-Identifier: Apache-2.0 */
/* Logits of the tiny models against float64 values made with PyTorch (tests/golden/README.md). */
#include "tests/tap.h"

#include "base/mem.h"
#include "model/pass.h"

#include <jansson.h>

static struct err err;

/* One sequence through the model: log-probabilities of all but the first id, logits of the last. */
static int run(struct model *m, const uint32_t *ids, int n, float *logp, float *logits)
{
	struct batch_limits limits = { n, 1, 1, n, n, n };
	struct pass_options o = { .limits = limits };
	struct pass p;
	struct batch b;

	if (pass_open(&p, m, &o, &err) < 0)
		return -1;
	batch_open(&b, &limits);
	batch_segment(&b, ids, n, -1);
	for (int i = 0; i + 1 < n; i++)
		batch_row(&b, i, ids[i + 1]);
	pass_forward(&p, &b, NULL, NULL);
	pass_head(&p, &b, logp, false);
	b.n_rows = 0;
	batch_row(&b, n - 1, 0);
	m->dev->ops->upload(m->dev, p.rows, b.rows, sizeof(*p.rows));
	pass_logits(&p, &b, logits);
	batch_close(&b);
	pass_close(&p);
	return 0;
}

static double relative(double got, double want, double scale)
{
	return fabs(got - want) / fmax(fabs(want), scale);
}

/* Largest relative difference over a case of expected.json; logits below `scale` count as scale. */
static double one_case(struct model *m, const json_t *c, double scale)
{
	const json_t *ids_json = json_object_get(c, "ids"),
		     *nll = json_object_get(c, "nll_per_token");
	const json_t *first = json_object_get(c, "last_logits_first16"),
		     *top = json_object_get(c, "last_top5");
	int n = (int)json_array_size(ids_json);
	uint32_t *ids = mem_new((size_t)n, sizeof(*ids));
	float *logp = mem_new((size_t)n, sizeof(*logp));
	float *logits = mem_new((size_t)m->arch.vocab, sizeof(*logits));
	double worst = 0;

	for (int i = 0; i < n; i++)
		ids[i] = (uint32_t)json_integer_value(json_array_get(ids_json, (size_t)i));
	if (run(m, ids, n, logp, logits) < 0)
		return INFINITY;
	for (int i = 0; i < (int)json_array_size(nll); i++)
		worst = fmax(worst, relative(-logp[i],
					     json_number_value(json_array_get(nll, (size_t)i)), 1));
	for (size_t i = 0; i < json_array_size(first); i++)
		worst = fmax(worst, relative(logits[i], json_number_value(json_array_get(first, i)),
					     scale));
	for (size_t i = 0; i < json_array_size(top); i++) {
		const json_t *pair = json_array_get(top, i);
		double want = json_number_value(json_array_get(pair, 1));

		worst = fmax(worst, relative(logits[json_integer_value(json_array_get(pair, 0))],
					     want, 1));
	}
	mem_free(ids);
	mem_free(logp);
	mem_free(logits);
	return worst;
}

static void test_model(const char *device, const char *path, const char *expected, enum dtype act,
		       double bound)
{
	struct model_options o = { .act = act };
	struct dev *dev = ops_open(device, 0, &err);
	struct source src;
	struct model m;
	json_error_t je;
	json_t *doc = json_load_file(golden(expected), 0, &je);
	const json_t *cases = json_is_array(doc) ? doc : json_object_get(doc, "cases");
	double worst = 0;

	o.n_positions = (int)json_integer_value(json_object_get(doc, "context"));
	if (!json_array_size(cases) || !dev || source_open(&src, golden(path), &err) < 0 ||
	    model_open(&m, dev, &src, &o, &err) < 0) {
		check(false, "%s opens", path);
		note("%s", err.msg);
		return;
	}
	source_close(&src);
	for (size_t i = 0; i < json_array_size(cases); i++)
		worst = fmax(worst,
			     one_case(&m, json_array_get(cases, i), act == DT_F32 ? 0.1 : 1));
	check(worst < bound, "%s on %s, %s: logits and losses as PyTorch has them", path, device,
	      act == DT_F32 ? "fp32" : "bf16");
	note("largest relative difference %.2g over %zu texts", worst, json_array_size(cases));
	model_close(&m);
	dev->ops->close(dev);
	json_decref(doc);
}

/* bf16 keeps 8 bits of every factor: about 1 % of a logit's size here. */
static const struct {
	const char *path, *expected;
	enum dtype act;
} tiny[] = {
	{ "hf_tiny/llama", "hf_tiny/llama/expected.json", DT_F32 },
	{ "hf_tiny/qwen2", "hf_tiny/qwen2/expected.json", DT_F32 },
	{ "hf_tiny/qwen3", "hf_tiny/qwen3/expected.json", DT_F32 },
	{ "hf_tiny/qwen3_hd32", "hf_tiny/qwen3_hd32/expected.json", DT_F32 },
	{ "hf_tiny/qwen3_sharded_bf16", "hf_tiny/qwen3_sharded_bf16/expected.json", DT_F32 },
	{ "gguf/llama.gguf", "hf_tiny/llama/expected.json", DT_F32 },
	{ "gguf/qwen2.gguf", "hf_tiny/qwen2/expected.json", DT_F32 },
	{ "gguf/qwen3.gguf", "hf_tiny/qwen3/expected.json", DT_F32 },
	{ "gguf/qwen3_hd32.gguf", "hf_tiny/qwen3_hd32/expected.json", DT_F32 },
	{ "hf_tiny/llama", "hf_tiny/llama/expected.json", DT_BF16 },
	{ "hf_tiny/qwen2", "hf_tiny/qwen2/expected.json", DT_BF16 },
	{ "hf_tiny/qwen3_hd32", "hf_tiny/qwen3_hd32/expected.json", DT_BF16 },
};

/* Every switch, as transformers has it (tests/parity/families_in_transformers.py). */
static const char *const families[] = {
	"llama2",
	"llama3",
	"llama_linear",
	"llama_yarn_betas",
	"llama_dynamic_beyond",
	"llama_biases",
	"smollm2",
	"mistral",
	"mistral_full",
	"qwen2_window",
	"qwen3_biases_yarn",
	"qwen3_layer_types",
};

static void test_family(const char *device, const char *name)
{
	char path[64], expected[96];

	snprintf(path, sizeof(path), "families/%s", name);
	snprintf(expected, sizeof(expected), "families/%s/expected.json", name);
	test_model(device, path, expected, DT_F32, 1e-4);
	test_model(device, path, expected, DT_BF16, 8e-2);
}

int main(void)
{
	const char *const *names = ops_names();

	for (; *names; names++) {
		for (size_t i = 0; i < sizeof(tiny) / sizeof(*tiny); i++)
			test_model(*names, tiny[i].path, tiny[i].expected, tiny[i].act,
				   tiny[i].act == DT_F32 ? 1e-4 : 2e-2);
		for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
			test_family(*names, families[i]);
	}
	return tap_done();
}
