/* SPDX-License-Identifier: Apache-2.0 */
/* config.json of a model: what is accepted has possible sizes and frequencies, and the config.json that
 * we write of it is accepted too and says the same. */
#include "tests/fuzz/fuzz.h"

#include "model/arch.h"

static void use(const struct arch *a)
{
	static float freq[ROPE_MAX_HEAD / 2], divisors[ROPE_MAX_HEAD / 2];
	struct gguf_meta m = { 0 };
	struct buf json = { 0 };
	struct arch again;
	struct err err = { 0 };
	int n = rope_context(&a->rope, a->max_positions);

	fuzz_must(n >= 1 && a->head_size <= ROPE_MAX_HEAD && a->n_heads % a->n_kv_heads == 0,
		  "dimensions are possible");
	rope_frequencies(&a->rope, a->head_size, a->max_positions, n, freq);
	rope_divisors(&a->rope, a->head_size, divisors);
	if (arch_write_gguf(a, &m, &err) < 0)
		fuzz_failed(&err);
	gguf_meta_free(&m);
	arch_write_json(a, a->dtype, &json);
	fuzz_must(arch_from_json(&again, json.p, json.n, "again", &err) == 0,
		  "the config.json that we write is accepted");
	fuzz_must(again.hidden == a->hidden && again.n_layers == a->n_layers &&
			  again.head_size == a->head_size && again.vocab == a->vocab &&
			  again.rope.type == a->rope.type &&
			  arch_window(&again, 0) == arch_window(a, 0),
		  "and says the same");
	buf_free(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arch a;
	struct err err = { 0 };

	if (arch_from_json(&a, (const char *)data, size, "config.json", &err) < 0)
		fuzz_failed(&err);
	else
		use(&a);
	return 0;
}
