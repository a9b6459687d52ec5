/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Six optimizer steps of LoRA SFT and DPO on the tiny models against float64 PyTorch
 * (tests/golden/README.md): loss, gradient norm, learning rate and metrics of every step, gradients
 * of the first, the adapter after the last. In bf16 the same run stays near.
 */
#include "tests/tap.h"

#include "base/mem.h"
#include "train/reference.h"

#include <jansson.h>

static struct err err;

/* What differs between fp32 and bf16. The bounds of bf16 are those of its 8 bits: a product's
 * factors are off by up to 2^-9, and AdamW turns small gradients into steps of size lr whatever
 * their size, so single elements of the adapter may differ by a few steps' lr: 6 * 0.005. */
struct bounds {
	const char *name;
	double loss, norm, grads, adapter;
};

static const struct bounds fp32 = { "fp32", 1e-5, 1e-5, 1e-4, 1e-4 };
static const struct bounds bf16 = { "bf16", 2e-3, 5e-2, 5e-2, 2e-1 };

static uint32_t *id_array(struct arena *a, const json_t *v, uint32_t *n)
{
	uint32_t *ids = arena_new(a, json_array_size(v) + 1, sizeof(*ids));

	*n = (uint32_t)json_array_size(v);
	for (uint32_t i = 0; i < *n; i++)
		ids[i] = (uint32_t)json_integer_value(json_array_get(v, i));
	return ids;
}

static void sft_example(struct shard *s, struct example *e, const json_t *r)
{
	struct span *span = arena_new(&s->arena, 1, sizeof(*span));

	e->ids = id_array(&s->arena, json_object_get(r, "ids"), &e->n_ids);
	*span = (struct span){ (uint32_t)json_integer_value(json_object_get(r, "prompt_len")),
			       e->n_ids };
	e->spans = span;
	e->n_spans = 1;
}

static void dpo_example(struct shard *s, struct example *e, const json_t *r)
{
	const char *parts[] = { "prompt", "chosen", "rejected" };
	uint32_t *all = arena_new(&s->arena, 256, sizeof(*all)), n[3];

	for (int i = 0; i < 3; i++) {
		uint32_t *ids = id_array(&s->arena, json_object_get(r, parts[i]), &n[i]);

		memcpy(all + e->n_ids, ids, n[i] * sizeof(*ids));
		e->n_ids += n[i];
	}
	e->ids = all;
	e->n_prompt = n[0];
	e->n_chosen = n[1];
}

static void shard_from_golden(struct shard *s, const json_t *root, bool dpo)
{
	const json_t *batches = json_object_get(root, "microbatches"), *batch, *record;
	size_t i, j;

	memset(s, 0, sizeof(*s));
	s->info.stage = dpo ? SHARD_DPO : SHARD_SFT;
	s->v = mem_new(1000, sizeof(*s->v));
	json_array_foreach(batches, i, batch)
	{
		json_array_foreach(batch, j, record)
		{
			struct example *e = &s->v[s->n++];

			if (dpo)
				dpo_example(s, e, record);
			else
				sft_example(s, e, record);
		}
	}
}

/* Largest |got - want| over all adapter numbers, relative to the largest |want|. */
static double compare_slab(const struct lora *l, const float *slab, const char *file)
{
	struct tensors t;
	double worst = 0, size = 0;

	if (safetensors_open(&t, golden(file), &err) < 0)
		return INFINITY;
	for (int i = 0; i < l->arch->n_layers; i++) {
		for (int m = 0; m < LORA_MODULES; m++) {
			size_t r = (size_t)l->layers[i].rank[m];
			size_t n[2] = { r * (size_t)lora_in(l->arch, lora_group_of[m]),
					r * (size_t)lora_out(l->arch, (enum lora_module)m) };
			float *got[2] = { mem_new(n[0], 4), mem_new(n[1], 4) };

			if (r)
				lora_get(l, slab, i, (enum lora_module)m, got[0], got[1]);
			for (int side = 0; r && side < 2; side++) {
				char name[160];
				const struct tensor *want;

				snprintf(name, sizeof(name),
					 "base_model.model.model.layers.%d.%s.lora_%c.weight", i,
					 lora_module_path[m], "AB"[side]);
				want = tensors_find(&t, name);
				for (size_t k = 0; want && k < n[side]; k++) {
					float w;

					memcpy(&w, want->data + 4 * k, 4);
					worst = fmax(worst, fabs((double)got[side][k] - w));
					size = fmax(size, fabs((double)w));
				}
				if (!want)
					worst = INFINITY;
			}
			mem_free(got[0]);
			mem_free(got[1]);
		}
	}
	tensors_close(&t);
	return worst / size;
}

/* The golden first adapter as a PEFT folder, so that it comes in by adapter_name_or_path. */
static void make_adapter(const char *dir, const char *name)
{
	char path[600], *config = mem_printf("%s/adapter_config.json", dir);
	const char *text = "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 8}\n";
	struct file f;

	file_write(config, text, strlen(text), &err);
	snprintf(path, sizeof(path), "%s/adapter_model.safetensors", dir);
	file_open(&f, golden(name), &err);
	file_write(path, f.p, f.n, &err);
	file_close(&f);
	mem_free(config);
}

static double step_value(const json_t *step, const char *key)
{
	return json_number_value(json_object_get(step, key));
}

static double off(double got, double want)
{
	return fabs(got - want) / fmax(fabs(want), 1e-3);
}

static void run_steps(struct trainer *t, const json_t *steps, const struct bounds *b,
		      const char *name, bool dpo)
{
	double loss = 0, norm = 0, lr = 0, metric = 0;
	const json_t *step;
	size_t i;

	json_array_foreach(steps, i, step)
	{
		double got_norm, got_lr;
		struct metrics m;

		if (trainer_step(t, &m, &got_norm, &got_lr, &err) < 0) {
			check(false, "%s: step %zu: %s", name, i, err.msg);
			return;
		}
		loss = fmax(loss, off(m.loss, step_value(step, "loss")));
		norm = fmax(norm, off(got_norm, step_value(step, "grad_norm_before_clip")));
		lr = fmax(lr, fabs(got_lr - step_value(step, "lr")));
		if (!dpo)
			continue;
		metric = fmax(metric, fabs(m.rewards_chosen - step_value(step, "rewards/chosen")));
		metric = fmax(metric,
			      fabs(m.rewards_rejected - step_value(step, "rewards/rejected")));
		metric = fmax(metric, off(m.logps_chosen, step_value(step, "logps/chosen")));
		metric = fmax(metric, off(m.logps_rejected, step_value(step, "logps/rejected")));
		if (b == &fp32)
			metric = fmax(metric,
				      fabs(m.accuracy - step_value(step, "rewards/accuracies")));
	}
	check(loss < b->loss, "%s: loss of every step", name);
	check(norm < b->norm, "%s: gradient norm of every step", name);
	check(lr < 1e-9, "%s: learning rate of every step", name);
	note("largest relative differences: loss %.2g, norm %.2g", loss, norm);
	if (dpo) {
		check(metric < (b == &fp32 ? 1e-5 : 1e-2), "%s: rewards and log-probabilities",
		      name);
		note("largest difference of a metric %.2g", metric);
	}
}

/* The settings the golden runs were made with; dropout: one more override; without an adapter a new
 * one. */
static void load_config(struct config *c, const char *adapter, const char *model, bool dpo,
			bool use_bf16, const char *dropout)
{
	char *own[] = { mem_printf("model_name_or_path=%s", model),
			adapter ? mem_printf("adapter_name_or_path=%s", adapter)
				: mem_printf("lora_rank=4") };
	const char *const overrides[] = { own[0],
					  own[1],
					  dpo ? "stage=dpo" : "stage=sft",
					  use_bf16 ? "bf16=true" : "bf16=false",
					  dropout,
					  "per_device_train_batch_size=2",
					  "gradient_accumulation_steps=2",
					  "learning_rate=0.005",
					  "weight_decay=0.01",
					  "max_grad_norm=0.4",
					  "lr_scheduler_type=cosine",
					  "warmup_steps=2",
					  "num_train_epochs=1",
					  "disable_shuffling=true" };
	struct buf problems = { 0 };

	if (config_load(c, dpo ? CONFIG_DPO : CONFIG_SFT, NULL, overrides,
			sizeof(overrides) / sizeof(*overrides), &problems, &err) < 0)
		note("%s", problems.n ? problems.p : err.msg);
	buf_free(&problems);
	mem_free(own[0]);
	mem_free(own[1]);
}

static void test_golden(const char *device, const char *which, const char *model,
			const struct bounds *b)
{
	bool dpo = strstr(which, "dpo") != NULL;
	char dir[] = "/tmp/anekdot-test-XXXXXX", file[128], name[128];
	json_error_t je;
	json_t *root;
	struct shard shard;
	struct config c = { 0 };
	struct trainer t;
	struct trainer_options to = { .device = device };
	struct metrics m;

	snprintf(name, sizeof(name), "%s on %s, %s", which, device, b->name);
	snprintf(file, sizeof(file), "train/%s/golden.json", which);
	root = json_load_file(golden(file), 0, &je);
	snprintf(file, sizeof(file), "train/%s/init_adapter.safetensors", which);
	check(mkdtemp(dir) != NULL, "%s: scratch folder", name);
	make_adapter(dir, file);
	load_config(&c, dir, golden(model), dpo, b == &bf16, "lora_dropout=0");
	shard_from_golden(&shard, root, dpo);
	if (trainer_open(&t, &c, dpo ? &objective_dpo : &objective_sft, &shard, &to, &err) < 0 ||
	    (dpo && reference_open(&t, NULL, &err) < 0)) {
		check(false, "%s: %s", name, err.msg);
		return;
	}
	if (trainer_gradients(&t, &m, &err) == 0) {
		double worst;

		snprintf(file, sizeof(file), "train/%s/step1_grads.safetensors", which);
		worst = compare_slab(&t.lora, t.lora.grad, file);
		check(worst < b->grads, "%s: gradients of the first step", name);
		note("largest difference over the largest gradient %.2g", worst);
	}
	run_steps(&t, json_object_get(root, "steps"), b, name, dpo);
	snprintf(file, sizeof(file), "train/%s/final_adapter.safetensors", which);
	check(compare_slab(&t.lora, t.lora.p, file) < b->adapter, "%s: adapter after the last step",
	      name);
	note("largest difference over the largest weight %.2g",
	     compare_slab(&t.lora, t.lora.p, file));
	dir_remove(dir);
	trainer_close(&t);
	config_close(&c);
	arena_free(&shard.arena);
	mem_free(shard.v);
	json_decref(root);
}

/* A folder at dir: the golden model with other settings in its config.json. */
static void make_variant(const char *dir, const char *model, const char *settings)
{
	char from[256], to[256], *weights;
	json_error_t je;
	json_t *config, *more = json_loads(settings, 0, &je);

	snprintf(from, sizeof(from), "%s/config.json", golden(model));
	config = json_load_file(from, 0, &je);
	json_object_update(config, more);
	snprintf(to, sizeof(to), "%s/config.json", dir);
	json_dump_file(config, to, 0);
	snprintf(from, sizeof(from), "%s/model.safetensors", golden(model));
	snprintf(to, sizeof(to), "%s/model.safetensors", dir);
	weights = realpath(from, NULL);
	check(weights && symlink(weights, to) == 0, "a variant of %s", model);
	free(weights);
	json_decref(config);
	json_decref(more);
}

/* Parameters of which none is 0, so that every path carries a gradient. */
static void fill_lora(struct lora *l)
{
	for (size_t i = 0; i < l->n; i++)
		l->p[i] = 0.05f * sinf((float)(i % 1009) * 1.7f); /* host back ends: it is ours */
	lora_refresh(l);
}

/*
 * The backward pass through the whole model: the gradient along a direction against the loss a
 * little to both sides of the parameters. The masks of dropout are functions of seed and step, so
 * they stay.
 */
static void test_slope(const char *device, const char *what, const char *model,
		       const char *settings, const char *dropout)
{
	char dir[] = "/tmp/anekdot-test-XXXXXX";
	json_error_t je;
	json_t *root = json_load_file(golden("train/qwen2_sft/golden.json"), 0, &je);
	struct trainer_options to = { .device = device };
	struct config c = { 0 };
	struct shard shard;
	struct trainer t;
	struct metrics m;
	double slope = 0, loss[2], eps = 1e-2, norm = 0;
	float *p, *g;

	check(mkdtemp(dir) != NULL, "%s on %s: scratch folder", what, device);
	make_variant(dir, model, settings);
	load_config(&c, NULL, dir, false, false, dropout);
	shard_from_golden(&shard, root, false);
	if (trainer_open(&t, &c, &objective_sft, &shard, &to, &err) < 0) {
		check(false, "%s on %s: %s", what, device, err.msg);
		return;
	}
	fill_lora(&t.lora);
	check(trainer_gradients(&t, &m, &err) == 0, "%s on %s: gradients", what, device);
	p = mem_new(t.lora.n, sizeof(*p));
	g = mem_new(t.lora.n, sizeof(*g));
	memcpy(p, t.lora.p, t.lora.n * sizeof(*p));
	memcpy(g, t.lora.grad, t.lora.n * sizeof(*g));
	for (size_t i = 0; i < t.lora.n; i++)
		norm += (double)g[i] * g[i];
	norm = sqrt(norm);
	for (int side = 0; side < 2; side++) {
		for (size_t i = 0; i < t.lora.n; i++) /* along the gradient, and a part across it */
			t.lora.p[i] =
				(float)(p[i] + (side ? eps : -eps) *
						       (g[i] / norm + (i % 3 ? 0.01 : -0.02)));
		lora_refresh(&t.lora);
		trainer_gradients(&t, &m, &err);
		loss[side] = m.loss;
	}
	for (size_t i = 0; i < t.lora.n; i++)
		slope += (double)g[i] * (g[i] / norm + (i % 3 ? 0.01 : -0.02));
	check(norm > 1e-3, "%s on %s: there is a gradient", what, device);
	check_near((loss[1] - loss[0]) / (2 * eps), slope, 2e-3,
		   "gradient as finite differences have it");
	note("%s on %s: %.6g by differences, %.6g by the backward pass", what, device,
	     (loss[1] - loss[0]) / (2 * eps), slope);
	dir_remove(dir);
	mem_free(p);
	mem_free(g);
	trainer_close(&t);
	config_close(&c);
	arena_free(&shard.arena);
	mem_free(shard.v);
	json_decref(root);
}

/* What the golden runs do not have. */
static const struct {
	const char *what, *model, *settings, *dropout;
} slopes[] = {
	{ "dropout", "hf_tiny/qwen2", "{}", "lora_dropout=0.4" },
	{ "q and k norms", "hf_tiny/qwen3_hd32", "{}", "lora_dropout=0" },
	{ "a window in one layer", "hf_tiny/qwen2",
	  "{\"use_sliding_window\": true, \"sliding_window\": 5, \"max_window_layers\": 1}",
	  "lora_dropout=0" },
	{ "yarn", "hf_tiny/llama",
	  "{\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 8,"
	  " \"original_max_position_embeddings\": 16}}",
	  "lora_dropout=0" },
};

int main(void)
{
	for (const char *const *d = ops_names(); *d; d++) {
		test_golden(*d, "qwen2_sft", "hf_tiny/qwen2", &fp32);
		test_golden(*d, "llama_sft", "hf_tiny/llama", &fp32);
		test_golden(*d, "qwen2_dpo", "hf_tiny/qwen2", &fp32);
		test_golden(*d, "qwen2_sft", "hf_tiny/qwen2", &bf16);
		test_golden(*d, "qwen2_dpo", "hf_tiny/qwen2", &bf16);
		for (size_t i = 0; i < sizeof(slopes) / sizeof(*slopes); i++)
			test_slope(*d, slopes[i].what, slopes[i].model, slopes[i].settings,
				   slopes[i].dropout);
	}
	return tap_done();
}
