/* SPDX-License-Identifier: Apache-2.0 */
#include "model/arch.h"

#include <string.h>

/* Bounds that keep products of two dimensions and a layer count far from overflow. */
int arch_check(const struct arch *a, const char *name, struct err *err)
{
	struct {
		const char *what;
		int64_t v, max;
	} dims[] = {
		{ "hidden_size", a->hidden, 1 << 17 },
		{ "intermediate_size", a->ffn, 1 << 20 },
		{ "num_hidden_layers", a->n_layers, ARCH_MAX_LAYERS },
		{ "num_attention_heads", a->n_heads, 1 << 12 },
		{ "num_key_value_heads", a->n_kv_heads, 1 << 12 },
		{ "head_dim", a->head_size, ROPE_MAX_HEAD },
		{ "vocab_size", a->vocab, 1 << 24 },
		{ "max_position_embeddings", a->max_positions, 1 << 28 },
	};

	for (size_t i = 0; i < sizeof(dims) / sizeof(*dims); i++)
		if (dims[i].v < 1 || dims[i].v > dims[i].max)
			return err_set(err, "%s: %s is %lld; 1 to %lld is possible", name,
				       dims[i].what, (long long)dims[i].v, (long long)dims[i].max);
	if (a->n_heads % a->n_kv_heads)
		return err_set(err, "%s: %d heads cannot share %d key/value heads", name,
			       a->n_heads, a->n_kv_heads);
	if (a->head_size % 2)
		return err_set(err, "%s: head_dim %d is odd", name, a->head_size);
	if (!(a->rms_eps > 0 && a->rms_eps < 1))
		return err_set(err, "%s: rms_norm_eps %g is out of range", name,
			       (double)a->rms_eps);
	return 0;
}

const char *arch_gguf_name(const struct arch *a)
{
	return strcmp(a->model_type, "mistral") ? a->model_type : "llama";
}

bool arch_gguf_permutes(const struct arch *a)
{
	return !strcmp(arch_gguf_name(a), "llama");
}
