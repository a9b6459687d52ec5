/* SPDX-License-Identifier: Apache-2.0 */
/* ds-tokenize: data sets to a token shard, and the tokenizer as a filter; the page is ds-tokenize.1. */
#include "base/file.h"
#include "base/tool.h"
#include "config/operands.h"
#include "shard/from_ids.h"
#include "shard/shard.h"
#include "template/chat_filter.h"
#include "template/chat_render.h"
#include "template/tokenize.h"
#include "token/filter.h"
#include "token/token.h"

#include <stdio.h>
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

/* CONFIG.yaml, KEY=VALUE, and the options over both. */
static int read_config(struct config *c, const struct args *args, char **v, int n, struct err *err)
{
	static const char *const required[] = { NULL };
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
	c->dataset_dir = args->dataset_dir ? args->dataset_dir
					   : tokenize_find(c, c->dataset_dir, "dataset_info.json");
	c->template = args->template ? args->template : c->template;
	c->default_system = args->system ? args->system : c->default_system;
	c->cutoff_len = args->cutoff_len ? args->cutoff_len : c->cutoff_len;
	c->mask_history |= args->mask_history;
	c->train_on_prompt |= args->train_on_prompt;
	c->model_name_or_path = args->tokenizer ? args->tokenizer : c->model_name_or_path;
	return 0;
}

static int run_datasets(const struct args *args, char **v, int n, struct err *err)
{
	struct tokenize t = { .datasets = args->datasets,
			      .out = args->out,
			      .val = args->val,
			      .tool = cmd.name,
			      .semantics = cmd.semantics,
			      .threads = tool_threads(args->threads) };
	int rc = read_config(&t.config, args, v, n, err);

	if (rc == 0)
		rc = tokenize_datasets(&t, err);
	config_close(&t.config);
	return rc;
}

/* ---- filters ---- */

static int run_from_ids(const struct args *args, const struct token *tok, struct err *err)
{
	struct shard_info info = { .tokenizer_hash = tok ? token_hash(tok) : NULL,
				   .vocab_size = tok ? token_count(tok) : 0 };

	if (shard_from_ids(stdin, args->out, args->stage, &info, err) < 0)
		return -1;
	tool_say(cmd.name, "%llu examples, %llu tokens, %llu trained, 0 truncated",
		 (unsigned long long)info.n_examples, (unsigned long long)info.n_tokens,
		 (unsigned long long)info.n_trained);
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
	if (args->val && args->out && !strcmp(args->val, args->out))
		opt_misuse(&cmd, "--val and --output name the same file");
	if (args->val && (filters || !strcmp(args->val, "-")))
		opt_misuse(&cmd, "--val takes a file, and belongs to data sets");
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
