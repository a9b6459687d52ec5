/* SPDX-License-Identifier: Apache-2.0 */
/* What a model is, from and to config.json. */
#include "model/arch.h"

#include "base/jsonw.h"

#include <jansson.h>
#include <string.h>

/* The families, and what transformers takes for keys that config.json leaves out. */
static const struct family {
	const char *type, *class;
	int kv_heads; /* 0: as many as heads, which null means in every family */
	int max_positions;
	int head_size; /* 0: hidden / heads */
	int window; /* Mistral's; the others' stands only beside use_sliding_window */
	bool qkv_bias, attention_bias, mlp_bias; /* always there; a switch of the config */
	bool qk_norm;
} families[] = {
	{ "llama", "LlamaForCausalLM", 0, 2048, 0, 0, false, true, true, false },
	{ "mistral", "MistralForCausalLM", 8, 131072, 0, 4096, false, false, false, false },
	{ "qwen2", "Qwen2ForCausalLM", 32, 32768, 0, 0, true, false, false, false },
	{ "qwen3", "Qwen3ForCausalLM", 32, 32768, 128, 0, false, true, false, true },
};

#define N_FAMILIES (sizeof(families) / sizeof(*families))

/* One integer of config.json; fallback -1: it must be there. null is as good as absent. */
static int integer(const json_t *root, const char *key, int fallback, int *out, const char *name,
		   struct err *err)
{
	const json_t *v = json_object_get(root, key);

	if (!v || json_is_null(v)) {
		if (fallback < 0)
			return err_set(err, "%s: '%s' is missing", name, key);
		*out = fallback;
		return 0;
	}
	if (!json_is_integer(v))
		return err_set(err, "%s: '%s' is not a whole number", name, key);
	if (json_integer_value(v) < 1 || json_integer_value(v) > 1 << 28)
		return err_set(err, "%s: '%s' is %lld; 1 to %d is possible", name, key,
			       (long long)json_integer_value(v), 1 << 28);
	*out = (int)json_integer_value(v);
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

static enum dtype checkpoint_type(const json_t *root)
{
	const json_t *v = json_object_get(root, "torch_dtype");
	const char *s;

	if (!json_is_string(v))
		v = json_object_get(root, "dtype");
	s = json_is_string(v) ? json_string_value(v) : "";
	return !strcmp(s, "float32") ? DT_F32 : !strcmp(s, "float16") ? DT_F16 : DT_BF16;
}

static const struct family *find_family(const json_t *root, const char *name, struct err *err)
{
	const json_t *type = json_object_get(root, "model_type");
	const json_t *act = json_object_get(root, "hidden_act");
	const char *s = json_is_string(type) ? json_string_value(type) : "";
	size_t i;

	for (i = 0; i < N_FAMILIES && strcmp(families[i].type, s); i++)
		;
	if (i == N_FAMILIES) {
		err_set(err,
			"%s: model_type '%s' is not known; there are llama, mistral, qwen2 and "
			"qwen3",
			name, s);
		return NULL;
	}
	if (json_is_string(act) && strcmp(json_string_value(act), "silu")) {
		err_set(err, "%s: hidden_act '%s' is not known; there is silu", name,
			json_string_value(act));
		return NULL;
	}
	if (flag(root, "rope_interleaved", false)) {
		err_set(err, "%s: rope_interleaved is not known", name);
		return NULL;
	}
	return &families[i];
}

static int dimensions(struct arch *a, const struct family *f, const json_t *root, const char *name,
		      struct err *err)
{
	const json_t *kv = json_object_get(root, "num_key_value_heads");

	if (integer(root, "hidden_size", -1, &a->hidden, name, err) < 0 ||
	    integer(root, "intermediate_size", -1, &a->ffn, name, err) < 0 ||
	    integer(root, "num_hidden_layers", -1, &a->n_layers, name, err) < 0 ||
	    integer(root, "num_attention_heads", -1, &a->n_heads, name, err) < 0 ||
	    integer(root, "num_key_value_heads",
		    f->kv_heads && !json_is_null(kv) ? f->kv_heads : a->n_heads, &a->n_kv_heads,
		    name, err) < 0 ||
	    integer(root, "vocab_size", -1, &a->vocab, name, err) < 0 ||
	    integer(root, "max_position_embeddings", f->max_positions, &a->max_positions, name,
		    err) < 0 ||
	    integer(root, "head_dim", f->head_size ? f->head_size : a->hidden / a->n_heads,
		    &a->head_size, name, err) < 0)
		return -1;
	return arch_check(a, name, err);
}

/* Which layers have a window: layer_types says it, or else they all do (Mistral), or those from
 * max_window_layers on (Qwen). */
static int windows(struct arch *a, const struct family *f, const json_t *root, const char *name,
		   struct err *err)
{
	const json_t *window = json_object_get(root, "sliding_window");
	const json_t *types = json_object_get(root, "layer_types");
	int first = 0;

	if (f->window ? window && json_is_null(window) : !flag(root, "use_sliding_window", false))
		return 0;
	if (!strcmp(f->type, "llama")) /* has no such switch */
		return 0;
	if (integer(root, "sliding_window", 4096, &a->window, name, err) < 0)
		return -1;
	if (!f->window && json_is_integer(json_object_get(root, "max_window_layers")))
		first = (int)json_integer_value(json_object_get(root, "max_window_layers"));
	else if (!f->window)
		first = 28;
	if (json_is_array(types) && json_array_size(types) != (size_t)a->n_layers)
		return err_set(err, "%s: layer_types has %zu entries for %d layers", name,
			       json_array_size(types), a->n_layers);
	for (int l = 0; l < a->n_layers; l++) {
		const char *s = json_string_value(json_array_get(types, (size_t)l));
		bool has = l >= first;

		if (s) {
			has = !strcmp(s, "sliding_attention");
			if (!has && strcmp(s, "full_attention"))
				return err_set(err, "%s: layer_types has '%s', which is not known",
					       name, s);
		}
		if (has)
			a->windowed[l / 64] |= (uint64_t)1 << l % 64;
	}
	return 0;
}

static int from_object(struct arch *a, const json_t *root, const char *name, struct err *err)
{
	const struct family *f = find_family(root, name, err);
	bool bias;

	if (!f)
		return -1;
	bias = f->attention_bias && flag(root, "attention_bias", false);
	snprintf(a->model_type, sizeof(a->model_type), "%s", f->type);
	a->rms_eps = (float)number(root, "rms_norm_eps", 1e-6);
	a->qkv_bias = f->qkv_bias || bias;
	a->o_bias = bias;
	a->mlp_bias = f->mlp_bias && flag(root, "mlp_bias", false);
	a->qk_norm = f->qk_norm;
	a->tied = flag(root, "tie_word_embeddings", false);
	a->dtype = checkpoint_type(root);
	a->bos = token(root, "bos_token_id");
	a->eos = token(root, "eos_token_id");
	a->pad = token(root, "pad_token_id");
	if (dimensions(a, f, root, name, err) < 0 || windows(a, f, root, name, err) < 0)
		return -1;
	return rope_from_json(&a->rope, root, a->head_size, name, err);
}

int arch_from_json(struct arch *a, const char *text, size_t n, const char *name, struct err *err)
{
	json_error_t je;
	json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &je);
	int rc;

	memset(a, 0, sizeof(*a));
	if (!root)
		rc = err_set(err, "%s:%d:%d: %s", name, je.line, je.column, je.text);
	else if (!json_is_object(root))
		rc = err_set(err, "%s:1:1: an object is needed", name);
	else
		rc = from_object(a, root, name, err);
	json_decref(root);
	return rc;
}

static void token_key(struct jsonw *w, const char *key, int64_t id)
{
	jsonw_key(w, key);
	if (id < 0)
		jsonw_null(w);
	else
		jsonw_int(w, id);
}

/* A Qwen2 without biases, as GGUF can have it, is for transformers a llama. */
static const struct family *written_family(const struct arch *a)
{
	size_t i;

	for (i = 0; i + 1 < N_FAMILIES && strcmp(families[i].type, a->model_type); i++)
		;
	return families[i].qkv_bias && !a->qkv_bias ? &families[0] : &families[i];
}

static void write_windows(const struct arch *a, const struct family *f, struct jsonw *w)
{
	int first = 0;
	bool any, all = true;

	if (!strcmp(f->type, "llama"))
		return;
	for (int l = 0; l < a->n_layers; l++)
		all = all && arch_window(a, l);
	while (first < a->n_layers && !arch_window(a, first))
		first++;
	any = first < a->n_layers;
	jsonw_key(w, "sliding_window");
	if (any)
		jsonw_int(w, a->window);
	else
		jsonw_null(w);
	if (!f->window) {
		jsonw_kint(w, "max_window_layers", first);
		jsonw_kbool(w, "use_sliding_window", any);
	}
	/* A Mistral with layer_types is for transformers a Ministral: only where it has to be. */
	if (!any || (f->window && all))
		return;
	jsonw_key(w, "layer_types");
	jsonw_open(w, '[');
	for (int l = 0; l < a->n_layers; l++) {
		const char *s = arch_window(a, l) ? "sliding_attention" : "full_attention";

		jsonw_str(w, s, strlen(s));
	}
	jsonw_close(w, ']');
}

void arch_write_json(const struct arch *a, enum dtype dtype, struct buf *out)
{
	struct jsonw w = { .out = out, .indent = 2 };
	const struct family *f = written_family(a);

	jsonw_open(&w, '{');
	jsonw_key(&w, "architectures");
	jsonw_open(&w, '[');
	jsonw_str(&w, f->class, strlen(f->class));
	jsonw_close(&w, ']');
	if (f->attention_bias)
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
	if (f->mlp_bias)
		jsonw_kbool(&w, "mlp_bias", a->mlp_bias);
	jsonw_kstr(&w, "model_type", f->type);
	jsonw_kint(&w, "num_attention_heads", a->n_heads);
	jsonw_kint(&w, "num_hidden_layers", a->n_layers);
	jsonw_kint(&w, "num_key_value_heads", a->n_kv_heads);
	token_key(&w, "pad_token_id", a->pad);
	jsonw_key(&w, "rms_norm_eps");
	jsonw_float(&w, a->rms_eps);
	rope_write_json(&a->rope, a->head_size, &w);
	write_windows(a, f, &w);
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
