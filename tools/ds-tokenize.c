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
#include <string.h>
#include <unistd.h>

struct args {
	const char *out, *tokenizer, *stage, *dataset_dir, *template, *system, *explain;
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
		"model_name_or_path); options win.\n\n"
		"  ds-tokenize -t models/qwen --template qwen -d jokes.json -o jokes.tok.zst\n"
		"  ds-tokenize pipelines/soviet_v3/sft.yaml cutoff_len=512 -o sft.tok.zst\n"
		"  echo '{\"text\": \"hello\"}' | ds-tokenize --ids -t models/qwen\n\n"
		"Exit code: 0, or 2 when a record or a setting is wrong; then nothing is "
		"written.\n",
	.opts = opts,
	.semantics = 2,
};

/* ---- data sets ---- */

/* What one run needs, put together from options and config. */
struct job {
	struct config config;
	const char **datasets; /* names; owned as a whole */
	size_t n_datasets;
	struct token *tok;
	struct encode_settings settings;
	struct encode_counts counts;
	enum shard_stage stage;
	struct shard_writer *writer;
	bool any; /* a record was written */
	struct buf sources;
	struct jsonw sources_json;
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

static void list_datasets(struct job *job, const struct args *args)
{
	const char *rest = job->config.dataset, *item;
	size_t n;

	job->datasets = mem_new(1, sizeof(*job->datasets));
	for (size_t i = 0; i < args->datasets.n; i++) {
		job->datasets = mem_grow(job->datasets, i + 1, sizeof(*job->datasets));
		job->datasets[job->n_datasets++] = args->datasets.v[i];
	}
	while (!args->datasets.n && (item = config_list_next(&rest, &n))) {
		job->datasets =
			mem_grow(job->datasets, job->n_datasets + 1, sizeof(*job->datasets));
		job->datasets[job->n_datasets++] = arena_strndup(&job->config.arena, item, n);
	}
}

static int check_settings(struct job *job, struct err *err)
{
	const struct config *c = &job->config;

	if (!job->n_datasets)
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
	job->settings = (struct encode_settings){ .template = template_find(c->template, err),
						  .system = c->default_system,
						  .cutoff_len = (uint32_t)c->cutoff_len,
						  .train_on_prompt = c->train_on_prompt,
						  .mask_history = c->mask_history,
						  .thinking = thinking_of(c->enable_thinking),
						  .preserve_thinking = c->preserve_thinking };
	return job->settings.template ? 0 : -1;
}

static int open_writer(struct job *job, const char *path, struct err *err)
{
	const struct config *c = &job->config;
	const char *system =
		c->default_system ? c->default_system : job->settings.template->default_system;
	struct buf settings = { 0 };
	struct jsonw w = { .out = &settings };

	jsonw_open(&w, '{');
	jsonw_kint(&w, "cutoff_len", c->cutoff_len);
	jsonw_kbool(&w, "mask_history", c->mask_history);
	jsonw_kbool(&w, "train_on_prompt", c->train_on_prompt);
	if (job->settings.template->thinks)
		jsonw_kbool(&w, "preserve_thinking", c->preserve_thinking);
	jsonw_kint(&w, "max_samples", c->max_samples);
	jsonw_kint(&w, "semantics", cmd.semantics);
	jsonw_close(&w, '}');
	job->writer = shard_writer_open(path,
					&(struct shard_info){
						.stage = job->stage,
						.tokenizer_hash = token_hash(job->tok),
						.vocab_size = token_count(job->tok),
						.template_name = job->settings.template->name,
						.system = system && *system ? system : NULL,
						.thinking = job->settings.template->thinks
								    ? c->enable_thinking
								    : NULL,
						.settings = settings.p },
					err);
	buf_free(&settings);
	return job->writer ? 0 : -1;
}

static int add_source(struct job *job, const struct dataset *d, long records, struct err *err)
{
	struct jsonw *w = &job->sources_json;
	struct hash_hex hash = { "" };

	if (strcmp(d->path, "-") && hash_path(&hash, d->path, err) < 0)
		return -1;
	jsonw_open(w, '{');
	jsonw_kstr(w, "file", d->path);
	jsonw_kstr(w, "sha256", hash.s[0] ? hash.s : NULL);
	jsonw_kint(w, "records", records);
	jsonw_close(w, '}');
	return 0;
}

static int add_records(struct job *job, const struct dataset *d, struct err *err)
{
	struct bulk bulk = { .settings = &job->settings,
			     .tok = job->tok,
			     .writer = job->writer,
			     .counts = &job->counts,
			     .most = (size_t)job->config.max_samples,
			     .threads = job->threads };
	size_t n;

	if (bulk_encode(&bulk, d, &n, err) < 0)
		return -1;
	job->any |= n > 0;
	return add_source(job, d, (long)n, err);
}

static int add_dataset(struct job *job, const char *name, const char *out, struct err *err)
{
	struct dataset d;
	int rc = dataset_open(&d, name, job->config.dataset_dir, err);

	if (rc == 0 && !job->writer) {
		/* Without --stage the first data set decides. */
		if (!job->config.stage)
			job->config.stage = d.ranking ? "dpo" : "sft";
		job->stage = strcmp(job->config.stage, "dpo") ? SHARD_SFT : SHARD_DPO;
		rc = open_writer(job, out, err);
	}
	if (rc == 0)
		rc = dataset_fits(&d, job->stage == SHARD_DPO, err);
	if (rc == 0)
		rc = add_records(job, &d, err);
	dataset_close(&d);
	return rc;
}

static int finish(struct job *job, struct err *err)
{
	struct shard_writer *w = job->writer;
	struct shard_info done;

	jsonw_close(&job->sources_json, ']');
	shard_writer_sources(w, job->sources.p);
	job->writer = NULL;
	if (shard_writer_close(w, &done, err) < 0)
		return -1;
	summary(&done, &job->counts, job->config.cutoff_len);
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

static int tokenize(struct job *job, const char *out, struct err *err)
{
	job->tok = token_open(job->config.model_name_or_path, err);
	if (!job->tok)
		return -1;
	check_thoughts(job);
	job->sources_json = (struct jsonw){ .out = &job->sources };
	jsonw_open(&job->sources_json, '[');
	for (size_t i = 0; i < job->n_datasets; i++)
		if (add_dataset(job, job->datasets[i], out, err) < 0)
			return -1;
	if (!job->any)
		return err_set(err, "%s: no records", job->datasets[0]);
	return finish(job, err);
}

static int run_datasets(const struct args *args, char **v, int n, struct err *err)
{
	struct job job = { .threads = tool_threads(args->threads) };
	int rc = read_config(&job, args, v, n, err);

	if (rc == 0) {
		list_datasets(&job, args);
		rc = check_settings(&job, err);
	}
	if (rc == 0)
		rc = tokenize(&job, args->out, err);
	shard_writer_abort(job.writer);
	token_close(job.tok);
	mem_free(job.datasets);
	buf_free(&job.sources);
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
