/* SPDX-License-Identifier: Apache-2.0 */
#include "train/run.h"

#include "adapter/card.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/jsonw.h"
#include "base/sysmem.h"
#include "base/tool.h"
#include "config/operands.h"
#include "token/token.h"
#include "train/checkpoint.h"
#include "train/reference.h"
#include "train/runlog.h"

#include <string.h>
#include <unistd.h>

enum { FEW_STEPS = 20 };

const struct opt run_opts[] = {
	{ OPT_STR, 0, "device", "NAME", "auto, cpu, plain or ref (default: auto)",
	  offsetof(struct run_args, device), 0, 0 },
	{ OPT_INT, 0, "threads", "N", "threads (default: all processors)",
	  offsetof(struct run_args, threads), 1, 1024 },
	{ OPT_NUM, 0, "memory-limit", "GB",
	  "most memory to take, in all (default: what can be had now)",
	  offsetof(struct run_args, memory_limit), 1e-3, 1e6 },
	{ OPT_STR, 0, "val", "SHARD", "held-out examples: their loss is told (eval_strategy)",
	  offsetof(struct run_args, val), 0, 0 },
	{ OPT_STR, 0, "explain", "KEY", "what a key means, and what it takes; all: every key",
	  offsetof(struct run_args, explain), 0, 0 },
	{ OPT_FLAG, 0, "force", NULL, "train on a shard made with another tokenizer",
	  offsetof(struct run_args, force), 0, 0 },
	{ OPT_FLAG, 0, "plan", NULL, "print the memory plan and stop",
	  offsetof(struct run_args, plan), 0, 0 },
	{ OPT_FLAG, 'j', "json", NULL, "print a summary, or the plan, as one JSON object",
	  offsetof(struct run_args, json), 0, 0 },
	{ .type = OPT_END },
};

/* Everything that is open during a run. */
struct run {
	const struct run_kind *kind;
	const struct run_args *args;
	volatile sig_atomic_t *stop;
	struct config c;
	struct shard shard, val;
	struct trainer t;
	struct runlog log;
	struct buf config_json;
	struct hash_hex base_hash, adapters_hash;
	struct provenance provenance;
	char *reference, *adapters;
	char *resume; /* the checkpoint that it goes on from; NULL: none */
	long saved; /* the step of the newest state on disk */
	int lock; /* on output_dir; -1: none */
	bool made; /* output_dir was not there before */
};

static int load_config(struct run *r, const struct operands *ops, struct err *err)
{
	static const char *const required[] = { "model_name_or_path", "output_dir", NULL };
	static const char *const to_plan[] = { "model_name_or_path", NULL };

	if (operands_config(ops, &r->c, r->kind->use, r->args->plan ? to_plan : required, err) < 0)
		return -1;
	if (r->c.notes)
		tool_note("%s", r->c.notes);
	if (r->kind->use == CONFIG_SFT && !r->args->val && strcmp(r->c.eval_strategy, "no"))
		tool_note(
			"eval_strategy has no effect without --val SHARD, which ds-tokenize --val "
			"makes");
	if (r->c.ignored)
		tool_note("no effect here: %s", r->c.ignored);
	return 0;
}

/* Ids of another tokenizer are other text, also where the model has them all. */
static int check_tokenizer(const struct run *r, struct err *err)
{
	const char *made = r->shard.info.tokenizer_hash, *model = r->c.model_name_or_path;
	struct err why = { 0 };
	struct token *tok;
	int rc = 0;

	if (!made || r->args->force)
		return 0;
	tok = token_open(model, &why);
	if (!tok) /* a model without one, or none at all: that is said where it is opened */
		return 0;
	if (strcmp(made, token_hash(tok)))
		rc = err_set(err,
			     "tokenizer hash mismatch: the shard was made with another tokenizer "
			     "than that of %s; tokenize again, or train all the same with --force",
			     model);
	token_close(tok);
	return rc;
}

/* Which checkpoint it goes on from, before anything heavy. */
static int choose_checkpoint(struct run *r, struct err *err)
{
	const char *named = r->c.resume_from_checkpoint;
	bool newest = named && !strcmp(named, "true"), none = named && !strcmp(named, "false");

	if (none || (!named && r->c.overwrite_output_dir))
		return 0;
	if (named && !newest) {
		r->resume = mem_strdup(named);
		return checkpoint_verify(named, err);
	}
	r->resume = checkpoint_newest(r->c.output_dir);
	if (newest && !r->resume)
		return err_set(err,
			       "resume_from_checkpoint: true, but %s holds no whole checkpoint; "
			       "take it out to start anew",
			       r->c.output_dir);
	return 0;
}

/* The folder of an older run is not overwritten unless that was asked for. */
static int prepare_output(struct run *r, struct err *err)
{
	char *weights = path_join(r->c.output_dir, "adapter_model.safetensors");
	int rc;

	r->made = !file_exists(r->c.output_dir);
	rc = dir_make(r->c.output_dir, err);
	if (rc == 0 && (r->lock = dir_lock(r->c.output_dir, err)) < 0)
		rc = -1;
	if (rc == 0 && file_exists(weights) && !r->c.overwrite_output_dir)
		rc = err_set(err,
			     "%s holds an adapter; set overwrite_output_dir: true, or another "
			     "output_dir",
			     r->c.output_dir);
	if (rc == 0)
		unfinished_sweep(r->c.output_dir, "");
	mem_free(weights);
	return rc == 0 ? choose_checkpoint(r, err) : -1;
}

/* An older run's weights go when everything is open: a run that cannot start costs nothing, and the
 * adapter that is continued may be the one that is overwritten. */
static int clear_output(const struct run *r, struct err *err)
{
	char *weights = path_join(r->c.output_dir, "adapter_model.safetensors");
	int rc = 0;

	if (file_exists(weights) && remove(weights))
		rc = err_sys(err, "%s", weights);
	mem_free(weights);
	return rc;
}

static int describe(struct run *r, struct err *err)
{
	struct provenance *p = &r->provenance;
	const struct shard_info *info = &r->shard.info;

	config_write_json(&r->c, r->kind->use, &r->config_json);
	if (r->c.adapter_name_or_path || r->c.ref_model_adapters)
		r->adapters = mem_printf("%s,%s",
					 r->c.adapter_name_or_path ? r->c.adapter_name_or_path : "",
					 r->c.ref_model_adapters ? r->c.ref_model_adapters : "");
	if (source_hash(&r->base_hash, r->c.model_name_or_path, err) < 0 ||
	    adapter_names_hash(&r->adapters_hash, r->adapters, err) < 0)
		return -1;
	if (r->kind->objective == &objective_dpo)
		r->reference =
			r->c.ref_model_adapters
				? mem_printf("the base wearing %s", r->c.ref_model_adapters)
				: mem_strdup(r->t.merged.n ? "the base with the merged adapters"
							   : "the base, adapter off");
	*p = (struct provenance){
		.tool = r->kind->tool,
		.config = r->config_json.p,
		.base = r->c.model_name_or_path,
		.base_hash = r->base_hash.s,
		.adapters = r->c.adapter_name_or_path,
		.adapters_hash = r->adapters ? r->adapters_hash.s : NULL,
		.shard_hash = r->shard.hash,
		.tokenizer_hash = r->shard.info.tokenizer_hash,
		.reference = r->reference,
		.template_name = r->shard.info.template_name,
		/* A shard's null says that none was put in, a provenance's that nothing is known. */
		.system = info->system || !info->template_name ? info->system : "",
		.thinking = info->thinking,
	};
	return 0;
}

static int save_state(struct run *r, struct err *err)
{
	if (checkpoint_save(&r->t, r->c.output_dir, &r->provenance, r->c.save_total_limit, err) < 0)
		return -1;
	r->saved = r->t.step;
	return 0;
}

/* Saves what is not saved, and says how to go on. */
static int interrupted(struct run *r, struct err *err)
{
	const struct trainer *t = &r->t;

	if (t->step == 0)
		return err_kind(err, ERR_INTERRUPTED,
				"interrupted before the first step; start it again");
	if (t->step == r->saved && t->step == r->log.first_step)
		return err_kind(err, ERR_INTERRUPTED,
				"interrupted after step %ld; go on with resume_from_checkpoint=%s",
				t->step, r->resume);
	if (t->step != r->saved && save_state(r, err) < 0)
		return -1;
	return err_kind(err, ERR_INTERRUPTED,
			"interrupted after step %ld; go on with "
			"resume_from_checkpoint=%s/checkpoint-%ld",
			t->step, r->c.output_dir, t->step);
}

/* Is a checkpoint due after this step? */
static bool is_due(const struct run *r)
{
	const struct schedule *s = &r->t.schedule;

	if (!strcmp(r->c.save_strategy, "epoch"))
		return r->t.step % (long)s->steps_per_epoch == 0;
	return !strcmp(r->c.save_strategy, "steps") &&
	       r->t.step % config_interval(r->c.save_steps, s->total_steps) == 0;
}

/* Is an evaluation due after this step? */
static bool is_eval_due(const struct run *r)
{
	const struct schedule *s = &r->t.schedule;
	double steps = r->c.eval_steps > 0 ? r->c.eval_steps : r->c.logging_steps;

	if (r->t.n_all == r->t.n)
		return false;
	if (r->t.step == s->total_steps)
		return true;
	if (!strcmp(r->c.eval_strategy, "epoch"))
		return r->t.step % (long)s->steps_per_epoch == 0;
	return !strcmp(r->c.eval_strategy, "steps") &&
	       r->t.step % config_interval(steps, s->total_steps) == 0;
}

static int evaluate(struct run *r, struct err *err)
{
	double began = clock_now(), loss;

	if (trainer_evaluate(&r->t, &loss, err) < 0)
		return -1;
	if (r->stop && *r->stop) /* it may have ended early */
		return 0;
	return runlog_eval(&r->log, loss, clock_now() - began, err);
}

/* Steps until the end or a signal; saves on the way as save_steps says. */
static int train(struct run *r, struct err *err)
{
	struct trainer *t = &r->t;

	if (t->schedule.total_steps < FEW_STEPS)
		tool_note("%ld optimizer steps teach little; num_train_epochs makes more, "
			  "gradient_accumulation_steps fewer",
			  t->schedule.total_steps);
	r->saved = t->step;
	if (r->c.eval_on_start && t->step == 0 && t->n_all > t->n && evaluate(r, err) < 0)
		return -1;
	while (t->step < t->schedule.total_steps) {
		struct metrics m;
		double grad_norm, lr;

		if (r->stop && *r->stop)
			return interrupted(r, err);
		if (trainer_step(t, &m, &grad_norm, &lr, err) < 0 ||
		    runlog_step(&r->log, &m, grad_norm, lr, err) < 0)
			return -1;
		if (is_eval_due(r) && evaluate(r, err) < 0)
			return -1;
		if (is_due(r) && t->step < t->schedule.total_steps && save_state(r, err) < 0)
			return -1;
	}
	return 0;
}

/* The run's records first, the adapter's weights last: where they are, everything is. */
static int save(struct run *r, struct err *err)
{
	const char *dir = r->c.output_dir;

	if (runlog_finish(&r->log, r->c.plot_loss, err) < 0 ||
	    provenance_write(dir, &r->provenance, err) < 0 ||
	    card_write(dir, CARD_ADAPTER, &r->provenance, err) < 0)
		return -1;
	return adapter_write(dir, &r->t.lora, r->t.lora.p, &r->t.info, err);
}

static void summary(const struct run *r)
{
	const struct log_row *last = &r->log.rows[r->log.n_rows - 1];
	double took = clock_now() - r->log.started;
	struct buf text = { 0 };
	struct jsonw w = { .out = &text };

	tool_say(r->kind->tool, "%ld steps, loss %.4f, %.0f tokens/s, %.1f s, %.2f GB: %s",
		 r->t.step, last->loss, (double)r->log.n_tokens / took, took,
		 (double)sysmem_peak() / 1e9, r->c.output_dir);
	if (!r->args->json)
		return;
	jsonw_open(&w, '{');
	jsonw_kstr(&w, "output_dir", r->c.output_dir);
	jsonw_kint(&w, "steps", r->t.step);
	jsonw_knum(&w, "loss", last->loss, 9);
	jsonw_knum(&w, "train_loss", r->log.total_loss / (double)(r->t.step - r->log.first_step),
		   9);
	jsonw_kint(&w, "tokens", (int64_t)r->log.n_tokens);
	jsonw_kint(&w, "tokens_computed", (int64_t)r->log.n_computed);
	jsonw_knum(&w, "seconds", took, 6);
	jsonw_knum(&w, "tokens_per_second", (double)r->log.n_tokens / took, 6);
	jsonw_kint(&w, "peak_rss_bytes", (int64_t)sysmem_peak());
	jsonw_kint(&w, "plan_bytes", (int64_t)r->t.plan.total);
	jsonw_close(&w, '}');
	printf("%s\n", text.p);
	buf_free(&text);
}

static void announce(const struct run *r)
{
	tool_say(r->kind->tool, "%zu examples, %ld steps, %zu trainable parameters, %s on %s",
		 r->shard.n, r->t.schedule.total_steps, r->t.lora.n,
		 r->t.model.act == DT_F32 ? "fp32" : "bf16", r->t.dev->ops->name);
	if (r->t.bins.n)
		tool_say(r->kind->tool, "packing: %u sequences of at most %ld tokens", r->t.bins.n,
			 r->c.cutoff_len - 1);
	if (r->reference)
		tool_say(r->kind->tool, "reference: %s", r->reference);
}

/* The state that steps begin with: a checkpoint's, and what DPO compares with. */
static int open_state(struct run *r, const char *shard, struct err *err)
{
	const struct reference_options o = { r->kind->tool, shard, r->base_hash.s };

	if (r->resume && checkpoint_load(&r->t, r->resume, &r->provenance, err) < 0)
		return -1;
	if (r->resume)
		tool_say(r->kind->tool, "going on from %s: %ld of %ld steps are done", r->resume,
			 r->t.step, r->t.schedule.total_steps);
	return r->kind->objective == &objective_dpo ? reference_open(&r->t, &o, err) : 0;
}

static int run(struct run *r, const struct operands *ops, struct err *err)
{
	const struct run_args *a = r->args;
	struct trainer_options o = { .device = a->device ? a->device : "auto",
				     .threads = a->threads,
				     .memory_limit_gb = a->memory_limit,
				     .plan_only = a->plan,
				     .stop = r->stop,
				     .val = a->val ? &r->val : NULL,
				     .semantics = r->kind->semantics };

	if (load_config(r, ops, err) < 0 || shard_open(&r->shard, ops->shard, err) < 0 ||
	    (a->val && shard_open(&r->val, a->val, err) < 0) || check_tokenizer(r, err) < 0 ||
	    (!a->plan && prepare_output(r, err) < 0) ||
	    trainer_open(&r->t, &r->c, r->kind->objective, &r->shard, &o, err) < 0)
		return -1;
	if (a->plan) {
		(a->json ? plan_print_json : plan_print)(&r->t.plan, stdout);
		return 0;
	}
	if (describe(r, err) < 0)
		return -1;
	announce(r);
	if (open_state(r, ops->shard, err) < 0 || clear_output(r, err) < 0 ||
	    runlog_open(&r->log, &r->t, r->c.output_dir, r->resume != NULL, err) < 0 ||
	    train(r, err) < 0 || save(r, err) < 0)
		return -1;
	summary(r);
	return 0;
}

int run_training(const struct run_kind *kind, const struct run_args *args, char **operands,
		 int n_operands, volatile sig_atomic_t *stop, struct err *err)
{
	struct run r = { .kind = kind, .args = args, .stop = stop, .lock = -1 };
	struct operands ops;
	int rc;

	if (args->explain)
		return operands_explain(args->explain, err);
	rc = operands_read(&ops, operands, n_operands, true, err);
	if (rc == 0)
		rc = run(&r, &ops, err);
	operands_free(&ops);
	if (rc < 0 && r.made)
		rmdir(r.c.output_dir); /* goes only if nothing was written */
	runlog_close(&r.log);
	trainer_close(&r.t);
	shard_close(&r.shard);
	shard_close(&r.val);
	config_close(&r.c);
	buf_free(&r.config_json);
	mem_free(r.reference);
	mem_free(r.adapters);
	mem_free(r.resume);
	if (r.lock >= 0)
		close(r.lock);
	return rc;
}
