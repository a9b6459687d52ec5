/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of a run: LLaMA-Factory's YAML, strictly, and key=value overrides. Names and
 * defaults are LLaMA-Factory's and transformers'; config.5 lists them. Everything is checked before
 * anything heavy starts, and all problems of a file are reported together.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>

/* What the settings are read for; bits, because a key may matter to several. */
enum config_use {
	CONFIG_SFT = 1,
	CONFIG_DPO = 2,
	CONFIG_TOKENIZE = 4, /* stage may be sft or dpo */
	CONFIG_CHAT = 8, /* keys of training are passed over, whatever they say */
	CONFIG_EXPORT = 16, /* likewise */
};

#define CONFIG_MAX_KEYS 512

/*
 * One field a key that is implemented, named as the key. Strings are NULL for null; "list" strings
 * are comma-separated (a YAML sequence is joined so), walk them with config_list_next. Enumerated
 * strings hold one of the spellings named here. All pointers stand until config_close.
 */
struct config {
	/* model */
	const char *model_name_or_path;
	const char *adapter_name_or_path; /* list */
	const char *ref_model; /* DPO: NULL, or equal to model_name_or_path */
	const char *ref_model_adapters; /* list; DPO: the reference wears these */
	bool disable_gradient_checkpointing;

	/* method */
	const char *stage; /* "sft", "dpo"; unset: what the use says */
	const char *finetuning_type; /* "lora" */
	bool do_train; /* true; false is refused */
	long lora_rank;
	long lora_alpha; /* null was replaced by 2 * lora_rank */
	double lora_dropout;
	const char *lora_target; /* list, or "all" */
	bool use_rslora, create_new_adapter;
	double pref_beta, pref_ftx, dpo_label_smoothing;
	const char *pref_loss; /* "sigmoid" */
	const char *reference_cache; /* ours: "shard", "output_dir", "no" */

	/* data */
	const char *dataset; /* list */
	const char *dataset_dir;
	const char *template;
	const char *default_system; /* NULL: the template's own */
	long cutoff_len;
	const char *truncation; /* ours: "cut", "drop", "error" */
	long max_samples; /* of each data set; 0: all */
	const char *mix_strategy; /* "concat", "interleave_under", ..._over, ..._once */
	const char *interleave_probs; /* list of numbers above 0; NULL: in turn */
	const char *eval_dataset; /* list */
	double val_size; /* above 1: examples; below: a part; 0: none */
	bool packing, neat_packing; /* the same: sequences never see each other */
	long preprocessing_batch_size; /* examples that are packed together */
	bool mask_history, train_on_prompt;
	const char *enable_thinking; /* "true", "false", "null" */
	bool preserve_thinking;
	bool disable_shuffling;

	/* optimisation */
	long per_device_train_batch_size, gradient_accumulation_steps;
	double learning_rate;
	double num_train_epochs; /* may be fractional */
	long max_steps; /* > 0 overrides num_train_epochs; -1: not given */
	const char *lr_scheduler_type; /* "linear", "cosine", "constant", "constant_with_warmup" */
	double warmup_ratio, warmup_steps; /* see config_warmup */
	const char *optim; /* "adamw_torch", "adamw_torch_fused": the same here */
	double weight_decay, adam_beta1, adam_beta2, adam_epsilon;
	double max_grad_norm; /* 0: no clipping */
	bool share_prefixes; /* ours: what sequences of a micro-batch begin with alike is computed once */
	bool bf16, fp16; /* fp16 is read as bf16, with a note: then bf16 is true */
	long seed;
	long data_seed; /* null was replaced by seed */

	/* output */
	const char *output_dir;
	bool overwrite_output_dir;
	double logging_steps, save_steps; /* below 1: a part of the run; see config_interval */
	const char *save_strategy; /* "steps", "epoch", "no" */
	long save_total_limit; /* 0: keep all */
	bool plot_loss;
	const char *eval_strategy; /* "no", "steps", "epoch" */
	const char *evaluation_strategy; /* its old name */
	double eval_steps; /* as logging_steps; 0: those */
	bool do_eval, eval_on_start;
	long per_device_eval_batch_size;
	const char *resume_from_checkpoint; /* a folder, "true", "false"; NULL */

	/* talking and exporting */
	const char *infer_dtype; /* "auto", "float16", "bfloat16", "float32" */
	bool do_sample;
	double temperature, top_p, repetition_penalty;
	long top_k, max_new_tokens;
	const char *export_dir;
	double export_size; /* GB of one file */

	/* what the tool says once, before it starts; NULL: nothing */
	const char *ignored; /* "trust_remote_code, ddp_timeout": given, of no effect here */
	const char *notes; /* lines without a final newline: "file:line:column: what" */

	/* inside */
	const char *file; /* yaml_path, or "command line" */
	bool set[CONFIG_MAX_KEYS];
	struct arena arena;
};

/*
 * Read yaml_path (NULL: only overrides, "-": standard input), then overrides "key=value", which
 * win over the file and, the later, over each other. Returns -1 if anything is wrong: then either
 * *problems holds one line "file:line:column: what is wrong; what to do" each (an override is
 * "command line:N:column", N counting overrides from 1), or problems->n is 0 and *err says why the
 * file could not be read. *c may be closed in any case. What a run cannot go without is the tool's
 * to ask for, with config_require.
 */
int config_load(struct config *c, enum config_use use, const char *yaml_path,
		const char *const *overrides, size_t n_overrides, struct buf *problems,
		struct err *err);
/* {0} is fine. */
void config_close(struct config *c);

/* The file or an override gives this key a value that is not null. Unknown names: false. */
bool config_is_set(const struct config *c, const char *key);
/* 0, or -1 with a line in *problems, if the key has no value; for string keys. */
int config_require(const struct config *c, const char *key, struct buf *problems);
/*
 * The effective values of the keys that matter to use, as one JSON object: sorted keys, two spaces
 * of indent, no final newline; the same configuration gives the same bytes.
 */
void config_write_json(const struct config *c, enum config_use use, struct buf *out);

/*
 * What the table says about a key, "all" of them, on out; or -1 with the nearest one. The lines of a
 * key: its name, what it takes and its default; what it does; who reads it.
 */
int config_explain(const char *key, struct buf *out, struct err *err);

/*
 * The next item of a list: its length in *n, blanks around it taken off; NULL at the end. Empty
 * items are passed over. *rest starts as the list (may be NULL).
 */
const char *config_list_next(const char **rest, size_t *n);
/* Warm-up steps of a run of total steps: warmup_steps (below 1: a part) before warmup_ratio. */
long config_warmup(const struct config *c, long total);
/* logging_steps or save_steps as a number of steps, at least 1: below 1 is a part of total. */
long config_interval(double steps, long total);

#endif
