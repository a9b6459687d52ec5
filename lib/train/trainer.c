/* SPDX-License-Identifier: Apache-2.0 */
#include "train/trainer.h"

#include "base/mem.h"
#include "base/tool.h"
#include "train/step.h"

#include <math.h>
#include <omp.h>
#include <string.h>

/* Ranks and scales of a new adapter from the configuration. */
static int new_lora(struct trainer *t, struct err *err)
{
	const struct config *c = t->c;
	size_t layers = (size_t)t->model.arch.n_layers, n;
	int(*rank)[LORA_MODULES] = mem_new(layers, sizeof(*rank));
	float(*scale)[LORA_MODULES] = mem_new(layers, sizeof(*scale));
	float s = (float)(c->lora_alpha /
			  (c->use_rslora ? sqrt((double)c->lora_rank) : (double)c->lora_rank));
	const char *rest = c->lora_target, *name;
	int rc = 0;

	while (rc == 0 && (name = config_list_next(&rest, &n))) {
		int m = lora_module_find(name, n);
		bool all = n == 3 && !memcmp(name, "all", 3);

		if (m < 0 && !all)
			rc = err_set(
				err,
				"lora_target: there is no module '%.*s'; there are q_proj, k_proj, "
				"v_proj, o_proj, gate_proj, up_proj, down_proj, all",
				(int)n, name);
		for (size_t l = 0; rc == 0 && l < layers; l++)
			for (int i = 0; i < LORA_MODULES; i++)
				if (all || i == m)
					rank[l][i] = (int)c->lora_rank;
	}
	for (size_t l = 0; l < layers; l++)
		for (int i = 0; i < LORA_MODULES; i++)
			scale[l][i] = s;
	if (rc == 0)
		rc = lora_open(&t->lora, t->dev, &t->model.arch,
			       &(struct lora_spec){ rank, scale, (float)c->lora_dropout },
			       t->model.act, err);
	if (rc == 0)
		lora_init(&t->lora, (uint64_t)c->seed);
	t->info = (struct adapter_info){ c->model_name_or_path, (int)c->lora_rank,
					 (double)c->lora_alpha, (float)c->lora_dropout,
					 c->use_rslora };
	mem_free(rank);
	mem_free(scale);
	return rc;
}

/* An adapter that goes on training keeps its own rank, alpha and targets. */
static int continued_lora(struct trainer *t, const char *path, struct err *err)
{
	struct adapter a;

	if (adapter_open(&a, path, &t->model.arch, err) < 0)
		return -1;
	if (config_is_set(t->c, "lora_rank") && t->c->lora_rank != a.r)
		tool_note("lora_rank %ld is ignored: the adapter %s has rank %d", t->c->lora_rank,
			  path, a.r);
	t->info = (struct adapter_info){ t->c->model_name_or_path, a.r, a.alpha,
					 (float)t->c->lora_dropout, a.rslora };
	a.dropout = (float)t->c->lora_dropout;
	if (adapter_to_lora(&a, &t->lora, t->dev, t->model.act, err) < 0) {
		adapter_close(&a);
		return -1;
	}
	adapter_close(&a);
	return 0;
}

/* The model but for its weights. */
static int find_model(struct trainer *t, const struct model_options *o, const char *merged,
		      struct err *err)
{
	if (source_open(&t->source, t->c->model_name_or_path, err) < 0)
		return -1;
	if (t->shard->info.vocab_size > (uint32_t)t->source.arch.vocab)
		return err_set(err,
			       "the shard's ids go up to %u, the model %s has %d; tokenize with "
			       "the model's "
			       "own tokenizer",
			       t->shard->info.vocab_size - 1, t->c->model_name_or_path,
			       t->source.arch.vocab);
	if (adapter_list_open(&t->merged, merged, &t->source.arch, err) < 0)
		return -1;
	model_describe(&t->model, t->dev, &t->source, o);
	return 0;
}

/* Examples that the model cannot take are errors. */
static int check_examples(const struct trainer *t, struct err *err)
{
	for (size_t i = 0; i < t->n_all; i++) {
		const struct example *e = &t->v[i];
		struct sequence v[2];

		for (int n = t->objective->sequences(e, v), s = 0; s < n; s++)
			if ((int)(v[s].n_head + v[s].n_tail) > t->model.n_positions)
				return err_set(err,
					       "example %zu of the shard has %u tokens, the model "
					       "has %d positions; tokenize with a smaller "
					       "cutoff_len",
					       i, e->n_ids, t->model.n_positions);
		for (uint32_t k = 0; k < e->n_ids; k++)
			if (e->ids[k] >= (uint32_t)t->model.arch.vocab)
				return err_set(
					err,
					"example %zu of the shard holds id %u, the model has %d", i,
					e->ids[k], t->model.arch.vocab);
	}
	return 0;
}

static int open_model(struct trainer *t, struct model_options *o, struct err *err)
{
	struct weight_hook hook = adapter_list_hook(&t->merged);

	if (t->merged.n)
		o->hook = &hook;
	if (model_open(&t->model, t->dev, &t->source, o, err) < 0)
		return -1;
	source_release(&t->source);
	return 0;
}

/* Every buffer of the steps, as planned. */
static int open_buffers(struct trainer *t, struct err *err)
{
	const struct pass_options *o = &t->plan.pass;
	size_t rows = (size_t)o->limits.rows;
	struct op_limits limits;

	if (pass_open(&t->pass, &t->model, o, err) < 0)
		return -1;
	limits = pass_op_limits(&t->pass);
	limits.params = t->lora.n;
	if (t->dev->ops->reserve(t->dev, &limits, err) < 0)
		return -1;
	batch_open(&t->batch, &o->limits);
	pack_open(&t->pack, &t->batch);
	t->placed = mem_new(rows, sizeof(*t->placed));
	t->logp = mem_new(rows, sizeof(*t->logp));
	t->coef = mem_new(rows, sizeof(*t->coef));
	t->order = mem_new(schedule_order_size(&t->schedule), sizeof(*t->order));
	t->weights = mem_new(t->shard->n, sizeof(*t->weights));
	t->order_epoch = -1;
	t->norm = t->dev->ops->alloc(t->dev, sizeof(float), err);
	return t->norm ? 0 : -1;
}

/* The shard's examples, and those that are held out behind them. */
static int join_examples(struct trainer *t, const struct shard *val, struct err *err)
{
	t->v = t->shard->v;
	t->n = t->n_all = t->shard->n;
	if (!val)
		return 0;
	if (val->info.stage != SHARD_SFT || t->objective->stage != SHARD_SFT)
		return err_set(err, "examples are held out in stage sft only");
	if (t->shard->info.tokenizer_hash && val->info.tokenizer_hash &&
	    strcmp(t->shard->info.tokenizer_hash, val->info.tokenizer_hash))
		return err_set(err, "the held-out examples were made with another tokenizer");
	t->n_all += val->n;
	t->joined = mem_new(t->n_all, sizeof(*t->joined));
	memcpy(t->joined, t->shard->v, t->n * sizeof(*t->joined));
	memcpy(t->joined + t->n, val->v, val->n * sizeof(*t->joined));
	t->v = t->joined;
	return 0;
}

static int open_schedule(struct trainer *t, struct err *err)
{
	const struct config *c = t->c;
	bool packs = (c->packing || c->neat_packing) && t->shard->n <= UINT32_MAX / 2;
	uint32_t n = (uint32_t)t->shard->n, *lengths = packs ? mem_new(n, sizeof(*lengths)) : NULL;
	int rc = 0;

	for (uint32_t i = 0; packs && i < n; i++)
		lengths[i] = t->shard->v[i].n_ids;
	if (packs)
		rc = knapsack(&t->bins, lengths, n, (uint32_t)c->cutoff_len - 1,
			      (uint32_t)c->preprocessing_batch_size, err);
	mem_free(lengths);
	if (rc == 0)
		rc = schedule_open(&t->schedule, c, t->shard->n, packs ? &t->bins : NULL, err);
	return rc;
}

int trainer_open(struct trainer *t, const struct config *c, const struct objective *objective,
		 const struct shard *shard, const struct trainer_options *o, struct err *err)
{
	const char *last = NULL;
	struct model_options mo = { .act = c->bf16 ? DT_BF16 : DT_F32, .train = true };
	int rc = -1;

	mem_exact();
	memset(t, 0, sizeof(*t));
	t->merged_names =
		!c->create_new_adapter
			? adapter_names_split(c->adapter_name_or_path, &last)
			: mem_strdup(c->adapter_name_or_path ? c->adapter_name_or_path : "");
	t->c = c;
	t->objective = objective;
	t->shard = shard;
	t->stop = o->stop;
	t->threads = o->threads ? (int)o->threads : omp_get_max_threads();
	t->semantics = o->semantics;
	if (shard->info.stage != objective->stage) {
		err_set(err, "the shard holds %s; tokenize with --stage %s",
			shard->info.stage == SHARD_DPO ? "preference pairs" : "SFT examples",
			objective->name);
		goto out;
	}
	if (join_examples(t, o->val, err) < 0)
		goto out;
	t->dev = ops_open(o->device, (int)o->threads, err);
	if (!t->dev)
		goto out;
	ops_identity(t->dev, t->back_end);
	mo.n_positions = plan_positions(t);
	if (open_schedule(t, err) < 0 || find_model(t, &mo, t->merged_names, err) < 0 ||
	    check_examples(t, err) < 0 ||
	    (last ? continued_lora(t, last, err) : new_lora(t, err)) < 0 ||
	    plan_make(&t->plan, t, o, err) < 0)
		goto out;
	if (o->plan_only) {
		rc = 0;
		goto out;
	}
	if (open_model(t, &mo, err) < 0 || lora_train(&t->lora, err) < 0 ||
	    open_buffers(t, err) < 0)
		goto out;
	rc = 0;
out:
	if (rc < 0)
		trainer_close(t);
	return rc;
}

void trainer_close(struct trainer *t)
{
	if (t->dev)
		t->dev->ops->free(t->dev, t->norm);
	pack_close(&t->pack);
	batch_close(&t->batch);
	pass_close(&t->pass);
	lora_close(&t->lora);
	model_close(&t->model);
	adapter_list_close(&t->merged);
	source_close(&t->source);
	if (t->dev)
		t->dev->ops->close(t->dev);
	mem_free(t->merged_names);
	mem_free(t->reference);
	mem_free(t->order);
	mem_free(t->placed);
	mem_free(t->logp);
	mem_free(t->coef);
	mem_free(t->weights);
	mem_free(t->joined);
	bins_free(&t->bins);
	memset(t, 0, sizeof(*t));
}
