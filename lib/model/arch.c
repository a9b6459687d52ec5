/* SPDX-License-Identifier: Apache-2.0 */
#include "model/arch.h"

#include "base/jsonw.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

/* Bounds that keep products of two dimensions and a layer count far from overflow. */
static int check(const struct arch *a, const char *name, struct err *err)
{
	struct {
		const char *what;
		int64_t v, max;
	} dims[] = {
		{ "hidden_size", a->hidden, 1 << 17 },
		{ "intermediate_size", a->ffn, 1 << 20 },
		{ "num_hidden_layers", a->n_layers, 1 << 12 },
		{ "num_attention_heads", a->n_heads, 1 << 12 },
		{ "num_key_value_heads", a->n_kv_heads, 1 << 12 },
		{ "head_dim", a->head_size, 1 << 12 },
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
	if (!(a->rms_eps > 0 && a->rms_eps < 1) || !(a->rope_theta > 0 && a->rope_theta < 1e12))
		return err_set(err, "%s: rms_norm_eps or rope_theta is out of range", name);
	return 0;
}

/* One integer of config.json; fallback -1: it must be there. Oversized values become 0 and are
 * refused by check(). */
static int integer(const json_t *root, const char *key, int fallback, int *out, const char *name,
		   struct err *err)
{
	const json_t *v = json_object_get(root, key);
	json_int_t x;

	if (!v || json_is_null(v)) {
		if (fallback < 0)
			return err_set(err, "%s: '%s' is missing", name, key);
		*out = fallback;
		return 0;
	}
	if (!json_is_integer(v))
		return err_set(err, "%s: '%s' is not a whole number", name, key);
	x = json_integer_value(v);
	*out = x < 0 || x > 1 << 28 ? 0 : (int)x;
	return 0;
}

static double number(const json_t *root, const char *key, double fallback)
{
	const json_t *v = json_object_get(root, key);

	return json_is_number(v) ? json_number_value(v) : fallback;
}

static int64_t token(const json_t *root, const char *key)
{
	const json_t *v = json_object_get(root, key);

	if (json_is_array(v))
		v = json_array_get(v, 0);
	return json_is_integer(v) ? json_integer_value(v) : -1;
}

static bool flag(const json_t *root, const char *key, bool fallback)
{
	const json_t *v = json_object_get(root, key);

	return json_is_boolean(v) ? json_is_true(v) : fallback;
}

/* Rotary settings stand in rope_theta + rope_scaling (v4) or in rope_parameters (v5). */
static int rope(struct arch *a, const json_t *root, const char *name, struct err *err)
{
	const json_t *p = json_object_get(root, "rope_parameters");
	const json_t *type;

	a->rope_theta = number(root, "rope_theta", number(p, "rope_theta", 10000));
	if (!json_is_object(p))
		p = json_object_get(root, "rope_scaling");
	if (!json_is_object(p))
		return 0;
	type = json_object_get(p, "rope_type");
	if (!type)
		type = json_object_get(p, "type");
	if (!json_is_string(type))
		return err_set(err, "%s: the rope scaling names no rope_type", name);
	if (strcmp(json_string_value(type), "default"))
		return err_set(err,
			       "%s: rope scaling '%s' is not implemented yet; remove it to stay "
			       "within the "
			       "original context",
			       name, json_string_value(type));
	return 0;
}

static enum dtype checkpoint_type(const json_t *root)
{
	const json_t *v = json_object_get(root, "torch_dtype");
	const char *s;

	if (!json_is_string(v))
		v = json_object_get(root, "dtype");
	s = json_is_string(v) ? json_string_value(v) : "";
	return !strcmp(s, "float32") ? DT_F32 : !strcmp(s, "float16") ? DT_F16 : DT_BF16;
}

static int family(struct arch *a, const json_t *root, const char *name, struct err *err)
{
	const json_t *type = json_object_get(root, "model_type");
	const json_t *act = json_object_get(root, "hidden_act");
	const char *s = json_is_string(type) ? json_string_value(type) : "";

	if (strcmp(s, "llama") && strcmp(s, "qwen2"))
		return err_set(err,
			       "%s: model_type '%s' is not implemented; there are llama and qwen2",
			       name, s);
	snprintf(a->model_type, sizeof(a->model_type), "%s", s);
	if (json_is_string(act) && strcmp(json_string_value(act), "silu"))
		return err_set(err, "%s: hidden_act '%s' is not implemented; there is silu", name,
			       json_string_value(act));
	if (flag(root, "use_sliding_window", false))
		return err_set(err, "%s: use_sliding_window is not implemented", name);
	if (flag(root, "rope_interleaved", false))
		return err_set(err, "%s: rope_interleaved is not implemented", name);
	a->qkv_bias = !strcmp(s, "qwen2") || flag(root, "attention_bias", false);
	a->o_bias = strcmp(s, "qwen2") && flag(root, "attention_bias", false);
	a->mlp_bias = flag(root, "mlp_bias", false);
	return 0;
}

int arch_from_json(struct arch *a, const char *text, size_t n, const char *name, struct err *err)
{
	json_error_t je;
	json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &je);
	int rc = -1, heads;

	memset(a, 0, sizeof(*a));
	if (!json_is_object(root)) {
		err_set(err, "%s:%d:%d: %s", name, root ? 1 : je.line, root ? 1 : je.column,
			root ? "an object is needed" : je.text);
		goto out;
	}
	if (family(a, root, name, err) < 0 || rope(a, root, name, err) < 0 ||
	    integer(root, "hidden_size", -1, &a->hidden, name, err) < 0 ||
	    integer(root, "intermediate_size", -1, &a->ffn, name, err) < 0 ||
	    integer(root, "num_hidden_layers", -1, &a->n_layers, name, err) < 0 ||
	    integer(root, "num_attention_heads", -1, &a->n_heads, name, err) < 0 ||
	    integer(root, "num_key_value_heads", a->n_heads, &a->n_kv_heads, name, err) < 0 ||
	    integer(root, "vocab_size", -1, &a->vocab, name, err) < 0 ||
	    integer(root, "max_position_embeddings", 2048, &a->max_positions, name, err) < 0)
		goto out;
	heads = a->n_heads > 0 ? a->n_heads : 1;
	if (integer(root, "head_dim", a->hidden / heads, &a->head_size, name, err) < 0)
		goto out;
	a->rms_eps = (float)number(root, "rms_norm_eps", 1e-6);
	a->tied = flag(root, "tie_word_embeddings", false);
	a->dtype = checkpoint_type(root);
	a->bos = token(root, "bos_token_id");
	a->eos = token(root, "eos_token_id");
	a->pad = token(root, "pad_token_id");
	rc = a->n_kv_heads ? check(a, name, err)
			   : err_set(err, "%s: num_key_value_heads is 0", name);
out:
	json_decref(root);
	return rc;
}

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
	*out = v < 0 || v > 1 << 28 ? 0 : (int)v;
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

int arch_from_gguf(struct arch *a, const struct gguf *g, const char *name, struct err *err)
{
	const char *s, *type;
	size_t n;
	int heads;

	memset(a, 0, sizeof(*a));
	if (!gguf_get_str(g, "general.architecture", &s, &n))
		return err_set(err, "%s: the metadata lacks 'general.architecture'", name);
	if (!(n == 5 && (!memcmp(s, "llama", 5) || !memcmp(s, "qwen2", 5))))
		return err_set(
			err,
			"%s: architecture '%.*s' is not implemented; there are llama and qwen2",
			name, (int)(n < 40 ? n : 40), s);
	snprintf(a->model_type, sizeof(a->model_type), "%.*s", (int)n, s);
	type = a->model_type;
	if (meta(g, type, "embedding_length", -1, &a->hidden, name, err) < 0 ||
	    meta(g, type, "feed_forward_length", -1, &a->ffn, name, err) < 0 ||
	    meta(g, type, "block_count", -1, &a->n_layers, name, err) < 0 ||
	    meta(g, type, "attention.head_count", -1, &a->n_heads, name, err) < 0 ||
	    meta(g, type, "attention.head_count_kv", a->n_heads, &a->n_kv_heads, name, err) < 0 ||
	    meta(g, type, "context_length", 2048, &a->max_positions, name, err) < 0)
		return -1;
	heads = a->n_heads > 0 ? a->n_heads : 1;
	if (meta(g, type, "attention.key_length", a->hidden / heads, &a->head_size, name, err) < 0)
		return -1;
	if (tensors_find(&g->t, "rope_freqs.weight"))
		return err_set(err, "%s: rope scaling (rope_freqs) is not implemented yet", name);
	a->rms_eps = (float)meta_num(g, type, "attention.layer_norm_rms_epsilon", 1e-6);
	a->rope_theta = meta_num(g, type, "rope.freq_base", 10000);
	a->tied = tensors_find(&g->t, "output.weight") == NULL;
	a->qkv_bias = tensors_find(&g->t, "blk.0.attn_q.bias") != NULL;
	a->o_bias = tensors_find(&g->t, "blk.0.attn_output.bias") != NULL;
	a->mlp_bias = tensors_find(&g->t, "blk.0.ffn_gate.bias") != NULL;
	a->dtype = gguf_dtype(g);
	a->bos = gguf_token(g, "tokenizer.ggml.bos_token_id");
	a->eos = gguf_token(g, "tokenizer.ggml.eos_token_id");
	a->pad = gguf_token(g, "tokenizer.ggml.padding_token_id");
	if (tensors_find(&g->t, "token_embd.weight"))
		a->vocab = (int)tensors_find(&g->t, "token_embd.weight")->dims[0];
	return a->n_kv_heads ? check(a, name, err)
			     : err_set(err, "%s: attention.head_count_kv is 0", name);
}

static void token_key(struct jsonw *w, const char *key, int64_t id)
{
	jsonw_key(w, key);
	if (id < 0)
		jsonw_null(w);
	else
		jsonw_int(w, id);
}

void arch_write_json(const struct arch *a, enum dtype dtype, struct buf *out)
{
	struct jsonw w = { .out = out, .indent = 2 };
	bool qwen = !strcmp(a->model_type, "qwen2");

	jsonw_open(&w, '{');
	jsonw_key(&w, "architectures");
	jsonw_open(&w, '[');
	jsonw_str(&w, qwen ? "Qwen2ForCausalLM" : "LlamaForCausalLM", 16);
	jsonw_close(&w, ']');
	if (!qwen)
		jsonw_kbool(&w, "attention_bias", a->qkv_bias);
	jsonw_knum(&w, "attention_dropout", 0, 1);
	token_key(&w, "bos_token_id", a->bos);
	token_key(&w, "eos_token_id", a->eos);
	jsonw_kint(&w, "head_dim", a->head_size);
	jsonw_kstr(&w, "hidden_act", "silu");
	jsonw_kint(&w, "hidden_size", a->hidden);
	jsonw_knum(&w, "initializer_range", 0.02, 6);
	jsonw_kint(&w, "intermediate_size", a->ffn);
	jsonw_kint(&w, "max_position_embeddings", a->max_positions);
	if (!qwen)
		jsonw_kbool(&w, "mlp_bias", a->mlp_bias);
	jsonw_kstr(&w, "model_type", a->model_type);
	jsonw_kint(&w, "num_attention_heads", a->n_heads);
	jsonw_kint(&w, "num_hidden_layers", a->n_layers);
	jsonw_kint(&w, "num_key_value_heads", a->n_kv_heads);
	token_key(&w, "pad_token_id", a->pad);
	jsonw_key(&w, "rms_norm_eps");
	jsonw_float(&w, a->rms_eps);
	jsonw_kstr(&w, "rope_scaling", NULL);
	jsonw_knum(&w, "rope_theta", a->rope_theta, 17);
	jsonw_kbool(&w, "tie_word_embeddings", a->tied);
	jsonw_kstr(&w, "torch_dtype",
		   dtype == DT_F32   ? "float32"
		   : dtype == DT_F16 ? "float16"
				     : "bfloat16");
	jsonw_kbool(&w, "use_cache", true);
	jsonw_kint(&w, "vocab_size", a->vocab);
	jsonw_close(&w, '}');
	buf_char(out, '\n');
}
