/* SPDX-License-Identifier: Apache-2.0 */
/* ft-sft: train a LoRA adapter on a shard of examples. The page is ft-sft.1. */
#include "base/tool.h"
#include "train/run.h"

struct args {
	const char *device;
	long threads;
	double memory_limit;
	bool plan, json;
};

static const struct opt opts[] = {
	{ OPT_STR, 0, "device", "NAME", "auto, cpu, plain or ref (default: auto)",
	  offsetof(struct args, device), 0, 0 },
	{ OPT_INT, 0, "threads", "N", "threads (default: all processors)",
	  offsetof(struct args, threads), 1, 1024 },
	{ OPT_NUM, 0, "memory-limit", "GB",
	  "most memory to plan for (default: 60 % of the machine's)",
	  offsetof(struct args, memory_limit), 1e-3, 1e6 },
	{ OPT_FLAG, 0, "plan", NULL, "print the memory plan and stop", offsetof(struct args, plan),
	  0, 0 },
	{ OPT_FLAG, 'j', "json", NULL, "print a summary as one JSON object",
	  offsetof(struct args, json), 0, 0 },
	{ .type = OPT_END },
};

static const struct cmd cmd = {
	.name = "ft-sft",
	.usage = "[OPTION]... [CONFIG.yaml] [KEY=VALUE]... SHARD",
	.summary = "Train a LoRA adapter on a shard of examples.",
	.details =
		"Settings are LLaMA-Factory's keys, from the file and from KEY=VALUE (config.5).\n"
		"SHARD comes from ds-tokenize; '-' is standard input.\n\n"
		"  ft-sft sft.yaml train.tok.zst\n"
		"  ft-sft sft.yaml train.tok.zst learning_rate=5e-5 output_dir=out\n"
		"  ds-tokenize sft.yaml | ft-sft sft.yaml -\n"
		"\nExit code: 0; 2 trouble; 75 interrupted, can go on; 76 the numbers broke.\n",
	.opts = opts,
	.semantics = 1,
};

int main(int argc, char **argv)
{
	struct args a = { .device = "auto" };
	struct err err = { 0 };
	struct run_args run;
	int n;

	tool_start();
	n = opt_parse(&cmd, &a, argc, argv);
	run = (struct run_args){ .tool = cmd.name,
				 .objective = &objective_sft,
				 .use = CONFIG_SFT,
				 .device = a.device,
				 .threads = a.threads,
				 .memory_limit = a.memory_limit,
				 .plan = a.plan,
				 .json = a.json,
				 .operands = argv,
				 .n_operands = n,
				 .stop = tool_stop_flag() };
	if (run_training(&run, &err) < 0)
		return tool_fail(&cmd, &err);
	return tool_done(&cmd, 0);
}
