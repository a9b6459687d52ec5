/* SPDX-License-Identifier: Apache-2.0 */
/* ft-dpo: train a LoRA adapter on a shard of preference pairs. The page is ft-dpo.1. */
#include "base/tool.h"
#include "train/run.h"

enum { SEMANTICS = 3 };

static const struct cmd cmd = {
	.name = "ft-dpo",
	.usage = "[OPTION]... [CONFIG.yaml] [KEY=VALUE]... SHARD",
	.summary = "Train a LoRA adapter on a shard of preference pairs.",
	.details =
		"Settings are LLaMA-Factory's keys, from the file and from KEY=VALUE (config.5).\n"
		"SHARD comes from ds-tokenize; '-' is standard input.\n\n"
		"  ft-dpo dpo.yaml pairs.tok.zst adapter_name_or_path=saves/sft\n"
		"  ft-dpo dpo.yaml pairs.tok.zst adapter_name_or_path=saves/sft "
		"ref_model_adapters=saves/sft\n"
		"\nExit code: 0; 2 trouble; 75 interrupted, can go on; 76 the numbers broke.\n",
	.opts = run_opts,
	.semantics = SEMANTICS,
};

int main(int argc, char **argv)
{
	static const struct run_kind kind = { "ft-dpo", &objective_dpo, CONFIG_DPO, SEMANTICS };
	struct run_args args = { 0 };
	struct err err = { 0 };
	int n;

	tool_start_threads(argv);
	n = opt_parse(&cmd, &args, argc, argv);
	if (run_training(&kind, &args, argv, n, tool_stop_flag(), &err) < 0)
		return tool_fail(&cmd, &err);
	return tool_done(&cmd, 0);
}
