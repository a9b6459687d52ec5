/* SPDX-License-Identifier: Apache-2.0 */
/* Reading PEFT's two files; peft_write.c writes them. */
#include "adapter/adapter.h"
#include "adapter/lora_gguf.h"
#include "adapter/pattern.h"

#include "base/jsonfile.h"
#include "base/mem.h"
#include "model/permute.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static float scale_of(float alpha, int rank, bool rslora)
{
	return rslora ? alpha / sqrtf((float)rank) : alpha / (float)rank;
}

/* "base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight" -> 3, LORA_Q, 'A'. */
static bool parse_name(const char *name, int *layer, enum lora_module *m, char *side)
{
	int used = 0;

	if (sscanf(name, ADAPTER_PREFIX "%d.%n", layer, &used) != 1 || !used || *layer < 0)
		return false;
	name += used;
	for (int i = 0; i < LORA_MODULES; i++) {
		size_t n = strlen(lora_module_path[i]);

		if (strncmp(name, lora_module_path[i], n))
			continue;
		*m = (enum lora_module)i;
		*side = !strcmp(name + n, ".lora_A.weight")   ? 'A'
			: !strcmp(name + n, ".lora_B.weight") ? 'B'
							      : 0;
		return *side != 0;
	}
	return false;
}

/* The modules that a key of alpha_pattern means and no key before it: a regular expression that
 * matches a module's path, or its end from a dot on. */
static int read_alpha(struct adapter *a, const char *key, const json_t *v, struct err *err)
{
	char *text = mem_printf("(.*\\.)?(%s)$", key), path[96];
	struct pattern p;
	int rc = pattern_compile(&p, text, err), matches;

	mem_free(text);
	if (rc == 0 && (!json_is_number(v) || !(fabs(json_number_value(v)) <= 1e6)))
		rc = err_set(err, "the alpha is not a number up to 1e6");
	for (int l = 0; rc == 0 && l < a->arch->n_layers; l++) {
		for (int m = 0; rc == 0 && m < LORA_MODULES; m++) {
			snprintf(path, sizeof(path), "model.layers.%d.%s", l, lora_module_path[m]);
			matches = pattern_matches(&p, path, err);
			if (matches < 0)
				rc = -1;
			else if (matches && isnan(a->scale[l][m]))
				a->scale[l][m] = (float)json_number_value(v);
		}
	}
	pattern_free(&p);
	return rc;
}

/* As PEFT: of several patterns that match, the first of the file counts. */
static int read_alphas(struct adapter *a, const json_t *patterns, const char *name, struct err *err)
{
	const char *key;
	json_t *v;

	for (int l = 0; l < a->arch->n_layers; l++)
		for (int m = 0; m < LORA_MODULES; m++)
			a->scale[l][m] = NAN;
	json_object_foreach((json_t *)patterns, key, v)
	{
		if (read_alpha(a, key, v, err) < 0)
			return err_wrap(err, "%s: alpha_pattern '%.100s'", name, key);
	}
	for (int l = 0; l < a->arch->n_layers; l++)
		for (int m = 0; m < LORA_MODULES; m++)
			if (isnan(a->scale[l][m]))
				a->scale[l][m] = (float)a->alpha;
	return 0;
}

static bool truthy(const json_t *root, const char *key)
{
	const json_t *v = json_object_get(root, key);

	return json_is_true(v) || json_array_size(v) || json_object_size(v) || json_is_string(v);
}

static int read_config(struct adapter *a, const json_t *root, const char *name, struct err *err)
{
	static const char *const refused[] = { "use_dora",
					       "modules_to_save",
					       "fan_in_fan_out",
					       "layer_replication",
					       "lora_bias",
					       "use_qalora",
					       "use_bdlora",
					       "trainable_token_indices",
					       "alora_invocation_tokens" };
	const json_t *type = json_object_get(root, "peft_type"), *v;

	if (!json_is_string(type) || strcmp(json_string_value(type), "LORA"))
		return err_set(err, "%s: peft_type is not LORA", name);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (truthy(root, refused[i]))
			return err_set(err, "%s: '%s' is not implemented", name, refused[i]);
	v = json_object_get(root, "init_lora_weights");
	if (json_is_string(v) && strcmp(json_string_value(v), "gaussian") &&
	    strcmp(json_string_value(v), "orthogonal") && strcmp(json_string_value(v), "eva"))
		return err_set(err,
			       "%s: init_lora_weights '%s' may need a changed base, which is not "
			       "implemented",
			       name, json_string_value(v));
	v = json_object_get(root, "bias");
	if (json_is_string(v) && strcmp(json_string_value(v), "none"))
		return err_set(err, "%s: bias '%s' is not implemented", name, json_string_value(v));
	v = json_object_get(root, "r");
	if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > 65536)
		return err_set(err, "%s: 'r' is missing or out of range", name);
	a->r = (int)json_integer_value(v);
	v = json_object_get(root, "lora_alpha");
	if (!json_is_number(v) || fabs(json_number_value(v)) > 1e6)
		return err_set(err, "%s: 'lora_alpha' is missing or out of range", name);
	a->alpha = json_number_value(v);
	a->rslora = json_is_true(json_object_get(root, "use_rslora"));
	a->dropout = (float)json_number_value(json_object_get(root, "lora_dropout"));
	return read_alphas(a, json_object_get(root, "alpha_pattern"), name, err);
}

static const struct tensor *find(const struct adapter *a, int layer, int m, char side)
{
	char name[160];

	snprintf(name, sizeof(name), ADAPTER_PREFIX "%d.%s.lora_%c.weight", layer,
		 lora_module_path[m], side);
	return tensors_find(&a->tensors, name);
}

/* Ranks from the shapes of A; every tensor must be one we use, whole and in pairs. */
static int read_shapes(struct adapter *a, struct err *err)
{
	for (size_t i = 0; i < a->tensors.n; i++) {
		const struct tensor *t = &a->tensors.v[i], *b;
		enum lora_module m;
		int layer;
		char side;
		uint64_t in, out;

		if (!parse_name(t->name, &layer, &m, &side))
			return err_set(err, "%s: tensor '%s' is not LoRA on a linear layer",
				       a->path, t->name);
		if (layer >= a->arch->n_layers)
			return err_set(err, "%s: made for a model with more than %d layers ('%s')",
				       a->path, a->arch->n_layers, t->name);
		in = (uint64_t)lora_in(a->arch, lora_group_of[m]);
		out = (uint64_t)lora_out(a->arch, m);
		if (find(a, layer, m, side) != t) /* "layers.00": would be left out silently */
			return err_set(err, "%s: '%s' is not how this tensor is called", a->path,
				       t->name);
		if (t->type != DT_F32 && t->type != DT_BF16 && t->type != DT_F16)
			return err_set(err, "%s: '%s' is %s; F32, BF16 and F16 are understood",
				       a->path, t->name, dtype_info[t->type].name);
		b = find(a, layer, m, side == 'A' ? 'B' : 'A');
		if (!b)
			return err_set(err, "%s: '%s' has no partner", a->path, t->name);
		if (side == 'B')
			continue;
		if (t->n_dims != 2 || b->n_dims != 2 || t->dims[1] != in || b->dims[0] != out ||
		    t->dims[0] != b->dims[1] || t->dims[0] < 1 || t->dims[0] > 65536)
			return err_set(err,
				       "%s: made for another model: '%s' is %llu x %llu with B "
				       "%llu x %llu, "
				       "this model has inputs of %llu and outputs of %llu",
				       a->path, t->name, (unsigned long long)t->dims[0],
				       (unsigned long long)t->dims[1],
				       (unsigned long long)b->dims[0],
				       (unsigned long long)b->dims[1], (unsigned long long)in,
				       (unsigned long long)out);
		a->rank[layer][m] = (int)t->dims[0];
		a->scale[layer][m] = scale_of(a->scale[layer][m], (int)t->dims[0], a->rslora);
	}
	return a->tensors.n ? 0 : err_set(err, "%s: the adapter is empty", a->path);
}

/* Some programs leave out that the model stood within PEFT's. */
static void with_prefix(const char *name, char *out, size_t n)
{
	snprintf(out, n, "%s%s", strncmp(name, "model.layers.", 13) ? "" : "base_model.model.",
		 name);
}

static int read_folder(struct adapter *a, struct err *err)
{
	char *config = path_join(a->path, "adapter_config.json");
	char *weights = path_join(a->path, "adapter_model.safetensors");
	json_t *root = json_file_object(config, err);
	int rc = root ? read_config(a, root, config, err) : -1;

	if (rc == 0)
		rc = safetensors_open(&a->tensors, weights, err);
	if (rc == 0 && tensors_rename(&a->tensors, with_prefix, err) < 0)
		rc = err_wrap(err, "%s", weights);
	json_decref(root);
	mem_free(config);
	mem_free(weights);
	return rc;
}

int adapter_open(struct adapter *a, const char *path, const struct arch *arch, struct err *err)
{
	bool is_gguf = *path && !file_is_dir(path) && file_exists(path) && gguf_is(path);
	int rc;

	memset(a, 0, sizeof(*a));
	a->path = mem_strdup(path);
	a->arch = arch;
	a->rank = mem_new((size_t)arch->n_layers, sizeof(*a->rank));
	a->scale = mem_new((size_t)arch->n_layers, sizeof(*a->scale));
	if (!*path) /* not the folder that we happen to be in */
		rc = err_set(err, "the name of an adapter is empty");
	else
		rc = is_gguf ? lora_gguf_read(a, err) : read_folder(a, err);
	if (rc == 0 && is_gguf)
		rc = read_alphas(a, NULL, path, err);
	if (rc == 0)
		rc = read_shapes(a, err);
	if (rc < 0)
		adapter_close(a);
	return rc;
}

void adapter_close(struct adapter *a)
{
	tensors_close(&a->tensors);
	mem_free(a->rank);
	mem_free(a->scale);
	mem_free(a->path);
	memset(a, 0, sizeof(*a));
}

struct lora_spec adapter_spec(const struct adapter *a)
{
	return (struct lora_spec){ a->rank, a->scale, a->dropout };
}

static float *torch_order(float *v, const struct tensor *t, int n_heads)
{
	size_t row = (size_t)t->dims[1] * sizeof(*v);
	float *to = mem_new((size_t)t->dims[0], row);

	rope_permute(to, v, (int64_t)t->dims[0], row, n_heads, false);
	mem_free(v);
	return to;
}

/* Numbers of a trained adapter are below 10 or so; one that is far above is damage, and its products
 * are no numbers any more. */
#define MOST 1e6f

/* A tensor as floats from the heap; NaN, Inf and what is beyond MOST are refused. */
static float *numbers(const struct adapter *a, const struct tensor *t, struct err *err)
{
	size_t n = (size_t)(t->dims[0] * t->dims[1]);
	float *v = mem_new(n, sizeof(*v));

	for (size_t i = 0; i < n; i++) {
		uint16_t h = 0;

		if (t->type == DT_F32)
			memcpy(&v[i], t->data + 4 * i, 4);
		else
			memcpy(&h, t->data + 2 * i, 2);
		if (t->type != DT_F32)
			v[i] = t->type == DT_BF16 ? bf16_to_f32(h) : f16_to_f32(h);
		if (fabsf(v[i]) <= MOST)
			continue;
		err_kind(err, ERR_NUMERIC, "%s: '%s' holds %g: its numbers are broken", a->path,
			 t->name, (double)v[i]);
		mem_free(v);
		return NULL;
	}
	if (a->permuted && strstr(t->name, "q_proj.lora_B"))
		v = torch_order(v, t, a->arch->n_heads);
	if (a->permuted && strstr(t->name, "k_proj.lora_B"))
		v = torch_order(v, t, a->arch->n_kv_heads);
	return v;
}

int adapter_module(const struct adapter *a, int layer, enum lora_module m, float **va, float **vb,
		   struct err *err)
{
	*va = numbers(a, find(a, layer, m, 'A'), err);
	*vb = *va ? numbers(a, find(a, layer, m, 'B'), err) : NULL;
	if (*vb)
		return 0;
	mem_free(*va);
	*va = NULL;
	return -1;
}

/* The linear that a weight name means: "model.layers.3.mlp.up_proj.weight". */
static bool parse_weight(const char *name, int *layer, int *module)
{
	int used = 0;

	if (sscanf(name, "model.layers.%d.%n", layer, &used) != 1 || !used)
		return false;
	for (*module = 0; *module < LORA_MODULES; ++*module) {
		size_t n = strlen(lora_module_path[*module]);

		if (!strncmp(name + used, lora_module_path[*module], n) &&
		    !strcmp(name + used + n, ".weight"))
			return true;
	}
	return false;
}

int adapter_apply(const struct adapter *a, struct dev *dev, const char *name, struct mat w,
		  struct err *err)
{
	const struct ops *op = dev->ops;
	float *va, *vb;
	void *da = NULL, *db = NULL;
	int layer, m, rc = -1;
	size_t r, na, nb;

	if (!parse_weight(name, &layer, &m) || !a->rank[layer][m])
		return 0;
	r = (size_t)a->rank[layer][m];
	na = r * (size_t)w.cols * sizeof(float);
	nb = r * (size_t)w.rows * sizeof(float);
	if (adapter_module(a, layer, (enum lora_module)m, &va, &vb, err) < 0)
		return -1;
	if ((da = op->alloc(dev, na, err)) && (db = op->alloc(dev, nb, err))) {
		op->upload(dev, da, va, na);
		op->upload(dev, db, vb, nb);
		op->gemm(dev, w, mat_view(db, DT_F32, w.rows, (int64_t)r), false,
			 mat_view(da, DT_F32, (int64_t)r, w.cols), false, a->scale[layer][m], 1);
		rc = 0;
	}
	op->free(dev, da);
	op->free(dev, db);
	mem_free(va);
	mem_free(vb);
	return rc;
}
