/* SPDX-License-Identifier: Apache-2.0 */
/* ft-chat: talk with a model; the page is ft-chat.1. */
#include "base/tool.h"
#include "chat/request_file.h"
#include "chat/repl.h"
#include "config/operands.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct args {
	struct engine_options engine;
	struct sampling sampling;
	struct opt_list stops;
	const char *batch, *explain;
	long seed, streams;
	bool json, stream, timings;
};

#define TEXT(letter, name, arg, field, help)                                                       \
	{                                                                                          \
		OPT_STR, letter, name, arg, help, offsetof(struct args, engine.field), 0, 0        \
	}
#define NUMBER(type, name, arg, field, min, max, help)                                             \
	{                                                                                          \
		type, 0, name, arg, help, offsetof(struct args, field), min, max                   \
	}

static const struct opt opts[] = {
	TEXT('m', "model", "PATH", model, "a Hugging Face folder or a GGUF file"),
	TEXT('a', "adapter", "DIR[,DIR]", adapters,
	     "adapters, applied together; /adapter takes them off and on"),
	TEXT(0, "tokenizer", "PATH", tokenizer, "another tokenizer than the model's own"),
	TEXT(0, "template", "NAME", template, "chat template (default: what it was trained with)"),
	TEXT(0, "system", "TEXT", system, "system prompt (default: what it was trained with)"),
	NUMBER(OPT_NUM, "temperature", "T", sampling.temperature, 0, 100,
	       "0: always the likeliest token (the default)"),
	NUMBER(OPT_INT, "top-k", "K", sampling.top_k, 0, 1e6, "draw from the K likeliest; 0: all"),
	NUMBER(OPT_NUM, "top-p", "P", sampling.top_p, 0, 1,
	       "draw from the likeliest that reach P together"),
	NUMBER(OPT_NUM, "min-p", "P", sampling.min_p, 0, 1,
	       "draw from those at least P times as likely as the first"),
	NUMBER(OPT_NUM, "repetition-penalty", "R", sampling.repetition_penalty, 0.01, 100,
	       "above 1: what was said becomes less likely"),
	NUMBER(OPT_INT, "seed", "N", seed, 0, 9e15, "of the draws (default: 0)"),
	NUMBER(OPT_INT, "max-new-tokens", "N", sampling.max_new_tokens, 1, 1e6,
	       "an answer's longest (default: 512)"),
	NUMBER(OPT_LIST, "stop", "STRING", stops, 0, 0, "text that ends an answer; again for more"),
	NUMBER(OPT_INT, "context", "N", engine.context, 2, 1e6,
	       "positions (default: the model's, at most 8192)"),
	TEXT(0, "device", "NAME", device, "auto, cpu, plain or ref (default: auto)"),
	NUMBER(OPT_INT, "threads", "N", engine.threads, 1, 1024,
	       "threads (default: all processors)"),
	TEXT(0, "dtype", "TYPE", dtype, "auto, float32 or bfloat16 (default: the model's)"),
	NUMBER(OPT_STR, "batch", "FILE", batch, 0, 0,
	       "answer a file of prompts, one a line, or of JSON requests"),
	NUMBER(OPT_INT, "streams", "N", streams, 1, 1024,
	       "answers at a time with --json and --batch (default: 16)"),
	NUMBER(OPT_STR, "explain", "KEY", explain, 0, 0,
	       "what a key means, and what it takes; all: every key"),
	{ OPT_FLAG, 'j', "json", NULL, "JSON lines in, JSON lines out", offsetof(struct args, json),
	  0, 0 },
	NUMBER(OPT_FLAG, "stream", NULL, stream, 0, 0,
	       "with --json: answers piece by piece as they come"),
	NUMBER(OPT_FLAG, "timings", NULL, timings, 0, 0,
	       "with --json: how long prompt and answer took"),
	{ .type = OPT_END },
};

static const struct cmd cmd = {
	.name = "ft-chat",
	.usage = "[OPTION]... [CONFIG.yaml [KEY=VALUE]...] [PROMPT...]",
	.summary = "Talk with a model, or let it answer prompts.",
	.details =
		"With PROMPT: one answer. On a terminal: a conversation; /help lists what can be\n"
		"told beside talking, Ctrl-C stops an answer, Ctrl-D leaves. Otherwise every\n"
		"line of standard input is a turn of one conversation; with --json a question\n"
		"of its own:\n\n"
		"  ft-chat -m models/qwen -a saves/dpo\n"
		"  ft-chat chat.yaml temperature=0.7\n"
		"  ft-chat -m models/qwen --batch prompts.txt >answers.txt\n"
		"  echo '{\"prompt\": \"Hello\"}' | ft-chat -m models/qwen --json\n\n"
		"CONFIG.yaml has LLaMA-Factory's keys for talking, with its defaults of the "
		"draws;\n"
		"options win.\n\n"
		"Exit code: 0; 2 trouble; 76 the model's numbers are broken.\n",
	.opts = opts,
	.semantics = 1,
};

/* Not given: below all that can be. */
static const struct sampling unset = { -1, -1, -1, -1, -1, 0, -1 };

static double number(double option, double otherwise)
{
	return option < 0 ? otherwise : option;
}

/* Options, over the keys of a configuration, over what ft-chat does without one. */
static void settle_sampling(struct args *a, const struct config *c)
{
	struct sampling d = sampling_default, *s = &a->sampling;

	if (c) {
		d.temperature = c->do_sample ? c->temperature : 0;
		d.top_p = c->top_p;
		d.top_k = c->top_k;
		d.repetition_penalty = c->repetition_penalty;
		d.max_new_tokens = c->max_new_tokens;
		d.seed = (uint64_t)c->seed;
	}
	s->temperature = number(s->temperature, d.temperature);
	s->top_p = number(s->top_p, d.top_p);
	s->min_p = number(s->min_p, d.min_p);
	s->repetition_penalty = number(s->repetition_penalty, d.repetition_penalty);
	s->top_k = s->top_k < 0 ? d.top_k : s->top_k;
	s->max_new_tokens = s->max_new_tokens < 0 ? d.max_new_tokens : s->max_new_tokens;
	s->seed = a->seed < 0 ? d.seed : (uint64_t)a->seed;
}

/* The first n operands are a configuration. */
static int read_config(struct args *a, struct config *c, char **v, int n, struct err *err)
{
	static const char *const required[] = { NULL };
	struct engine_options *e = &a->engine;
	struct operands ops;
	int rc = operands_read(&ops, v, n, false, err);

	if (rc == 0)
		rc = operands_config(&ops, c, CONFIG_CHAT, required, err);
	operands_free(&ops);
	if (rc < 0)
		return -1;
	if (c->ignored)
		tool_note("no effect here: %s", c->ignored);
	e->model = e->model ? e->model : c->model_name_or_path;
	e->adapters = e->adapters ? e->adapters : c->adapter_name_or_path;
	e->template = e->template ? e->template : c->template;
	e->system = e->system ? e->system : c->default_system;
	e->thinking = config_is_set(c, "enable_thinking") ? c->enable_thinking : NULL;
	e->dtype = e->dtype ? e->dtype : c->infer_dtype;
	settle_sampling(a, c);
	return 0;
}

static char *joined(char **words, int n)
{
	struct buf text = { 0 };

	for (int i = 0; i < n; i++)
		buf_printf(&text, "%s%s", i ? " " : "", words[i]);
	return text.p;
}

static int talk(const struct args *a, struct engine *e, const struct request_defaults *d,
		char **words, int n, struct err *err)
{
	char *prompt = joined(words, n);
	int rc;

	if (prompt)
		rc = repl_once(e, d, prompt, err);
	else if (a->json)
		rc = repl_json(e, d, (int)a->streams, err);
	else if (isatty(STDIN_FILENO))
		rc = repl_terminal(e, d, a->engine.model, err);
	else
		rc = repl_lines(e, d, err);
	mem_free(prompt);
	return rc;
}

static int answer(const struct args *a, char **words, int n, struct err *err)
{
	struct request_defaults d = { &a->sampling, &a->stops, a->stream, a->timings };
	struct request_file file = { 0 };
	struct engine e = { 0 };
	int rc = a->batch ? request_file_read(&file, a->batch, &d, err) : 0;

	if (rc == 0)
		rc = engine_prepare(&e, &a->engine, true, err);
	if (rc == 0)
		rc = request_file_encode(&file, &e, err);
	if (rc == 0)
		rc = engine_load(&e, &a->engine, err);
	if (rc == 0)
		rc = a->batch ? request_file_answer(&file, &e, (int)a->streams, a->json, err)
			      : talk(a, &e, &d, words, n, err);
	request_file_close(&file);
	engine_close(&e);
	return rc;
}

static int run(struct args *a, char **v, int n, struct err *err)
{
	int lead = operands_leading(v, n), rc = 0;
	struct config c = { 0 };

	if (a->explain)
		return operands_explain(a->explain, err);
	if (lead)
		rc = read_config(a, &c, v, lead, err);
	else
		settle_sampling(a, NULL);
	if (rc == 0 && !a->engine.model)
		rc = err_set(err, "which model? give -m, or the key model_name_or_path");
	if (rc == 0 && a->json && n > lead)
		rc = err_set(err, "with --json prompts come from standard input");
	if (rc == 0 && a->batch && n > lead)
		rc = err_set(err, "with --batch prompts come from its file");
	if (rc == 0)
		rc = answer(a, v + lead, n - lead, err);
	config_close(&c);
	return rc;
}

int main(int argc, char **argv)
{
	struct args args = { .engine.apart = true, .sampling = unset, .seed = -1, .streams = 16 };
	struct err err = { 0 };
	int n;

	tool_start_threads(argv);
	n = opt_parse(&cmd, &args, argc, argv);
	if (args.stream && !args.json)
		opt_misuse(&cmd,
			   "--stream belongs to --json; elsewhere answers come as they are made");
	if (args.timings && !args.json)
		opt_misuse(&cmd, "--timings belongs to --json");
	for (size_t i = 0; i < args.stops.n; i++)
		if (!*args.stops.v[i])
			opt_misuse(&cmd, "--stop must not be empty");
	n = run(&args, argv, n, &err);
	mem_free(args.stops.v);
	return n < 0 ? tool_fail(&cmd, &err) : tool_done(&cmd, 0);
}
