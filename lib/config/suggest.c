/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"
#include "base/utf8.h"
#include "config/schema.h"

#include <ctype.h>
#include <string.h>

/* What people write who come from TRL, PEFT, axolotl or papers. */
static const char *const aliases[][2] = {
	{ "alpha", "lora_alpha" },
	{ "base_model", "model_name_or_path" },
	{ "batch_size", "per_device_train_batch_size" },
	{ "beta", "pref_beta" },
	{ "beta1", "adam_beta1" },
	{ "beta2", "adam_beta2" },
	{ "chat_template", "template" },
	{ "clip_grad", "max_grad_norm" },
	{ "data", "dataset" },
	{ "dataset_name", "dataset" },
	{ "datasets", "dataset" },
	{ "dpo_beta", "pref_beta" },
	{ "dpo_loss", "pref_loss" },
	{ "dropout", "lora_dropout" },
	{ "epochs", "num_train_epochs" },
	{ "epsilon", "adam_epsilon" },
	{ "eps", "adam_epsilon" },
	{ "grad_accum", "gradient_accumulation_steps" },
	{ "label_smoothing", "dpo_label_smoothing" },
	{ "loss_type", "pref_loss" },
	{ "lora_modules", "lora_target" },
	{ "lora_r", "lora_rank" },
	{ "lora_target_modules", "lora_target" },
	{ "lr", "learning_rate" },
	{ "lr_scheduler", "lr_scheduler_type" },
	{ "max_length", "cutoff_len" },
	{ "max_seq_len", "cutoff_len" },
	{ "max_seq_length", "cutoff_len" },
	{ "micro_batch_size", "per_device_train_batch_size" },
	{ "model", "model_name_or_path" },
	{ "model_name", "model_name_or_path" },
	{ "model_path", "model_name_or_path" },
	{ "num_epochs", "num_train_epochs" },
	{ "optimizer", "optim" },
	{ "output", "output_dir" },
	{ "r", "lora_rank" },
	{ "rank", "lora_rank" },
	{ "reference_model", "ref_model" },
	{ "scheduler", "lr_scheduler_type" },
	{ "sequence_len", "cutoff_len" },
	{ "sft_weight", "pref_ftx" },
	{ "system", "default_system" },
	{ "system_prompt", "default_system" },
	{ "target_modules", "lora_target" },
	{ "train_on_inputs", "train_on_prompt" },
	{ "warmup", "warmup_ratio" },
};

/* Lower case, '-' and ' ' as '_': how a name is compared. False if it is too long. */
static bool normal(const char *name, char *out)
{
	size_t n = strlen(name);

	if (!n || n > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i <= n; i++)
		out[i] = name[i] == '-' || name[i] == ' ' ? '_'
							  : (char)tolower((unsigned char)name[i]);
	return true;
}

const char *suggest_key(const char *name)
{
	char want[NAME_MAX_BYTES + 1];
	const char *best = NULL;
	size_t least;

	if (!normal(name, want))
		return NULL;
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (!strcmp(want, aliases[i][0]))
			return aliases[i][1];
	/* A third of the letters wrong is still a slip; more is another word. */
	least = strlen(want) / 3 + 1;
	for (size_t i = 0; i < config_n_keys; i++) {
		const char *have = config_keys[i].name;
		size_t d;

		if (strchr(have, '*'))
			continue;
		d = name_distance(want, have);
		/* The table begins with the keys that are used: they win a draw. */
		if (d < least) {
			least = d;
			best = have;
		}
	}
	return best;
}

const char *suggest_choice(const char *name, const char *choices, char *item, size_t cap)
{
	char want[NAME_MAX_BYTES + 1], have[NAME_MAX_BYTES + 1];
	size_t least, n;
	bool found = false;

	if (!normal(name, want))
		return NULL;
	least = strlen(want) / 2 + 1;
	for (const char *p = choices; *p; p += n + strspn(p + n, " ")) {
		n = strcspn(p, " ");
		if (n > NAME_MAX_BYTES || n >= cap)
			continue;
		memcpy(have, p, n);
		have[n] = 0;
		if (name_distance(want, have) < least) {
			least = name_distance(want, have);
			memcpy(item, have, n + 1);
			found = true;
		}
	}
	return found ? item : NULL;
}

const char *shown(struct arena *arena, const char *name)
{
	size_t n = 0, step;
	char *s;

	while (name[n] && (step = utf8_check(name + n, strlen(name + n))) && n + step <= 60)
		n += step;
	s = name[n] ? arena_printf(arena, "%.*s...", (int)n, name) : arena_strndup(arena, name, n);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 32 || s[i] == 127)
			s[i] = '?';
	return s;
}
