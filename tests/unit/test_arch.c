/* SPDX-License-Identifier: Apache-2.0 */
/* config.json and GGUF metadata to dimensions, switches and rotary frequencies, and back. */
#include "tests/tap.h"

#include "base/mem.h"
#include "model/arch.h"

#include <jansson.h>

static struct err err;

static int parse(struct arch *a, const char *text)
{
	return arch_from_json(a, text, strlen(text), "config.json", &err);
}

/* A config of these keys beside the dimensions. */
static int parse_with(struct arch *a, const char *family, const char *more)
{
	char *text =
		mem_printf("{\"model_type\": \"%s\", \"hidden_size\": 64, \"intermediate_size\": "
			   "128, \"num_hidden_layers\": 4, \"num_attention_heads\": 4, "
			   "\"num_key_value_heads\": 2, \"vocab_size\": 100%s}",
			   family, more);
	int rc = parse(a, text);

	mem_free(text);
	return rc;
}

static double worst_frequency(const struct arch *a, const json_t *want, int n, float *factor)
{
	float freq[ROPE_MAX_HEAD / 2];
	double worst = json_array_size(want) == (size_t)a->head_size / 2 ? 0 : INFINITY;

	*factor = rope_frequencies(&a->rope, a->head_size, a->max_positions, n, freq);
	for (int j = 0; j < a->head_size / 2; j++) {
		double w = json_number_value(json_array_get(want, (size_t)j));

		worst = fmax(worst, fabs((double)freq[j] - w) / w);
	}
	return worst;
}

/* What transformers computes, from both spellings, and again from what we write. */
static void test_rope(void)
{
	json_error_t je;
	json_t *cases = json_load_file(golden("rope.json"), 0, &je), *c;
	size_t i;

	check(json_array_size(cases) == 26, "26 cases of rope.json");
	json_array_foreach(cases, i, c)
	{
		char *text = json_dumps(json_object_get(c, "config"), 0);
		const char *name = json_string_value(json_object_get(c, "name"));
		int n = (int)json_integer_value(json_object_get(c, "n_positions"));
		double want = json_number_value(json_object_get(c, "factor")), worst, again;
		struct arch a, b;
		struct buf out = { 0 };
		float factor;

		if (parse(&a, text) < 0) {
			check(false, "%s: %s", name, err.msg);
			continue;
		}
		worst = worst_frequency(&a, json_object_get(c, "freq"), n, &factor);
		check(worst < 1e-6 && fabs((double)factor - want) < 1e-6 * want, "rope: %s", name);
		note("largest relative difference %.2g", worst);
		arch_write_json(&a, DT_BF16, &out);
		again = arch_from_json(&b, out.p, out.n, "written", &err) < 0
				? (double)INFINITY
				: worst_frequency(&b, json_object_get(c, "freq"), n, &factor);
		check(again == worst && fabs((double)factor - want) < 1e-6 * want,
		      "rope: %s, written and read", name);
		buf_free(&out);
		free(text);
	}
	json_decref(cases);
}

static void test_families(void)
{
	struct arch a;

	parse_with(&a, "llama", ", \"attention_bias\": true, \"mlp_bias\": true");
	check(a.qkv_bias && a.o_bias && a.mlp_bias && !a.qk_norm && a.max_positions == 2048,
	      "llama has its biases by switches");
	parse_with(&a, "qwen2", "");
	check(a.qkv_bias && !a.o_bias && a.max_positions == 32768,
	      "qwen2 has q, k, v biases always");
	parse_with(&a, "qwen3", ", \"attention_bias\": true");
	check(a.qkv_bias && a.o_bias && a.qk_norm && a.head_size == 128,
	      "qwen3 has norms, biases by a switch, and heads of 128");
	parse_with(&a, "mistral", ", \"attention_bias\": true, \"head_dim\": null");
	check(!a.qkv_bias && a.head_size == 16 && arch_window(&a, 0) == 4096 &&
		      arch_window(&a, 3) == 4096,
	      "mistral has no biases, and a window where the key is absent");
	parse_with(&a, "mistral",
		   ", \"layer_types\": [\"full_attention\", \"full_attention\", "
		   "\"sliding_attention\", \"full_attention\"]");
	check(!arch_window(&a, 0) && arch_window(&a, 2) == 4096 && !arch_window(&a, 3),
	      "mistral's window in the layers that layer_types names");
	parse_with(&a, "mistral", ", \"sliding_window\": null");
	check(!arch_window(&a, 0), "mistral without a window");
	parse_with(&a, "qwen2", ", \"sliding_window\": 8, \"max_window_layers\": 1");
	check(!arch_window(&a, 3), "qwen2's window waits for use_sliding_window");
	parse_with(
		&a, "qwen2",
		", \"use_sliding_window\": true, \"sliding_window\": 8, \"max_window_layers\": 1");
	check(!arch_window(&a, 0) && arch_window(&a, 1) == 8 && arch_window(&a, 3) == 8,
	      "qwen2's window from max_window_layers on");
	parse_with(&a, "qwen3",
		   ", \"use_sliding_window\": true, \"sliding_window\": 8, \"layer_types\": "
		   "[\"sliding_attention\", \"full_attention\", \"full_attention\", "
		   "\"sliding_attention\"]");
	check(arch_window(&a, 0) == 8 && !arch_window(&a, 1) && arch_window(&a, 3) == 8,
	      "layer_types say it layer by layer");
	parse_with(&a, "llama", ", \"dtype\": \"float16\", \"tie_word_embeddings\": true");
	check(a.dtype == DT_F16 && a.tied, "dtype, as transformers 5 spells it");
	check(parse(&a,
		    "{\"model_type\": \"qwen3\", \"hidden_size\": 64, \"intermediate_size\": 128, "
		    "\"num_hidden_layers\": 1, \"num_attention_heads\": 4, "
		    "\"num_key_value_heads\": null, \"vocab_size\": 100}") == 0 &&
		      a.n_kv_heads == 4,
	      "num_key_value_heads null: as many as heads, in every family");
	parse_with(&a, "llama", ", \"eos_token_id\": [7, 8]");
	check(a.eos == 7 && a.bos == -1, "the first of several eos ids");
}

/* What is written is read as the same model. */
static void test_again(void)
{
	static const char *const configs[][2] = {
		{ "llama", ", \"attention_bias\": true" },
		{ "mistral", "" },
		{ "mistral", ", \"sliding_window\": null" },
		{ "mistral", ", \"layer_types\": [\"full_attention\", \"sliding_attention\", "
			     "\"full_attention\", \"sliding_attention\"]" },
		{ "qwen2", "" },
		{ "qwen3", ", \"head_dim\": 32, \"tie_word_embeddings\": true" },
		{ "qwen3", ", \"use_sliding_window\": true, \"max_window_layers\": 2" },
	};

	for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
		struct buf out = { 0 };
		struct arch a, b;

		parse_with(&a, configs[i][0], configs[i][1]);
		arch_write_json(&a, DT_BF16, &out);
		a.dtype = DT_BF16;
		if (!a.windowed[0])
			a.window = 0;
		check(arch_from_json(&b, out.p, out.n, "written", &err) == 0 &&
			      !memcmp(&a, &b, sizeof(a)),
		      "%s%s, written and read", configs[i][0], configs[i][1]);
		buf_free(&out);
	}
}

static void test_refused(void)
{
	static const char *const bad[][3] = {
		{ "gpt_neox", "",
		  "config.json: model_type 'gpt_neox' is not known; there are llama, "
		  "mistral, qwen2 and qwen3" },
		{ "llama", ", \"hidden_act\": \"gelu\"",
		  "config.json: hidden_act 'gelu' is not known; there is silu" },
		{ "llama", ", \"head_dim\": 15", "config.json: head_dim 15 is odd" },
		{ "llama", ", \"head_dim\": 4096",
		  "config.json: head_dim is 4096; 1 to 1024 is possible" },
		{ "llama", ", \"max_position_embeddings\": 99999999999",
		  "config.json: 'max_position_embeddings' is 99999999999; 1 to 268435456 is "
		  "possible" },
		{ "llama", ", \"rope_scaling\": {\"factor\": 2}",
		  "config.json: the rope scaling names no rope_type" },
		{ "llama", ", \"rope_scaling\": {\"rope_type\": \"su\"}",
		  "config.json: rope scaling 'su' is not known; there are default, linear, "
		  "dynamic, "
		  "llama3, yarn and longrope" },
		{ "llama", ", \"rope_scaling\": {\"rope_type\": \"linear\"}",
		  "config.json: the rope scaling lacks 'factor'" },
		{ "llama", ", \"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 0}",
		  "config.json: the rope scaling's 'factor' is not a number from 1 to 1e+06" },
		{ "llama",
		  ", \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, "
		  "\"low_freq_factor\": "
		  "4, \"high_freq_factor\": 4, \"original_max_position_embeddings\": 8192}",
		  "config.json: high_freq_factor 4 is not above low_freq_factor 4" },
		{ "llama", ", \"rope_theta\": -1", "config.json: rope_theta -1 is out of range" },
		{ "llama", ", \"partial_rotary_factor\": 0.5",
		  "config.json: a partial_rotary_factor of 0.5 is not known" },
		{ "qwen2", ", \"use_sliding_window\": true, \"layer_types\": [\"full_attention\"]",
		  "config.json: layer_types has 1 entries for 4 layers" },
		{ "qwen2", ", \"use_sliding_window\": true, \"sliding_window\": 0",
		  "config.json: 'sliding_window' is 0; 1 to 268435456 is possible" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct arch a;

		err = (struct err){ 0 };
		check(parse_with(&a, bad[i][0], bad[i][1]) < 0, "refused: %s%s", bad[i][0],
		      bad[i][1]);
		check_str(err.msg, bad[i][2], "and says why");
	}
}

int main(void)
{
	test_rope();
	test_families();
	test_again();
	test_refused();
	return tap_done();
}
