/* SPDX-License-Identifier: Apache-2.0 */
/* Writing PEFT's two files. */
#include "adapter/adapter.h"

#include "base/jsonw.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void string_or_null(struct jsonw *w, const char *key)
{
	jsonw_kstr(w, key, NULL);
}

static bool is_target(const struct lora *l, int m)
{
	for (int i = 0; i < l->arch->n_layers; i++)
		if (l->layers[i].rank[m])
			return true;
	return false;
}

/* What a pattern says of one module: *v, and whether that differs from the adapter's own value. */
static bool differs_in_rank(const struct lora_layer *y, int m, const struct adapter_info *info,
			    double *v)
{
	*v = y->rank[m];
	return y->rank[m] != info->r;
}

static bool differs_in_alpha(const struct lora_layer *y, int m, const struct adapter_info *info,
			     double *v)
{
	double r = y->rank[m];

	*v = y->scale[m] * (info->rslora ? sqrt(r) : r);
	return fabs(*v - info->alpha) > 1e-5 * fabs(info->alpha);
}

/* Modules that do not have the adapter's own rank or alpha, by their whole path. */
static void write_pattern(struct jsonw *w, const char *key, const struct lora *l,
			  const struct adapter_info *info,
			  bool (*differs)(const struct lora_layer *, int,
					  const struct adapter_info *, double *))
{
	char path[96];
	double v;

	jsonw_key(w, key);
	jsonw_open(w, '{');
	for (int i = 0; i < l->arch->n_layers; i++) {
		for (int m = 0; m < LORA_MODULES; m++) {
			if (!l->layers[i].rank[m] || !differs(&l->layers[i], m, info, &v))
				continue;
			snprintf(path, sizeof(path), "model.layers.%d.%s", i, lora_module_path[m]);
			jsonw_knum(w, path, v, 9);
		}
	}
	jsonw_close(w, '}');
}

/* The keys that PEFT has known since 0.5, sorted; pattern keys since 0.7. */
static void write_config(const struct lora *l, const struct adapter_info *info, struct buf *out)
{
	struct jsonw w = { .out = out, .indent = 2 };

	jsonw_open(&w, '{');
	write_pattern(&w, "alpha_pattern", l, info, differs_in_alpha);
	string_or_null(&w, "auto_mapping");
	jsonw_kstr(&w, "base_model_name_or_path", info->base);
	jsonw_kstr(&w, "bias", "none");
	jsonw_kbool(&w, "fan_in_fan_out", false);
	jsonw_kbool(&w, "inference_mode", true);
	jsonw_kbool(&w, "init_lora_weights", true);
	string_or_null(&w, "layers_pattern");
	string_or_null(&w, "layers_to_transform");
	jsonw_knum(&w, "lora_alpha", info->alpha, 9);
	jsonw_knum(&w, "lora_dropout", info->dropout, 9);
	string_or_null(&w, "modules_to_save");
	jsonw_kstr(&w, "peft_type", "LORA");
	jsonw_kint(&w, "r", info->r);
	write_pattern(&w, "rank_pattern", l, info, differs_in_rank);
	string_or_null(&w, "revision");
	jsonw_key(&w, "target_modules");
	jsonw_open(&w, '[');
	for (int m = 0; m < LORA_MODULES; m++)
		if (is_target(l, m)) {
			const char *last = strchr(lora_module_path[m], '.') + 1;

			jsonw_str(&w, last, strlen(last));
		}
	jsonw_close(&w, ']');
	jsonw_kstr(&w, "task_type", "CAUSAL_LM");
	jsonw_kbool(&w, "use_dora", false);
	jsonw_kbool(&w, "use_rslora", info->rslora);
	jsonw_close(&w, '}');
	buf_char(out, '\n');
}

/* Entries in order of layer, module, A before B; returns how many. Names are in the arena. */
static size_t list_entries(const struct lora *l, struct tensor_entry *v, struct arena *arena)
{
	size_t n = 0;

	for (int i = 0; i < l->arch->n_layers; i++) {
		for (int m = 0; m < LORA_MODULES; m++) {
			uint64_t r = (uint64_t)l->layers[i].rank[m];
			uint64_t in = (uint64_t)lora_in(l->arch, lora_group_of[m]);
			uint64_t out = (uint64_t)lora_out(l->arch, (enum lora_module)m);

			if (!r)
				continue;
			v[n++] = (struct tensor_entry){
				arena_printf(arena, ADAPTER_PREFIX "%d.%s.lora_A.weight", i,
					     lora_module_path[m]),
				DT_F32,
				2,
				{ r, in }
			};
			v[n++] = (struct tensor_entry){
				arena_printf(arena, ADAPTER_PREFIX "%d.%s.lora_B.weight", i,
					     lora_module_path[m]),
				DT_F32,
				2,
				{ out, r }
			};
		}
	}
	return n;
}

static int put_module(struct st_writer *w, const struct lora *l, const float *from, int layer,
		      int m, struct err *err)
{
	size_t r = (size_t)l->layers[layer].rank[m];
	size_t na = r * (size_t)lora_in(l->arch, lora_group_of[m]);
	size_t nb = r * (size_t)lora_out(l->arch, (enum lora_module)m);
	float *a = mem_new(na, sizeof(*a)), *b = mem_new(nb, sizeof(*b));
	int rc;

	lora_get(l, from, layer, (enum lora_module)m, a, b);
	rc = st_writer_put(w, a, na * sizeof(*a), err);
	if (rc == 0)
		rc = st_writer_put(w, b, nb * sizeof(*b), err);
	mem_free(a);
	mem_free(b);
	return rc;
}

static int write_tensors(const char *path, const struct lora *l, const float *from, struct err *err)
{
	size_t most = (size_t)l->arch->n_layers * LORA_MODULES * 2, n;
	struct tensor_entry *v = mem_new(most, sizeof(*v));
	struct arena arena = { 0 };
	struct st_writer w;
	int rc;

	n = list_entries(l, v, &arena);
	rc = st_writer_open(&w, path, v, n, NULL, err);
	for (int i = 0; rc == 0 && i < l->arch->n_layers; i++)
		for (int m = 0; rc == 0 && m < LORA_MODULES; m++)
			if (l->layers[i].rank[m])
				rc = put_module(&w, l, from, i, m, err);
	if (rc == 0)
		rc = st_writer_close(&w, err);
	else
		st_writer_abort(&w);
	arena_free(&arena);
	mem_free(v);
	return rc;
}

int adapter_write(const char *dir, const struct lora *l, const float *from,
		  const struct adapter_info *info, struct err *err)
{
	char *config = path_join(dir, "adapter_config.json");
	char *weights = path_join(dir, "adapter_model.safetensors");
	struct buf text = { 0 };
	int rc;

	write_config(l, info, &text);
	rc = file_write(config, text.p, text.n, err);
	if (rc == 0)
		rc = write_tensors(weights, l, from, err);
	buf_free(&text);
	mem_free(config);
	mem_free(weights);
	return rc;
}
