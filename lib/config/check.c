/* SPDX-License-Identifier: Apache-2.0 */
/* What depends on several keys. */
#include "config/schema.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct checker {
	struct config *c;
	enum config_use use;
	const struct entry *const *at;
	struct problems *ps;
	struct buf *notes;
};

/* The entry of a key that was given and is right, else NULL. */
static const struct entry *given(const struct checker *k, const char *name)
{
	size_t i = (size_t)(config_key(name) - config_keys);

	return k->c->set[i] ? k->at[i] : NULL;
}

#define AT_KEY(e)   (e)->file, (e)->line, (e)->column
#define AT_VALUE(e) (e)->file, (e)->value_line, (e)->value_column

static void remark(struct checker *k, const struct entry *e, const char *text)
{
	buf_printf(k->notes, "%s%s:%ld:%ld: %s", k->notes->n ? "\n" : "", AT_KEY(e), text);
}

static void check_stage(struct checker *k)
{
	struct config *c = k->c;
	const struct entry *e = given(k, "stage");
	const char *own = k->use == CONFIG_DPO ? "dpo" : "sft";

	if (k->use != CONFIG_TOKENIZE) {
		if (e && strcmp(c->stage, own) != 0)
			problem_add(k->ps, AT_VALUE(e),
				    "stage: '%s', but this tool trains '%s'; use ft-%s", c->stage,
				    own, c->stage);
		c->stage = own;
	}
	e = given(k, "do_train");
	if (e && !c->do_train)
		problem_add(k->ps, AT_VALUE(e),
			    "do_train: false leaves nothing to do; take the key out");
}

/* Keys of the other stage: harmless ones are noted, others would be silently without effect. */
static void check_other_stage(struct checker *k)
{
	static const char *const sft_only[] = { "mask_history", "train_on_prompt", "packing",
						"neat_packing" };
	struct config *c = k->c;
	unsigned stage = strcmp(c->stage, "dpo") ? CONFIG_SFT : CONFIG_DPO;

	const bool on[] = { c->mask_history, c->train_on_prompt, c->packing, c->neat_packing };

	for (size_t i = 0; i < 4 && stage == CONFIG_DPO; i++) {
		const struct entry *e = given(k, sft_only[i]);

		if (e && on[i])
			problem_add(k->ps, AT_KEY(e), "%s: works in stage sft only; take it out",
				    sft_only[i]);
	}
	for (size_t i = 0; i < config_n_keys && k->use == CONFIG_SFT; i++)
		if (c->set[i] && config_keys[i].uses == CONFIG_DPO) {
			struct buf text = { 0 };

			buf_printf(&text, "%s has no effect in stage sft", config_keys[i].name);
			remark(k, k->at[i], text.p);
			buf_free(&text);
		}
	for (size_t i = 0; i < config_n_keys && k->use == CONFIG_DPO; i++)
		if (c->set[i] && config_keys[i].uses == CONFIG_SFT) {
			struct buf text = { 0 };

			buf_printf(&text, "%s has no effect in stage dpo", config_keys[i].name);
			remark(k, k->at[i], text.p);
			buf_free(&text);
		}
	if (c->mask_history && c->train_on_prompt && stage == CONFIG_SFT)
		problem_add(k->ps, AT_KEY(given(k, "train_on_prompt")),
			    "train_on_prompt and mask_history contradict each other; keep one");
}

static void check_method(struct checker *k)
{
	struct config *c = k->c;
	const struct entry *e;

	if (!given(k, "lora_alpha"))
		c->lora_alpha = 2 * c->lora_rank;
	if (!given(k, "data_seed"))
		c->data_seed = c->seed;
	e = given(k, "create_new_adapter");
	if (e && c->create_new_adapter && !c->adapter_name_or_path)
		remark(k, e, "create_new_adapter has no effect without adapter_name_or_path");
	if (c->bf16 && c->fp16) {
		problem_add(k->ps, AT_VALUE(given(k, "fp16")),
			    "bf16 and fp16 are both true; keep bf16");
	} else if (c->fp16) {
		remark(k, given(k, "fp16"), "fp16 is read as bf16: float16 is not implemented");
		c->bf16 = true;
	}
	if (strcmp(c->stage, "dpo") != 0)
		return;
	e = given(k, "ref_model");
	if (e && (!c->model_name_or_path || strcmp(c->ref_model, c->model_name_or_path) != 0))
		problem_add(k->ps, AT_VALUE(e),
			    "ref_model: only the base model itself is implemented; take it out, "
			    "or use ref_model_adapters");
	if (c->lora_dropout > 0) {
		if (k->use == CONFIG_DPO)
			remark(k, given(k, "lora_dropout"),
			       "lora_dropout is 0 in DPO, as in LLaMA-Factory");
		c->lora_dropout = 0;
	}
}

/* Below 1 a part of the run; above, whole steps. */
static void check_steps(struct checker *k, const char *name, double steps)
{
	const struct entry *e = given(k, name);

	if (e && steps > 1 && steps != floor(steps))
		problem_add(k->ps, AT_VALUE(e),
			    "%s: %.10g is neither a whole number nor below 1 (a part of the run)",
			    name, steps);
}

static void check_course(struct checker *k)
{
	struct config *c = k->c;
	bool warms = c->warmup_ratio > 0 || c->warmup_steps > 0;
	const struct entry *e;

	check_steps(k, "warmup_steps", c->warmup_steps);
	check_steps(k, "logging_steps", c->logging_steps);
	check_steps(k, "save_steps", c->save_steps);
	check_steps(k, "eval_steps", c->eval_steps);
	if (given(k, "evaluation_strategy") && !given(k, "eval_strategy"))
		c->eval_strategy = c->evaluation_strategy;
	if (k->use == CONFIG_TOKENIZE)
		return;
	e = given(k, "num_train_epochs");
	if (e && c->max_steps > 0)
		remark(k, e, "num_train_epochs has no effect: max_steps is above 0");
	e = given(k, "warmup_ratio");
	if (e && c->warmup_ratio > 0 && c->warmup_steps > 0)
		remark(k, e, "warmup_ratio has no effect: warmup_steps is above 0");
	e = given(k, "lr_scheduler_type");
	if (e && warms && !strcmp(c->lr_scheduler_type, "constant"))
		remark(k, e, "constant has no warm-up; constant_with_warmup has");
	e = given(k, "warmup_steps");
	if (e && c->max_steps > 0 && c->warmup_steps >= (double)c->max_steps)
		problem_add(k->ps, AT_VALUE(e),
			    "warmup_steps: %.10g leaves no step at the learning rate; max_steps "
			    "is %ld",
			    c->warmup_steps, c->max_steps);
}

/* A session has float32 and bfloat16 alone; a file may have float16, too. */
static void check_weights(struct checker *k)
{
	const struct entry *e = given(k, "infer_dtype");

	if (e && k->use == CONFIG_CHAT && !strcmp(k->c->infer_dtype, "float16"))
		problem_add(k->ps, AT_VALUE(e),
			    "infer_dtype: 'float16' is for ft-merge; take auto, bfloat16 or "
			    "float32 here");
}

static void check_shares(struct checker *k)
{
	const struct entry *e = given(k, "interleave_probs");
	const char *rest = k->c->interleave_probs, *sets = k->c->dataset, *item;
	size_t n, shares = 0, names = 0;

	while (e && (item = config_list_next(&rest, &n))) {
		char *end;
		double x = strtod(item, &end);

		shares++;
		if (end != item + n || !(x > 0) || isinf(x))
			problem_add(k->ps, AT_VALUE(e),
				    "interleave_probs: '%.*s' is not a number above 0",
				    n < 30 ? (int)n : 30, item);
	}
	while (e && sets && config_list_next(&sets, &n))
		names++;
	if (e && !strcmp(k->c->mix_strategy, "concat"))
		problem_add(k->ps, AT_KEY(e),
			    "interleave_probs: means nothing to mix_strategy concat; take it out, "
			    "or interleave");
	else if (e && names && names != shares)
		problem_add(k->ps, AT_VALUE(e), "interleave_probs: %zu numbers for %zu data sets",
			    shares, names);
}

static void check_data(struct checker *k)
{
	const struct entry *e = given(k, "val_size");
	double size = k->c->val_size;

	check_shares(k);
	if (e && size >= 1 && (size == 1 || size != floor(size)))
		problem_add(k->ps, AT_VALUE(e),
			    "val_size: %.10g is neither a part (below 1) nor a number of examples "
			    "(2 or more)",
			    size);
	if (e && size > 0 && given(k, "eval_dataset"))
		problem_add(k->ps, AT_KEY(e),
			    "val_size and eval_dataset exclude each other; keep one");
}

void config_cross_check(struct config *c, enum config_use use, const struct entry *const *at,
			struct problems *ps, struct buf *notes)
{
	struct checker k = { c, use, at, ps, notes };

	if (use & (CONFIG_CHAT | CONFIG_EXPORT)) {
		check_weights(&k);
		return;
	}
	check_stage(&k);
	check_other_stage(&k);
	check_method(&k);
	check_course(&k);
	check_data(&k);
}
