/* SPDX-License-Identifier: Apache-2.0 */
/* ds-tokenize: data sets to a token shard, and the tokenizer as a filter; the page is ds-tokenize.1. */
#include "base/file.h"
#include "base/hash.h"
#include "base/jsonw.h"
#include "base/tool.h"
#include "config/operands.h"
#include "data/dataset.h"
#include "shard/from_ids.h"
#include "shard/shard.h"
#include "template/bulk.h"
#include "template/chat_filter.h"
#include "template/chat_render.h"
#include "template/template.h"
#include "token/filter.h"
#include "token/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct args {
	const char *out, *val, *tokenizer, *stage, *dataset_dir, *template, *system, *explain;
	struct opt_list datasets;
	long cutoff_len, threads;
	bool mask_history, train_on_prompt;
	bool ids, decode, skip_special, from_ids, chat;
};

#define FLAG(name, field, help)                                                                    \
	{                                                                                          \
		OPT_FLAG, 0, name, NULL, help, offsetof(struct args, field), 0, 0                  \
	}
#define TEXT(letter, name, arg, field, help)                                                       \
	{                                                                                          \
		OPT_STR, letter, name, arg, help, offsetof(struct args, field), 0, 0               \
	}

static const struct opt opts[] = {
	TEXT('o', "output", "SHARD", out, "write here instead of standard output"),
	TEXT('t', "tokenizer", "PATH", tokenizer, "tokenizer.json, model folder or GGUF file"),
	TEXT(0, "val", "SHARD", val, "write what is held out here (val_size, eval_dataset)"),
	TEXT(0, "stage", "sft|dpo", stage, "what the data is for (default: what it looks like)"),
	{ OPT_LIST, 'd', "dataset", "NAME|FILE", "a data set; may be given again",
	  offsetof(struct args, datasets), 0, 0 },
	TEXT(0, "dataset-dir", "DIR", dataset_dir, "where dataset_info.json is (default: data)"),
	TEXT(0, "template", "NAME", template, "chat template; with --chat a model family"),
	{ OPT_INT, 0, "cutoff-len", "N", "most tokens of an example (default: 2048)",
	  offsetof(struct args, cutoff_len), 1, SHARD_IDS_MAX },
	TEXT(0, "system", "TEXT", system, "system prompt instead of the template's"),
	{ OPT_INT, 0, "threads", "N", "threads (default: all processors)",
	  offsetof(struct args, threads), 1, 1024 },
	TEXT(0, "explain", "KEY", explain, "what a key means, and what it takes; all: every key"),
	FLAG("mask-history", mask_history, "train on the last answer only"),
	FLAG("train-on-prompt", train_on_prompt, "train on the questions too"),
	FLAG("ids", ids, "filter: {\"text\"} lines to {\"ids\"} lines"),
	FLAG("decode", decode, "filter: {\"ids\"} lines to {\"text\"} lines"),
	FLAG("skip-special", skip_special, "leave special tokens out of --decode"),
	FLAG("from-ids", from_ids, "tokenised JSON lines from standard input to a shard"),
	FLAG("chat", chat, "filter: {\"messages\"} lines to {\"text\"} lines"),
	{ .type = OPT_END },
};

static const struct cmd cmd = {
	.name = "ds-tokenize",
	.usage = "[OPTION]... [CONFIG.yaml] [KEY=VALUE]...",
	.summary = "Turn data sets into a token shard (.tok.zst), or filter text and ids.",
	.details =
		"Settings come from options or LLaMA-Factory's keys (dataset, dataset_dir, "
		"template,\n"
		"cutoff_len, mask_history, train_on_prompt, default_system, stage, max_samples,\n"
		"mix_strategy, val_size, model_name_or_path ...: config(5)); options win.\n\n"
		"  ds-tokenize -t models/qwen --template qwen -d jokes.json -o jokes.tok.zst\n"
		"  ds-tokenize pipelines/soviet_v3/sft.yaml cutoff_len=512 -o sft.tok.zst\n"
		"  echo '{\"text\": \"hello\"}' | ds-tokenize --ids -t models/qwen\n\n"
		"Exit code: 0, or 2 when a record or a setting is wrong; then nothing is "
		"written.\n",
	.opts = opts,
	.semantics = 2,
};

/* ---- data sets ---- */

/* Data sets that become one shard. */
struct part {
	const char *keys; /* names, a list; NULL: those of the options */
	struct dataset *sets;
	size_t n;
	struct buf sources; /* JSON */
	uint64_t held;
};

/* What one run needs, put together from options and config. */
struct job {
	struct config config;
	const struct args *args;
	double *shares;
	size_t n_shares;
	struct token *tok;
	struct encode_settings settings;
	struct encode_counts counts;
	enum shard_stage stage;
	struct shard_writer *writer, *held;
	struct part train, eval;
	int threads;
};

static void summary(const struct shard_info *done, const struct encode_counts *counts, long cutoff)
{
	progress_end();
	fprintf(stderr, "%s: %llu examples, %llu tokens, %llu trained, %llu truncated", cmd.name,
		(unsigned long long)done->n_examples, (unsigned long long)done->n_tokens,
		(unsigned long long)done->n_trained, (unsigned long long)counts->truncated);
	if (counts->truncated)
		fprintf(stderr, " (%llu tokens lost to cutoff_len %ld)",
			(unsigned long long)counts->tokens_lost, cutoff);
	if (counts->bad)
		fprintf(stderr, "; %llu left out, for kto_tag is false",
			(unsigned long long)counts->bad);
	fputc('\n', stderr);
}

/* CONFIG.yaml, KEY=VALUE, and the options over both. */
static int read_config(struct job *job, const struct args *args, char **v, int n, struct err *err)
{
	static const char *const required[] = { NULL };
	struct config *c = &job->config;
	struct operands ops;
	int rc = operands_read(&ops, v, n, false, err);

	if (rc == 0)
		rc = operands_config(&ops, c, CONFIG_TOKENIZE, required, err);
	operands_free(&ops);
	if (rc < 0)
		return -1;
	if (!config_is_set(c, "stage"))
		c->stage = NULL; /* the data decides */
	c->stage = args->stage ? args->stage : c->stage;
	c->dataset_dir = args->dataset_dir ? args->dataset_dir : c->dataset_dir;
	c->template = args->template ? args->template : c->template;
	c->default_system = args->system ? args->system : c->default_system;
	c->cutoff_len = args->cutoff_len ? args->cutoff_len : c->cutoff_len;
	c->mask_history |= args->mask_history;
	c->train_on_prompt |= args->train_on_prompt;
	c->model_name_or_path = args->tokenizer ? args->tokenizer : c->model_name_or_path;
	return 0;
}

static int add_dataset(struct job *job, struct part *p, const char *name, struct err *err)
{
	p->sets = mem_grow(p->sets, p->n + 1, sizeof(*p->sets));
	p->sets[p->n] = (struct dataset){ 0 };
	return dataset_open(&p->sets[p->n++], name, job->config.dataset_dir, err);
}

static int open_datasets(struct job *job, struct part *p, struct err *err)
{
	const struct opt_list *given = &job->args->datasets;
	const char *rest = p->keys, *item;
	size_t n;

	for (size_t i = 0; !rest && i < given->n; i++)
		if (add_dataset(job, p, given->v[i], err) < 0)
			return -1;
	while ((item = config_list_next(&rest, &n)))
		if (add_dataset(job, p, arena_strndup(&job->config.arena, item, n), err) < 0)
			return -1;
	return 0;
}

static void close_part(struct part *p)
{
	for (size_t i = 0; i < p->n; i++)
		dataset_close(&p->sets[i]);
	mem_free(p->sets);
	buf_free(&p->sources);
}

static int check_settings(struct job *job, struct err *err)
{
	const struct config *c = &job->config;
	bool packs;

	job->train.keys = job->args->datasets.n ? NULL : c->dataset;
	job->eval.keys = c->eval_dataset;
	if (!job->train.keys && !job->args->datasets.n)
		return err_set(err, "no data set; give --dataset or the key dataset");
	if (!c->template)
		return err_set(err, "no template; give --template or the key template: %s",
			       template_names());
	if (!c->model_name_or_path)
		return err_set(err, "no tokenizer; give --tokenizer or model_name_or_path");
	if (c->stage && strcmp(c->stage, "sft") && strcmp(c->stage, "dpo"))
		return err_set(err, "stage '%s' is not supported; it takes sft or dpo", c->stage);
	if (c->mask_history && c->train_on_prompt)
		return err_set(err, "mask_history and train_on_prompt exclude each other");
	if (job->args->val && !job->eval.keys && c->val_size == 0)
		return err_set(err, "--val: nothing is held out; give val_size or eval_dataset");
	packs = c->packing || c->neat_packing;
	job->settings = (struct encode_settings){ .template = template_find(c->template, err),
						  .system = c->default_system,
						  .cutoff_len = (uint32_t)(c->cutoff_len - packs),
						  .train_on_prompt = c->train_on_prompt,
						  .mask_history = c->mask_history,
						  .thinking = thinking_of(c->enable_thinking),
						  .preserve_thinking = c->preserve_thinking };
	return job->settings.template ? 0 : -1;
}

/* What shaped the examples, as far as it was not left alone. */
static void write_settings(const struct job *job, struct buf *out)
{
	const struct config *c = &job->config;
	struct jsonw w = { .out = out };

	jsonw_open(&w, '{');
	jsonw_kint(&w, "cutoff_len", job->settings.cutoff_len);
	jsonw_kbool(&w, "mask_history", c->mask_history);
	jsonw_kbool(&w, "train_on_prompt", c->train_on_prompt);
	if (job->settings.template->thinks)
		jsonw_kbool(&w, "preserve_thinking", c->preserve_thinking);
	jsonw_kint(&w, "max_samples", c->max_samples);
	if (job->train.n > 1 && strcmp(c->mix_strategy, "concat")) {
		jsonw_kstr(&w, "mix_strategy", c->mix_strategy);
		jsonw_kstr(&w, "interleave_probs", c->interleave_probs);
	}
	if (c->val_size > 0)
		jsonw_knum(&w, "val_size", c->val_size, 17);
	if (c->seed != 42)
		jsonw_kint(&w, "seed", c->seed);
	jsonw_kint(&w, "semantics", cmd.semantics);
	jsonw_close(&w, '}');
}

static struct shard_writer *open_writer(struct job *job, const char *path, struct err *err)
{
	const struct config *c = &job->config;
	const struct template *t = job->settings.template;
	const char *system = c->default_system ? c->default_system : t->default_system;
	struct buf settings = { 0 };
	struct shard_info info = { .stage = job->stage,
				   .tokenizer_hash = token_hash(job->tok),
				   .vocab_size = token_count(job->tok),
				   .template_name = t->name,
				   .system = system && *system ? system : NULL,
				   .thinking = t->thinks ? c->enable_thinking : NULL };
	struct shard_writer *w;

	write_settings(job, &settings);
	info.settings = settings.p;
	w = shard_writer_open(path, &info, err);
	buf_free(&settings);
	return w;
}

static int list_sources(struct part *p, const struct mix *mix, struct err *err)
{
	struct jsonw w = { .out = &p->sources };

	jsonw_open(&w, '[');
	for (size_t i = 0; i < p->n; i++) {
		struct hash_hex hash = { "" };

		if (strcmp(p->sets[i].path, "-") && hash_path(&hash, p->sets[i].path, err) < 0)
			return -1;
		jsonw_open(&w, '{');
		jsonw_kstr(&w, "file", p->sets[i].path);
		jsonw_kstr(&w, "sha256", hash.s[0] ? hash.s : NULL);
		jsonw_kint(&w, "records", (int64_t)mix_given(mix, i));
		jsonw_close(&w, '}');
	}
	jsonw_close(&w, ']');
	return 0;
}

/* A part's records into `to`, what is held out of them into `held`. */
static int encode_part(struct job *job, struct part *p, double val_size, struct shard_writer *to,
		       struct shard_writer *held, struct err *err)
{
	const struct config *c = &job->config;
	struct mix_settings s = { .strategy = mix_strategy_of(c->mix_strategy),
				  .shares = p == &job->train ? job->shares : NULL,
				  .max_samples = (uint64_t)c->max_samples,
				  .val_size = val_size,
				  .seed = (uint64_t)c->seed };
	struct mix *mix = mix_open(&s, p->sets, p->n, err);
	struct bulk bulk = { .settings = &job->settings,
			     .tok = job->tok,
			     .mix = mix,
			     .writer = to,
			     .held = held,
			     .counts = &job->counts,
			     .threads = job->threads };
	int rc = mix ? bulk_encode(&bulk, p->sets, &p->held, err) : -1;
	uint64_t n = 0;

	for (size_t i = 0; rc == 0 && i < p->n; i++)
		n += mix_given(mix, i);
	if (rc == 0 && n == 0)
		rc = err_set(err, "%s: no records", dataset_label(&p->sets[0]));
	if (rc == 0 && n == job->counts.bad)
		rc = err_set(err, "%s: nothing to train on: kto_tag is false in every record",
			     dataset_label(&p->sets[0]));
	if (rc == 0)
		rc = list_sources(p, mix, err);
	mix_close(mix);
	return rc;
}

/* Without a stage the first data set decides. */
static int find_stage(struct job *job, struct err *err)
{
	const char *stage = job->config.stage;

	if (!stage)
		stage = job->train.sets[0].ranking ? "dpo" : "sft";
	job->stage = strcmp(stage, "dpo") ? SHARD_SFT : SHARD_DPO;
	for (size_t i = 0; i < job->train.n; i++)
		if (dataset_fits(&job->train.sets[i], job->stage == SHARD_DPO, err) < 0)
			return -1;
	for (size_t i = 0; i < job->eval.n; i++)
		if (dataset_fits(&job->eval.sets[i], job->stage == SHARD_DPO, err) < 0)
			return -1;
	return 0;
}

static int commit(struct shard_writer **w, const struct part *p, struct shard_info *done,
		  struct err *err)
{
	struct shard_writer *mine = *w;

	*w = NULL;
	shard_writer_sources(mine, p->sources.p);
	return shard_writer_close(mine, done, err);
}

static int finish(struct job *job, struct err *err)
{
	struct shard_info done, held = { 0 };
	bool val = job->held != NULL;

	if (val && commit(&job->held, job->eval.n ? &job->eval : &job->train, &held, err) < 0)
		return -1;
	if (commit(&job->writer, &job->train, &done, err) < 0)
		return -1;
	summary(&done, &job->counts, (long)job->settings.cutoff_len);
	if (val)
		tool_say(cmd.name, "%llu more examples are in %s",
			 (unsigned long long)held.n_examples, job->args->val);
	else if (job->train.held)
		tool_say(cmd.name, "%llu more are held out by val_size; --val SHARD keeps them",
			 (unsigned long long)job->train.held);
	else if (job->config.eval_dataset)
		tool_note("eval_dataset is not read; --val SHARD keeps it");
	return 0;
}

/* The model's own chat template says whether it thinks. */
static void check_thoughts(const struct job *job)
{
	const char *text = token_chat_template(job->tok);
	bool knows = text && strstr(text, "enable_thinking");

	if (text && knows != job->settings.template->thinks &&
	    !strncmp(job->settings.template->name, "qwen3", 5))
		tool_note("by its own chat template the model %s; its template is %s",
			  knows ? "thinks unless it is told not to" : "has no thoughts",
			  knows ? "qwen3" : "qwen3_nothink");
}

static int tokenize(struct job *job, struct err *err)
{
	const struct args *args = job->args;

	if (open_datasets(job, &job->train, err) < 0 ||
	    (args->val && job->eval.keys && open_datasets(job, &job->eval, err) < 0) ||
	    find_stage(job, err) < 0)
		return -1;
	if (job->n_shares && job->n_shares != job->train.n)
		return err_set(err, "interleave_probs has %zu numbers for %zu data sets",
			       job->n_shares, job->train.n);
	job->tok = token_open(job->config.model_name_or_path, err);
	if (!job->tok)
		return -1;
	check_thoughts(job);
	job->writer = open_writer(job, args->out, err);
	if (!job->writer || (args->val && !(job->held = open_writer(job, args->val, err))))
		return -1;
	if (encode_part(job, &job->train, job->config.val_size, job->writer, job->held, err) < 0)
		return -1;
	if (job->eval.n && encode_part(job, &job->eval, 0, job->held, NULL, err) < 0)
		return -1;
	return finish(job, err);
}

static void read_shares(struct job *job)
{
	const char *rest = job->config.interleave_probs, *item;
	size_t n;

	while ((item = config_list_next(&rest, &n))) {
		job->shares = mem_grow(job->shares, job->n_shares + 1, sizeof(*job->shares));
		job->shares[job->n_shares++] = strtod(item, NULL);
	}
}

static int run_datasets(const struct args *args, char **v, int n, struct err *err)
{
	struct job job = { .args = args, .threads = tool_threads(args->threads) };
	int rc = read_config(&job, args, v, n, err);

	if (rc == 0)
		rc = check_settings(&job, err);
	read_shares(&job);
	if (rc == 0)
		rc = tokenize(&job, err);
	shard_writer_abort(job.writer);
	shard_writer_abort(job.held);
	token_close(job.tok);
	close_part(&job.train);
	close_part(&job.eval);
	mem_free(job.shares);
	config_close(&job.config);
	return rc;
}

/* ---- filters ---- */

static int run_from_ids(const struct args *args, const struct token *tok, struct err *err)
{
	struct shard_info info = { .tokenizer_hash = tok ? token_hash(tok) : NULL,
				   .vocab_size = tok ? token_count(tok) : 0 };

	if (shard_from_ids(stdin, args->out, args->stage, &info, err) < 0)
		return -1;
	summary(&info, &(struct encode_counts){ 0 }, 0);
	return 0;
}

static int run_filter(const struct args *args, const struct token *tok, struct err *err)
{
	int threads = tool_threads(args->threads), rc;
	struct out out;

	if (out_open(&out, args->out, err) < 0)
		return -1;
	if (args->chat)
		rc = chat_filter(args->template, stdin, &out, err);
	else if (args->ids)
		rc = token_filter_ids(tok, stdin, &out, threads, err);
	else
		rc = token_filter_decode(tok, stdin, &out, args->skip_special, threads, err);
	if (rc == 0)
		return out_commit(&out, err);
	out_abort(&out);
	return rc;
}

static int run(const struct args *args, char **v, int n, struct err *err)
{
	bool filter = args->ids || args->decode || args->chat;
	struct token *tok = NULL;
	int rc;

	if (args->explain)
		return operands_explain(args->explain, err);
	if (!filter && !args->from_ids)
		return run_datasets(args, v, n, err);
	if (args->tokenizer) {
		tok = token_open(args->tokenizer, err);
		if (!tok)
			return -1;
	}
	rc = filter ? run_filter(args, tok, err) : run_from_ids(args, tok, err);
	token_close(tok);
	return rc;
}

static void check_args(const struct args *args, int n)
{
	int filters = args->ids + args->decode + args->from_ids + args->chat;

	if (filters > 1)
		opt_misuse(&cmd, "--ids, --decode, --from-ids and --chat exclude each other");
	if (filters && n)
		opt_misuse(&cmd, "a filter reads standard input; it takes no files");
	if ((args->ids || args->decode) && !args->tokenizer)
		opt_misuse(&cmd, "--ids and --decode need --tokenizer");
	if (args->chat && !args->template)
		opt_misuse(&cmd, "--chat needs --template: %s", chat_families());
	if (args->stage && strcmp(args->stage, "sft") && strcmp(args->stage, "dpo"))
		opt_misuse(&cmd, "--stage: '%s' is neither sft nor dpo", args->stage);
	if ((args->from_ids || !filters) && !args->explain && !args->out && isatty(STDOUT_FILENO))
		opt_misuse(&cmd, "a shard is not for a terminal; give -o SHARD");
}

int main(int argc, char **argv)
{
	struct args args = { 0 };
	struct err err = { 0 };
	int n, rc;

	tool_start_threads(argv);
	n = opt_parse(&cmd, &args, argc, argv);
	check_args(&args, n);
	rc = run(&args, argv, n, &err);
	mem_free(args.datasets.v);
	return rc < 0 ? tool_fail(&cmd, &err) : tool_done(&cmd, 0);
}
