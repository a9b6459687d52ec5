/* SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"

#include <math.h>
#include <string.h>

#define S     CONFIG_SFT
#define D     CONFIG_DPO
#define T     CONFIG_TOKENIZE
#define AT(f) .off = offsetof(struct config, f)
#define STEPS 1e9

/* USED(name, type, uses, default, what it does, more) */
#define USED(f, t, u, d, h, ...)                                                                   \
	{                                                                                          \
		.name = #f, .kind = KEY_USED, .type = KEY_##t, .uses = (u), .preset = d,           \
		.help = h, AT(f), __VA_ARGS__                                                      \
	}
#define RANGE(lo, hi) .min = (lo), .max = (hi)
#define MISSING(n, t, d)                                                                           \
	{                                                                                          \
		.name = n, .kind = KEY_MISSING, .type = KEY_##t, .preset = d                       \
	}
#define IGNORED(n)                                                                                 \
	{                                                                                          \
		.name = n, .kind = KEY_IGNORED, .type = KEY_STR                                    \
	}

/* clang-format off */
const struct key config_keys[] = {
	/* model */
	USED(model_name_or_path, STR, S | D | T, NULL,
	     "The folder (or GGUF file) of the base model.",),
	USED(adapter_name_or_path, LIST, S | D, NULL,
	     "Adapters to start from; the last is trained on, the others are merged into the base.",),
	USED(ref_model, STR, D, NULL,
	     "The reference model of DPO; only the base model itself is implemented.",),
	USED(ref_model_adapters, LIST, D, NULL,
	     "Adapters that the reference model wears.",),
	USED(disable_gradient_checkpointing, BOOL, S | D, "false",
	     "Never compute activations again where memory is short: micro-batches get smaller instead.",),

	/* method */
	USED(stage, STR, S | D | T, "sft", "What is trained.",
	     .choices = "sft dpo", .later = "pt rm ppo kto"),
	USED(finetuning_type, STR, S | D, "lora", "How it is trained.",
	     .choices = "lora", .later = "full freeze oft"),
	USED(do_train, BOOL, S | D, "true", "Accepted so that YAML files need not change; must be true.",),
	USED(lora_rank, INT, S | D, "8", "The rank of the LoRA matrices.", RANGE(1, 1024)),
	USED(lora_alpha, INT, S | D, NULL,
	     "The LoRA scale is lora_alpha / lora_rank; null is twice the rank.", RANGE(1, 65536)),
	USED(lora_dropout, NUM, S | D, "0.0", "Dropout before the LoRA matrices; DPO sets it to 0.",
	     RANGE(0, 1), .open = OPEN_MAX),
	USED(lora_target, LIST, S | D, "all", "The modules that get LoRA matrices.",
	     .choices = "all q_proj k_proj v_proj o_proj gate_proj up_proj down_proj"),
	USED(use_rslora, BOOL, S | D, "false",
	     "Scale by lora_alpha over the square root of lora_rank.",),
	USED(create_new_adapter, BOOL, S | D, "false",
	     "Merge adapter_name_or_path into the base and train a new adapter on top.",),
	USED(pref_beta, NUM, D, "0.1", "The beta of DPO.", RANGE(0, 1e6), .open = OPEN_MIN),
	USED(pref_ftx, NUM, D, "0.0", "The weight of the SFT loss of the chosen answer.",
	     RANGE(0, 1e6)),
	USED(reference_cache, STR, D, "shard",
	     "Where reference log-probabilities are kept for the next run (not a key of LLaMA-Factory).",
	     .choices = "shard output_dir no"),
	USED(pref_loss, STR, D, "sigmoid", "The preference loss.",
	     .choices = "sigmoid", .later = "hinge ipo kto_pair orpo simpo"),
	USED(dpo_label_smoothing, NUM, D, "0.0",
	     "The share of pairs assumed to be labelled the wrong way round.",
	     RANGE(0, 0.5), .open = OPEN_MAX),

	/* data */
	USED(dataset, LIST, S | D | T, NULL, "Names in dataset_info.json, or paths of files.",),
	USED(dataset_dir, STR, S | D | T, "data", "The folder of dataset_info.json.",),
	USED(template, STR, S | D | T, NULL, "The chat template.",),
	USED(default_system, STR, S | D | T, NULL,
	     "The system prompt of examples that have none; null is the template's own.",
	     .may_be_empty = true),
	USED(cutoff_len, INT, S | D | T, "2048", "The most tokens of an example.",
	     RANGE(8, 1048576)),
	USED(max_samples, INT, S | D | T, NULL, "The first so many examples of each data set.",
	     RANGE(1, 1e12)),
	USED(mask_history, BOOL, S | T, "false", "Train only the last answer of a conversation.",),
	USED(train_on_prompt, BOOL, S | T, "false", "Train the prompt too.",),
	USED(disable_shuffling, BOOL, S | D, "false", "Take the examples in their order.",),

	/* optimisation */
	USED(per_device_train_batch_size, INT, S | D, "8", "Examples of a micro-batch.",
	     RANGE(1, 65536)),
	USED(gradient_accumulation_steps, INT, S | D, "1", "Micro-batches of an optimizer step.",
	     RANGE(1, 65536)),
	USED(learning_rate, NUM, S | D, "5e-5", "The highest learning rate of the run.",
	     RANGE(0, INFINITY)),
	USED(num_train_epochs, NUM, S | D, "3.0", "Passes over the data; may be a fraction.",
	     RANGE(0, 1e6), .open = OPEN_MIN),
	USED(max_steps, INT, S | D, "-1", "Above 0: optimizer steps, instead of num_train_epochs.",
	     RANGE(-1, STEPS)),
	USED(lr_scheduler_type, STR, S | D, "linear", "The course of the learning rate.",
	     .choices = "linear cosine constant constant_with_warmup",
	     .later = "polynomial cosine_with_restarts inverse_sqrt reduce_lr_on_plateau "
		      "cosine_with_min_lr warmup_stable_decay"),
	USED(warmup_ratio, NUM, S | D, "0.0", "The part of the run in which the learning rate rises.",
	     RANGE(0, 1)),
	USED(warmup_steps, NUM, S | D, "0",
	     "Steps in which it rises, before warmup_ratio; below 1, a part.", RANGE(0, STEPS)),
	USED(optim, STR, S | D, "adamw_torch", "The optimizer; both names are the same AdamW here.",
	     .choices = "adamw_torch adamw_torch_fused",
	     .later = "adamw_8bit adamw_bnb_8bit paged_adamw_8bit paged_adamw_32bit adafactor sgd "
		      "adamw_hf adamw_apex_fused adagrad lion_32bit lion_8bit"),
	USED(weight_decay, NUM, S | D, "0.0", "Decoupled weight decay.", RANGE(0, 1e6)),
	USED(adam_beta1, NUM, S | D, "0.9", "Decay of the first moment.", RANGE(0, 1),
	     .open = OPEN_MAX),
	USED(adam_beta2, NUM, S | D, "0.999", "Decay of the second moment.", RANGE(0, 1),
	     .open = OPEN_MAX),
	USED(adam_epsilon, NUM, S | D, "1e-8", "Added to the root of the second moment.",
	     RANGE(0, 1), .open = OPEN_MIN),
	USED(max_grad_norm, NUM, S | D, "1.0", "Gradients are clipped to this norm; 0: never.",
	     RANGE(0, INFINITY)),
	USED(share_prefixes, BOOL, S | D, "true",
	     "Compute once what sequences begin with alike (not a key of LLaMA-Factory).",),
	USED(bf16, BOOL, S | D, "false", "Matrix products in bfloat16.",),
	USED(fp16, BOOL, S | D, "false", "Read as bf16, with a note.",),
	USED(seed, INT, S | D, "42", "The seed of everything random.", RANGE(0, 4294967295.0)),
	USED(data_seed, INT, S | D, NULL, "The seed of the order of examples; null is seed.",
	     RANGE(0, 4294967295.0)),

	/* output */
	USED(output_dir, STR, S | D, NULL, "The folder of the adapter and the logs.",),
	USED(overwrite_output_dir, BOOL, S | D, "false", "Start anew in a folder that has a run.",),
	USED(logging_steps, NUM, S | D, "500", "Log every so many steps; below 1, a part of the run.",
	     RANGE(0, STEPS), .open = OPEN_MIN),
	USED(save_steps, NUM, S | D, "500",
	     "Save a checkpoint every so many steps; below 1, a part of the run.",
	     RANGE(0, STEPS), .open = OPEN_MIN),
	USED(save_strategy, STR, S | D, "steps", "When checkpoints are saved.",
	     .choices = "no steps epoch", .later = "best"),
	USED(save_total_limit, INT, S | D, NULL, "Keep the newest so many checkpoints; 0 and null: all.",
	     RANGE(0, 1e6)),
	USED(plot_loss, BOOL, S | D, "false", "Draw the loss curve.",),
	USED(resume_from_checkpoint, STR, S | D, NULL,
	     "The checkpoint folder to go on from; true: the newest whole one of output_dir.",
	     .may_be_switch = true),

	/* known, would change the result, not implemented: only the default is accepted */
	MISSING("adapter_folder", STR, NULL), MISSING("resize_vocab", BOOL, "false"),
	MISSING("split_special_tokens", BOOL, "false"), MISSING("add_tokens", STR, NULL),
	MISSING("add_special_tokens", STR, NULL), MISSING("new_special_tokens_config", STR, NULL),
	MISSING("rope_scaling", STR, NULL), MISSING("shift_attn", BOOL, "false"),
	MISSING("mixture_of_depths", STR, NULL), MISSING("upcast_layernorm", BOOL, "false"),
	MISSING("upcast_lmhead_output", BOOL, "false"), MISSING("moe_aux_loss_coef", NUM, NULL),
	MISSING("train_from_scratch", BOOL, "false"), MISSING("quantization_bit", INT, NULL),
	MISSING("ref_model_quantization_bit", INT, NULL), MISSING("eval_dataset", STR, NULL),
	MISSING("streaming", BOOL, "false"), MISSING("mix_strategy", STR, "concat"),
	MISSING("interleave_probs", STR, NULL), MISSING("ignore_pad_token_for_loss", BOOL, "true"),
	MISSING("val_size", NUM, "0"), MISSING("eval_on_each_dataset", BOOL, "false"),
	MISSING("packing", BOOL, "false"), MISSING("neat_packing", BOOL, "false"),
	MISSING("tool_format", STR, NULL), MISSING("enable_thinking", BOOL, "true"),
	MISSING("preserve_thinking", BOOL, "false"), MISSING("tokenized_path", STR, NULL),
	MISSING("do_eval", BOOL, "false"), MISSING("do_predict", BOOL, "false"),
	MISSING("additional_target", STR, NULL), MISSING("use_dora", BOOL, "false"),
	MISSING("pissa_init", BOOL, "false"), MISSING("pissa_convert", BOOL, "false"),
	MISSING("loraplus_lr_ratio", NUM, NULL), MISSING("use_llama_pro", BOOL, "false"),
	MISSING("pref_bco_weight", NUM, "0"), MISSING("ld_alpha", NUM, NULL),
	MISSING("pure_bf16", BOOL, "false"), MISSING("early_stopping_steps", INT, NULL),
	MISSING("use_galore", BOOL, "false"), MISSING("use_apollo", BOOL, "false"),
	MISSING("use_badam", BOOL, "false"), MISSING("use_adam_mini", BOOL, "false"),
	MISSING("use_muon", BOOL, "false"), MISSING("use_dft_loss", BOOL, "false"),
	MISSING("use_asft_loss", BOOL, "false"), MISSING("use_eaft_loss", BOOL, "false"),
	MISSING("use_mca", BOOL, "false"), MISSING("use_megatron_bridge", BOOL, "false"),
	MISSING("use_hyper_parallel", BOOL, "false"), MISSING("use_kt", BOOL, "false"),
	MISSING("lr_scheduler_kwargs", STR, NULL), MISSING("optim_args", STR, NULL),
	MISSING("optim_target_modules", STR, NULL), MISSING("save_only_model", BOOL, "false"),
	MISSING("logging_strategy", STR, "steps"), MISSING("eval_strategy", STR, "no"),
	MISSING("evaluation_strategy", STR, "no"), MISSING("eval_steps", NUM, NULL),
	MISSING("eval_on_start", BOOL, "false"), MISSING("load_best_model_at_end", BOOL, "false"),
	MISSING("ignore_data_skip", BOOL, "false"), MISSING("predict_with_generate", BOOL, "false"),
	MISSING("neftune_noise_alpha", NUM, NULL), MISSING("label_smoothing_factor", NUM, "0"),
	MISSING("group_by_length", BOOL, "false"), MISSING("dataloader_drop_last", BOOL, "false"),
	MISSING("use_cpu", BOOL, "false"), MISSING("deepspeed", STR, NULL), MISSING("fsdp", STR, NULL),
	MISSING("fsdp_config", STR, NULL), MISSING("push_to_hub", BOOL, "false"),
	MISSING("auto_find_batch_size", BOOL, "false"), MISSING("use_swanlab", BOOL, "false"),

	/* known and harmless: speed, hubs, reports, or the details of something refused above */
	IGNORED("cache_dir"), IGNORED("model_revision"), IGNORED("hf_hub_token"),
	IGNORED("ms_hub_token"), IGNORED("om_hub_token"), IGNORED("trust_remote_code"),
	IGNORED("use_fast_tokenizer"), IGNORED("low_cpu_mem_usage"), IGNORED("flash_attn"),
	IGNORED("use_unsloth"), IGNORED("use_unsloth_gc"), IGNORED("enable_liger_kernel"),
	IGNORED("use_reentrant_gc"), IGNORED("gradient_checkpointing"),
	IGNORED("gradient_checkpointing_kwargs"), IGNORED("infer_backend"), IGNORED("infer_dtype"),
	IGNORED("use_kv_cache"), IGNORED("print_param_status"), IGNORED("quantization_method"),
	IGNORED("quantization_type"), IGNORED("double_quantization"),
	IGNORED("quantization_device_map"), IGNORED("init_special_tokens"), IGNORED("media_dir"),
	IGNORED("buffer_size"), IGNORED("overwrite_cache"), IGNORED("preprocessing_batch_size"),
	IGNORED("preprocessing_num_workers"), IGNORED("eval_num_beams"),
	IGNORED("data_shared_file_system"), IGNORED("pissa_iter"), IGNORED("loraplus_lr_embedding"),
	IGNORED("freeze_*"), IGNORED("simpo_gamma"), IGNORED("kto_chosen_weight"),
	IGNORED("kto_rejected_weight"), IGNORED("reward_model*"), IGNORED("ppo_*"),
	IGNORED("compute_accuracy"), IGNORED("include_effective_tokens_per_second"),
	IGNORED("galore_*"), IGNORED("apollo_*"), IGNORED("badam_*"), IGNORED("swanlab_*"),
	IGNORED("asft_alpha"), IGNORED("eaft_alpha"), IGNORED("kt_*"), IGNORED("vllm_*"),
	IGNORED("sglang_*"), IGNORED("export_*"), IGNORED("image_*"), IGNORED("video_*"),
	IGNORED("audio_*"), IGNORED("ray_*"), IGNORED("per_device_eval_batch_size"),
	IGNORED("eval_accumulation_steps"), IGNORED("metric_for_best_model"),
	IGNORED("greater_is_better"), IGNORED("generation_max_length"),
	IGNORED("generation_num_beams"), IGNORED("report_to"), IGNORED("run_name"),
	IGNORED("logging_dir"), IGNORED("logging_first_step"), IGNORED("logging_nan_inf_filter"),
	IGNORED("log_level"), IGNORED("log_level_replica"), IGNORED("disable_tqdm"),
	IGNORED("dataloader_num_workers"), IGNORED("dataloader_pin_memory"),
	IGNORED("dataloader_persistent_workers"), IGNORED("dataloader_prefetch_factor"),
	IGNORED("remove_unused_columns"), IGNORED("ddp_timeout"), IGNORED("ddp_backend"),
	IGNORED("ddp_find_unused_parameters"), IGNORED("ddp_bucket_cap_mb"), IGNORED("local_rank"),
	IGNORED("include_num_input_tokens_seen"), IGNORED("include_tokens_per_second"),
	IGNORED("torch_compile"), IGNORED("torch_compile_*"), IGNORED("tf32"),
	IGNORED("torch_empty_cache_steps"), IGNORED("save_safetensors"), IGNORED("save_on_each_node"),
	IGNORED("skip_memory_metrics"), IGNORED("hub_*"), IGNORED("fp16_*"), IGNORED("bf16_*"),
	IGNORED("full_determinism"), IGNORED("restore_callback_states_from_checkpoint"),
};
/* clang-format on */

const size_t config_n_keys = sizeof(config_keys) / sizeof(config_keys[0]);

_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_MAX_KEYS,
	       "raise CONFIG_MAX_KEYS");

const struct key *config_key(const char *name)
{
	for (size_t i = 0; i < config_n_keys; i++) {
		const char *have = config_keys[i].name;
		size_t n = strlen(have);

		if (have[n - 1] == '*' ? !strncmp(name, have, n - 1) && name[n - 1]
				       : !strcmp(name, have))
			return &config_keys[i];
	}
	return NULL;
}
