/* SPDX-License-Identifier: Apache-2.0 */
/* A model small enough to be made once an input: what adapters and checkpoints belong to. */
#ifndef TESTS_FUZZ_TINY_H
#define TESTS_FUZZ_TINY_H

#include "adapter/adapter.h"

#include <string.h>

__attribute__((unused)) static const struct arch *tiny_arch(void)
{
	static const char config[] =
		"{\"model_type\": \"qwen2\", \"hidden_size\": 8, \"intermediate_size\": 16, "
		"\"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"num_key_value_heads\": 1, "
		"\"max_position_embeddings\": 32, \"rms_norm_eps\": 1e-6, \"vocab_size\": 32, "
		"\"rope_theta\": 10000.0, \"tie_word_embeddings\": true}";
	static struct arch a;
	struct err err = { 0 };

	if (!a.hidden)
		fuzz_must(arch_from_json(&a, config, sizeof(config) - 1, "config.json", &err) == 0,
			  err.msg);
	return &a;
}

__attribute__((unused)) static struct dev *tiny_dev(void)
{
	static struct dev *dev;
	struct err err = { 0 };

	if (!dev)
		dev = ops_open("ref", 1, &err);
	return dev;
}

/* An adapter that opens becomes parameters, or says why not. */
__attribute__((unused)) static void tiny_adapter(const char *path)
{
	struct adapter a;
	struct lora l;
	struct err err = { 0 };

	if (adapter_open(&a, path, tiny_arch(), &err) < 0) {
		fuzz_failed(&err);
		return;
	}
	if (adapter_to_lora(&a, &l, tiny_dev(), DT_F32, &err) < 0)
		fuzz_failed(&err);
	else
		lora_close(&l);
	adapter_close(&a);
}

#endif
