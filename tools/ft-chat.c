/* SPDX-License-Identifier: Apache-2.0 */
/* ft-chat: talk with a model; the page is ft-chat.1. */
#include "base/tool.h"
#include "chat/repl.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STREAMS 16 /* answers that --json works on at a time */

struct args {
	struct engine_options engine;
	struct sampling sampling;
	struct opt_list stops;
	long seed;
	bool json;
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
	     "adapters; all but the last are merged into the weights"),
	TEXT(0, "tokenizer", "PATH", tokenizer, "another tokenizer than the model's own"),
	TEXT(0, "template", "NAME", template, "chat template (default: what it was trained with)"),
	TEXT(0, "system", "TEXT", system, "system prompt (default: what it was trained with)"),
	NUMBER(OPT_NUM, "temperature", "T", sampling.temperature, 0, 100,
	       "0: always the likeliest token (the default)"),
	NUMBER(OPT_INT, "top-k", "K", sampling.top_k, 0, 1e6, "draw from the K likeliest; 0: all"),
	NUMBER(OPT_NUM, "top-p", "P", sampling.top_p, 0, 1,
	       "draw from the likeliest that reach P together"),
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
	{ OPT_FLAG, 'j', "json", NULL, "JSON lines in, JSON lines out", offsetof(struct args, json),
	  0, 0 },
	{ .type = OPT_END },
};

static const struct cmd cmd = {
	.name = "ft-chat",
	.usage = "-m MODEL [-a ADAPTER[,ADAPTER]] [OPTION]... [PROMPT...]",
	.summary = "Talk with a model, or let it answer prompts.",
	.details = "With PROMPT: one answer. On a terminal: a conversation, `clear` begins a new "
		   "one,\n"
		   "`exit` or Ctrl-D leaves, Ctrl-C stops an answer. Otherwise every line of "
		   "standard\n"
		   "input is a turn of one conversation; with --json a question of its own:\n\n"
		   "  ft-chat -m models/qwen -a saves/dpo\n"
		   "  echo '{\"prompt\": \"Hello\"}' | ft-chat -m models/qwen --json\n\n"
		   "Exit code: 0; 2 trouble; 76 the model's numbers are broken.\n",
	.opts = opts,
	.semantics = 1,
};

static char *joined(char **words, int n)
{
	struct buf text = { 0 };

	for (int i = 0; i < n; i++)
		buf_printf(&text, "%s%s", i ? " " : "", words[i]);
	return text.p;
}

static int talk(const struct args *a, struct engine *e, char **words, int n, struct err *err)
{
	char *prompt = joined(words, n);
	struct session s;
	int rc = session_open(&s, e, &a->sampling, &a->stops, err);

	if (rc == 0 && prompt)
		rc = repl_once(&s, prompt, err);
	else if (rc == 0 && isatty(STDIN_FILENO))
		rc = repl_terminal(&s, err);
	else if (rc == 0)
		rc = repl_lines(&s, err);
	mem_free(prompt);
	session_close(&s);
	return rc;
}

static int run(const struct args *a, char **words, int n, struct err *err)
{
	struct engine e;
	int rc;

	if (engine_open(&e, &a->engine, true, err) < 0)
		return -1;
	rc = a->json ? repl_json(&e, &a->sampling, &a->stops, STREAMS, err)
		     : talk(a, &e, words, n, err);
	engine_close(&e);
	return rc;
}

int main(int argc, char **argv)
{
	struct args args = { .sampling = sampling_default };
	struct err err = { 0 };
	int n;

	tool_start_threads(argv);
	n = opt_parse(&cmd, &args, argc, argv);
	if (!args.engine.model)
		opt_misuse(&cmd, "which model? give -m");
	if (args.json && n)
		opt_misuse(&cmd, "with --json prompts come from standard input");
	for (size_t i = 0; i < args.stops.n; i++)
		if (!*args.stops.v[i])
			opt_misuse(&cmd, "--stop must not be empty");
	args.sampling.seed = (uint64_t)args.seed;
	n = run(&args, argv, n, &err);
	mem_free(args.stops.v);
	return n < 0 ? tool_fail(&cmd, &err) : tool_done(&cmd, 0);
}
