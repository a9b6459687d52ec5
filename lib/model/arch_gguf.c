/* SPDX-License-Identifier: Apache-2.0 */
/* What a model is, from the metadata and tensor names of a GGUF file. */
#include "model/arch.h"

#include <stdio.h>
#include <string.h>

/* An integer of the metadata; fallback -1: it must be there. */
static int meta(const struct gguf *g, const char *arch, const char *key, int fallback, int *out,
		const char *name, struct err *err)
{
	char full[128];
	int64_t v;

	snprintf(full, sizeof(full), "%s.%s", arch, key);
	if (!gguf_get_int(g, full, &v)) {
		if (fallback < 0)
			return err_set(err, "%s: the metadata lacks '%s'", name, full);
		v = fallback;
	}
	if (v < 1 || v > 1 << 28)
		return err_set(err, "%s: '%s' is %lld; 1 to %d is possible", name, full,
			       (long long)v, 1 << 28);
	*out = (int)v;
	return 0;
}

static double meta_num(const struct gguf *g, const char *arch, const char *key, double fallback)
{
	char full[128];
	double v;

	snprintf(full, sizeof(full), "%s.%s", arch, key);
	return gguf_get_num(g, full, &v) ? v : fallback;
}

/* Plain files keep their type; quantised ones are expanded to BF16. */
static enum dtype gguf_dtype(const struct gguf *g)
{
	const struct tensor *t = tensors_find(&g->t, "blk.0.attn_q.weight");

	return t && (t->type == DT_F32 || t->type == DT_F16) ? t->type : DT_BF16;
}

static int64_t gguf_token(const struct gguf *g, const char *key)
{
	int64_t v;

	return gguf_get_int(g, key, &v) ? v : -1;
}

static int family(struct arch *a, const struct gguf *g, const char *name, struct err *err)
{
	static const char *const known[] = { "llama", "qwen2", "qwen3" };
	const char *s;
	size_t n;

	if (!gguf_get_str(g, "general.architecture", &s, &n))
		return err_set(err, "%s: the metadata lacks 'general.architecture'", name);
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (n != strlen(known[i]) || memcmp(s, known[i], n))
			continue;
		snprintf(a->model_type, sizeof(a->model_type), "%s", known[i]);
		return 0;
	}
	return err_set(err,
		       "%s: architecture '%.*s' is not known; there are llama (which Mistral and "
		       "SmolLM2 are too), qwen2 and qwen3",
		       name, (int)(n < 40 ? n : 40), s);
}

static int dimensions(struct arch *a, const struct gguf *g, const char *name, struct err *err)
{
	const char *type = a->model_type;
	const struct tensor *embed = tensors_find(&g->t, "token_embd.weight");

	if (meta(g, type, "embedding_length", -1, &a->hidden, name, err) < 0 ||
	    meta(g, type, "feed_forward_length", -1, &a->ffn, name, err) < 0 ||
	    meta(g, type, "block_count", -1, &a->n_layers, name, err) < 0 ||
	    meta(g, type, "attention.head_count", -1, &a->n_heads, name, err) < 0 ||
	    meta(g, type, "attention.head_count_kv", a->n_heads, &a->n_kv_heads, name, err) < 0 ||
	    meta(g, type, "context_length", 2048, &a->max_positions, name, err) < 0 ||
	    meta(g, type, "attention.key_length", a->hidden / a->n_heads, &a->head_size, name,
		 err) < 0)
		return -1;
	if (embed && embed->dims[0] <= 1 << 28)
		a->vocab = (int)embed->dims[0];
	return arch_check(a, name, err);
}

/* Mistral is a llama with a window, which llama.cpp itself does not apply. */
static int windows(struct arch *a, const struct gguf *g, const char *name, struct err *err)
{
	char key[128];
	int64_t v;

	snprintf(key, sizeof(key), "%s.attention.sliding_window", a->model_type);
	if (!gguf_get_int(g, key, &v) || v == 0)
		return 0;
	if (v < 0 || v > 1 << 28)
		return err_set(err, "%s: '%s' is %lld", name, key, (long long)v);
	a->window = (int)v;
	memset(a->windowed, 0xff, sizeof(a->windowed));
	if (!strcmp(a->model_type, "llama"))
		snprintf(a->model_type, sizeof(a->model_type), "mistral");
	return 0;
}

int arch_from_gguf(struct arch *a, const struct gguf *g, const char *name, struct err *err)
{
	memset(a, 0, sizeof(*a));
	if (family(a, g, name, err) < 0)
		return -1;
	a->rms_eps = (float)meta_num(g, a->model_type, "attention.layer_norm_rms_epsilon", 1e-6);
	if (dimensions(a, g, name, err) < 0 ||
	    rope_from_gguf(&a->rope, g, a->model_type, a->head_size, name, err) < 0 ||
	    windows(a, g, name, err) < 0)
		return -1;
	a->tied = tensors_find(&g->t, "output.weight") == NULL;
	a->qkv_bias = tensors_find(&g->t, "blk.0.attn_q.bias") != NULL;
	a->o_bias = tensors_find(&g->t, "blk.0.attn_output.bias") != NULL;
	a->mlp_bias = tensors_find(&g->t, "blk.0.ffn_gate.bias") != NULL;
	a->qk_norm = tensors_find(&g->t, "blk.0.attn_q_norm.weight") != NULL;
	a->dtype = gguf_dtype(g);
	a->bos = gguf_token(g, "tokenizer.ggml.bos_token_id");
	a->eos = gguf_token(g, "tokenizer.ggml.eos_token_id");
	a->pad = gguf_token(g, "tokenizer.ggml.padding_token_id");
	return 0;
}
