/* SPDX-License-Identifier: Apache-2.0 */
/* ft-eval: how well a model answers, and log-probabilities as a filter; the page is ft-eval.1. */
#include "base/file.h"
#include "base/tool.h"
#include "eval/filter.h"
#include "eval/report.h"
#include "eval/run.h"

#include <stdio.h>
#include <string.h>

struct args {
	struct eval_options eval;
	struct opt_list require;
	const char *out;
	bool logprobs, json;
};

#define FLAG(name, field, help)                                                                    \
	{                                                                                          \
		OPT_FLAG, 0, name, NULL, help, offsetof(struct args, field), 0, 0                  \
	}
#define TEXT(letter, name, arg, field, help)                                                       \
	{                                                                                          \
		OPT_STR, letter, name, arg, help, offsetof(struct args, field), 0, 0               \
	}
#define LIST(letter, name, arg, field, help)                                                       \
	{                                                                                          \
		OPT_LIST, letter, name, arg, help, offsetof(struct args, field), 0, 0              \
	}
#define COUNT(name, field, min, max, help)                                                         \
	{                                                                                          \
		OPT_INT, 0, name, "N", help, offsetof(struct args, field), min, max                \
	}

static const struct opt opts[] = {
	TEXT('m', "model", "PATH", eval.engine.model, "a folder or a GGUF file"),
	TEXT('a', "adapter", "DIR[,DIR]", eval.engine.adapters,
	     "adapter; of several all but the last are merged first"),
	LIST('d', "dataset", "NAME|FILE", eval.datasets,
	     "a data set, or records of it: NAME[0:40]; may be given again"),
	TEXT(0, "dataset-dir", "DIR", eval.dataset_dir,
	     "where dataset_info.json is (default: data)"),
	LIST(0, "trained", "NAME|FILE", eval.trained,
	     "count answers that tell what this set has for another prompt"),
	LIST(0, "require", "GATE", require, "NAME:METRIC>=NUMBER, else exit 1; may be given again"),
	COUNT("max-new-tokens", eval.max_new_tokens, 1, 1e6,
	      "longest answer in tokens (default: 256)"),
	COUNT("streams", eval.streams, 1, 1024, "answers at a time (default: 32)"),
	FLAG("json", json, "one JSON object instead of the table"),
	TEXT('o', "output", "FILE", out, "write the JSON object here, and the table as ever"),
	FLAG("logprobs", logprobs, "filter: {\"ids\"} lines to {\"logprobs\"} lines"),
	TEXT(0, "template", "NAME", eval.engine.template, "chat template (default: the adapter's)"),
	TEXT(0, "system", "TEXT", eval.engine.system, "system prompt (default: the adapter's)"),
	TEXT(0, "tokenizer", "PATH", eval.engine.tokenizer,
	     "tokenizer of another place than the model"),
	TEXT(0, "device", "NAME", eval.engine.device, "auto, cpu, plain or ref (default: auto)"),
	COUNT("context", eval.engine.context, 2, 1e6,
	      "positions to prepare for (default: the model's, at most 8192)"),
	COUNT("threads", eval.engine.threads, 1, 1024, "threads (default: all processors)"),
	TEXT(0, "dtype", "TYPE", eval.engine.dtype, "auto, float32 or bfloat16 (default: auto)"),
	{ .type = OPT_END },
};

static const struct cmd cmd = {
	.name = "ft-eval",
	.usage = "-m MODEL [-a ADAPTER] {-d NAME... | --logprobs} [OPTION]...",
	.summary = "Score a model on data sets: exact answers, chrF, leaks, preferences.",
	.details = "  ft-eval -m base.gguf -a saves/dpo -d sft_complete_v3[0:40] -d "
		   "dpo_soviet_jokes \\\n"
		   "          --require 'sft_complete_v3[0:40]:exact>=36'\n"
		   "  ft-eval -m base.gguf -a saves/dpo -d eval_smalltalk --trained soviet_jokes\n"
		   "  echo '{\"ids\": [1, 2, 3]}' | ft-eval --logprobs -m base.gguf\n\n"
		   "Exit code: 0; 1 a gate of --require is not met; 2 trouble.\n",
	.opts = opts,
	.semantics = 1,
};

static int run_logprobs(const struct args *args, struct err *err)
{
	struct engine engine = { 0 };
	struct out out = { 0 };
	int rc = engine_open(&engine, &args->eval.engine, false, err);

	if (rc == 0)
		rc = out_open(&out, args->out, err);
	if (rc == 0)
		rc = eval_filter_logprobs(&engine, stdin, &out, err);
	if (rc == 0)
		rc = out_commit(&out, err);
	else
		out_abort(&out);
	engine_close(&engine);
	return rc;
}

static int report(const struct args *args, const struct eval *e, const struct engine *engine,
		  const struct gate *gates, struct err *err)
{
	struct buf json = { 0 };
	int rc = 0;

	report_json(e, engine, gates, args->require.n, &json);
	if (args->json && !args->out)
		fputs(json.p, stdout);
	else
		report_table(e, stdout);
	if (args->out)
		rc = file_write(args->out, json.p, json.n, err);
	buf_free(&json);
	return rc;
}

/* 1 when one is not met. */
static int judge(const struct gate *gates, size_t n)
{
	int code = 0;

	for (size_t i = 0; i < n; i++)
		if (!gate_met(&gates[i])) {
			fprintf(stderr, "%s: %s: it is %.9g\n", cmd.name, gates[i].text,
				gate_value(&gates[i]));
			code = 1;
		}
	return code;
}

/* Everything that can be wrong with the question is found before the model is read. */
static int run_datasets(const struct args *args, struct err *err)
{
	struct engine engine = { 0 };
	struct gate *gates = NULL;
	struct eval e;
	int rc = eval_load(&e, &args->eval, err);

	if (rc == 0)
		rc = gates_parse(&gates, &args->require, &e, err);
	if (rc == 0)
		rc = engine_open(&engine, &args->eval.engine, true, err);
	if (rc == 0)
		rc = eval_run(&e, &engine, err);
	if (rc == 0)
		rc = report(args, &e, &engine, gates, err);
	if (rc == 0)
		rc = judge(gates, args->require.n);
	mem_free(gates);
	engine_close(&engine);
	eval_close(&e);
	return rc;
}

static void check_args(const struct args *args, int n)
{
	const char *dtype = args->eval.engine.dtype;

	if (n)
		opt_misuse(&cmd, "it takes no files; a data set is given with --dataset");
	if (!args->eval.engine.model)
		opt_misuse(&cmd, "which model? give -m MODEL");
	if (args->logprobs && (args->eval.datasets.n || args->eval.trained.n || args->require.n))
		opt_misuse(&cmd, "--logprobs reads standard input; it takes no data sets");
	if (!args->logprobs && !args->eval.datasets.n)
		opt_misuse(&cmd, "which data set? give --dataset NAME or FILE");
	if (dtype && strcmp(dtype, "auto") && strcmp(dtype, "float32") && strcmp(dtype, "bfloat16"))
		opt_misuse(&cmd, "--dtype: '%s' is not auto, float32 or bfloat16", dtype);
}

int main(int argc, char **argv)
{
	struct args args = {
		.eval = { .dataset_dir = "data", .max_new_tokens = 256, .streams = 32 }
	};
	struct err err = { 0 };
	int n, rc;

	tool_start_threads(argv);
	n = opt_parse(&cmd, &args, argc, argv);
	check_args(&args, n);
	rc = args.logprobs ? run_logprobs(&args, &err) : run_datasets(&args, &err);
	mem_free(args.eval.datasets.v);
	mem_free(args.eval.trained.v);
	mem_free(args.require.v);
	return rc < 0 ? tool_fail(&cmd, &err) : tool_done(&cmd, rc);
}
