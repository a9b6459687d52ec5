/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/tap.h"

#include "base/file.h"
#include "config/config.h"
#include "config/schema.h"

#include <unistd.h>

static const char *const path = "test_config.tmp.yaml";

/* Load text as a file; returns what config_load returns. */
static int load(struct config *c, enum config_use use, const char *text, size_t n,
		struct buf *problems)
{
	struct err err = { 0 };
	int rc;

	if (file_write(path, text, n, &err) < 0)
		return check(false, "%s", err.msg) - 2;
	rc = config_load(c, use, path, NULL, 0, problems, &err);
	unlink(path);
	return rc;
}

/* text has exactly these problems; each line of want stands for "FILE:" and the line. */
static void bad_n(enum config_use use, const char *text, size_t n, const char *want,
		  const char *what)
{
	struct buf got = { 0 }, full = { 0 };
	struct config c;
	int rc = load(&c, use, text, n, &got);

	for (const char *p = want; *p; p += *p == '\n') {
		size_t len = strcspn(p, "\n");

		buf_printf(&full, "%s:%.*s\n", path, (int)len, p);
		p += len;
	}
	check(rc == -1, "refused: %s", what);
	check_str(got.n ? got.p : "", full.p, what);
	config_close(&c);
	buf_free(&got);
	buf_free(&full);
}

static void bad(const char *text, const char *want, const char *what)
{
	bad_n(CONFIG_SFT, text, strlen(text), want, what);
}

static void bad_dpo(const char *text, const char *want, const char *what)
{
	bad_n(CONFIG_DPO, text, strlen(text), want, what);
}

/* text loads; the caller looks at *c and closes it. */
static bool good(struct config *c, enum config_use use, const char *text, const char *what)
{
	struct buf problems = { 0 };
	int rc = load(c, use, text, strlen(text), &problems);

	check(rc == 0, "%s", what);
	if (rc)
		note("%s", problems.n ? problems.p : "(no problems told)");
	buf_free(&problems);
	return rc == 0;
}

static void test_defaults(void)
{
	struct buf problems = { 0 };
	struct err err = { 0 };
	struct config c;

	check(!config_load(&c, CONFIG_SFT, NULL, NULL, 0, &problems, &err),
	      "no file, no overrides");
	check(!c.model_name_or_path && !c.dataset && !c.template && !c.output_dir, "no names");
	check_str(c.dataset_dir, "data", "dataset_dir");
	check_str(c.stage, "sft", "stage");
	check_str(c.lora_target, "all", "lora_target");
	check(c.lora_rank == 8 && c.lora_alpha == 16 && c.lora_dropout == 0, "LoRA defaults");
	check(c.cutoff_len == 2048 && c.max_samples == 0, "data defaults");
	check(!c.mask_history && !c.train_on_prompt && !c.disable_shuffling && c.do_train, "flags");
	check(c.per_device_train_batch_size == 8 && c.gradient_accumulation_steps == 1, "batch");
	check(c.learning_rate == 5e-5 && c.num_train_epochs == 3 && c.max_steps == -1, "length");
	check_str(c.lr_scheduler_type, "linear", "schedule");
	check(c.warmup_ratio == 0 && c.warmup_steps == 0, "warm-up");
	check(c.weight_decay == 0 && c.adam_beta1 == 0.9 && c.adam_beta2 == 0.999 &&
		      c.adam_epsilon == 1e-8 && c.max_grad_norm == 1,
	      "AdamW");
	check(!c.bf16 && !c.fp16 && c.seed == 42 && c.data_seed == 42, "bf16, seeds");
	check(c.logging_steps == 500 && c.save_steps == 500 && c.save_total_limit == 0, "logs");
	check_str(c.save_strategy, "steps", "save_strategy");
	check(c.pref_beta == 0.1 && c.pref_ftx == 0 && c.dpo_label_smoothing == 0, "DPO defaults");
	check_str(c.pref_loss, "sigmoid", "pref_loss");
	check(!c.ignored && !c.notes && !config_is_set(&c, "lora_rank"), "nothing to say");
	check(config_require(&c, "dataset_dir", &problems) == 0, "a default is a value");
	check(config_require(&c, "dataset", &problems) == -1, "a missing dataset is noticed");
	check_str(problems.p,
		  "command line:1:1: 'dataset' is missing; write 'dataset: ...' in the file or "
		  "give dataset=... on the command line\n",
		  "config_require's line");
	config_close(&c);
	buf_free(&problems);
}

static void test_examples(void)
{
	const char *over[] = { "lora_rank=16", "dataset=mine, yours", "bf16=null", "lora_rank=32" };
	struct buf problems = { 0 }, json = { 0 }, again = { 0 };
	struct err err = { 0 };
	struct config c;
	const char *item;
	size_t n;

	check(!config_load(&c, CONFIG_SFT, golden("config/qwen3_lora_sft.yaml"), NULL, 0, &problems,
			   &err),
	      "LLaMA-Factory's example of LoRA SFT loads");
	check(c.learning_rate == 1e-4 && c.warmup_ratio == 0.1 && c.bf16 && c.plot_loss, "values");
	check(config_is_set(&c, "lora_rank") && !config_is_set(&c, "resume_from_checkpoint"),
	      "a null is not set");
	check_str(c.ignored,
		  "trust_remote_code, preprocessing_num_workers, dataloader_num_workers, "
		  "report_to, ddp_timeout",
		  "what is ignored");
	check(!c.notes && config_warmup(&c, 95) == 10, "warm-up is rounded up");
	config_close(&c);

	check(!config_load(&c, CONFIG_DPO, golden("config/qwen3_lora_dpo.yaml"), over, 4, &problems,
			   &err),
	      "LLaMA-Factory's example of LoRA DPO loads, with overrides");
	check_str(c.stage, "dpo", "stage");
	check(c.lora_rank == 32 && c.lora_alpha == 64 && !c.bf16, "the last override wins");
	item = config_list_next(&c.dataset, &n);
	check(item && n == 4 && !strncmp(item, "mine", 4), "first of a list");
	item = config_list_next(&c.dataset, &n);
	check(item && n == 5 && !strncmp(item, "yours", 5), "second, without its blank");
	check(!config_list_next(&c.dataset, &n), "end of the list");
	config_write_json(&c, CONFIG_DPO, &json);
	config_write_json(&c, CONFIG_DPO, &again);
	check_str(json.p, again.p, "the effective configuration is the same twice");
	check(!strncmp(json.p, "{\n  \"adam_beta1\": 0.9,\n", 23), "sorted");
	check(strstr(json.p, "\"learning_rate\": 5e-06,") &&
		      strstr(json.p, "\"lora_alpha\": 64,") &&
		      strstr(json.p, "\"ref_model\": null,") &&
		      strstr(json.p, "\"max_samples\": 1000,") && !strstr(json.p, "mask_history"),
	      "effective values, only of keys that matter");
	check(problems.n == 0, "no problems told");
	config_close(&c);
	check(config_load(&c, CONFIG_TOKENIZE, golden("config/qwen3_lora_dpo.yaml"), NULL, 0,
			  &problems, &err) == 0 &&
		      !strcmp(c.stage, "dpo"),
	      "ds-tokenize reads the same file");
	config_close(&c);
	check(config_load(&c, CONFIG_SFT, "no/such.yaml", NULL, 0, &problems, &err) == -1 &&
		      !problems.n && strstr(err.msg, "no/such.yaml"),
	      "a file that is not there is an error of its own");
	config_close(&c);
	buf_free(&json);
	buf_free(&again);
	buf_free(&problems);
}

static void test_dialect(void)
{
	struct config c;

	if (good(&c, CONFIG_SFT,
		 "# comment\nlearning_rate: 1e-4\nadam_epsilon: 1.0e-6\nbf16: True\n"
		 "lora_target: [q_proj, v_proj]\ndataset:\n  - a\n  - b.json\nlora_alpha: ~\n"
		 "max_samples:\nsave_strategy: no\nwarmup_steps: 0.25\nsave_steps: 0.5\n"
		 "default_system: \"\"\ntemplate: 'qwen'\npacking: null\nquantization_bit:\n"
		 "val_size: 0.0\ndo_eval: False\neval_strategy: \"no\"\n",
		 "the dialect")) {
		check(c.learning_rate == 1e-4 && c.adam_epsilon == 1e-6 && c.bf16, "scalars");
		check_str(c.lora_target, "q_proj,v_proj", "a flow sequence");
		check_str(c.dataset, "a,b.json", "a block sequence");
		check_str(c.default_system, "", "an empty text is not null");
		check_str(c.save_strategy, "no", "no is a word");
		check(c.lora_alpha == 16 && c.max_samples == 0, "nulls are defaults");
		check(config_warmup(&c, 10) == 3 && config_interval(c.save_steps, 9) == 5 &&
			      config_interval(0.01, 9) == 1 && config_interval(7, 9) == 7,
		      "parts of a run");
	}
	config_close(&c);
	good(&c, CONFIG_SFT, "# only a comment\n", "a file of comments");
	config_close(&c);
	good(&c, CONFIG_SFT, "---\r\nlora_rank: 4\r\n...\r\n", "markers and CRLF");
	check(c.lora_rank == 4, "value before CRLF");
	config_close(&c);
}

static void test_notes(void)
{
	struct config c;

	good(&c, CONFIG_SFT, "pref_beta: 0.2\nfp16: true\nmax_steps: 5\nnum_train_epochs: 2\n",
	     "harmless oddities load");
	check_str(c.notes,
		  "test_config.tmp.yaml:1:1: pref_beta has no effect in stage sft\n"
		  "test_config.tmp.yaml:2:1: fp16 is read as bf16: float16 is not implemented\n"
		  "test_config.tmp.yaml:4:1: num_train_epochs has no effect: max_steps is above 0",
		  "and are noted");
	check(c.bf16, "fp16 is bf16");
	config_close(&c);
	good(&c, CONFIG_DPO,
	     "lora_dropout: 0.1\nmodel_name_or_path: m\nref_model: m\nref_model_adapters: sft\n",
	     "DPO's own");
	check(c.notes && !strstr(c.notes, "no effect in stage dpo"), "nothing else");
	check(c.lora_dropout == 0 && c.notes && strstr(c.notes, ":1:1: lora_dropout is 0 in DPO"),
	      "no dropout in DPO");
	check_str(c.ref_model_adapters, "sft", "the reference's adapters");
	config_close(&c);
	good(&c, CONFIG_DPO, "eval_strategy: steps\nval_size: 0.1\n", "an evaluation of pairs");
	check_str(c.notes, "test_config.tmp.yaml:1:1: eval_strategy has no effect in stage dpo",
		  "is noted");
	config_close(&c);
	good(&c, CONFIG_SFT, "enable_thinking: null\nevaluation_strategy: epoch\n",
	     "nulls that say something");
	check_str(c.enable_thinking, "null", "null is a third answer");
	check_str(c.eval_strategy, "epoch", "an old name");
	config_close(&c);
	good(&c, CONFIG_CHAT,
	     "finetuning_type: full\nlora_rank: 0\ntemperature: 0.5\nexport_dir: x\n",
	     "keys of other commands");
	check(c.temperature == 0.5 && !c.notes && !c.ignored, "are passed over when talking");
	config_close(&c);
	good(&c, CONFIG_SFT, "temperature: 0.5\nexport_dir: x\nexport_legacy_format: true\n",
	     "keys of other commands");
	check_str(c.ignored, "temperature, export_dir, export_legacy_format",
		  "are named when training");
	config_close(&c);
}

static void test_unknown(void)
{
	static const char *const pairs[][2] = {
		{ "beta", "pref_beta" },
		{ "dpo_beta", "pref_beta" },
		{ "loss_type", "pref_loss" },
		{ "dpo_loss", "pref_loss" },
		{ "lora_r", "lora_rank" },
		{ "r", "lora_rank" },
		{ "rank", "lora_rank" },
		{ "lora_rnak", "lora_rank" },
		{ "alpha", "lora_alpha" },
		{ "lr", "learning_rate" },
		{ "epochs", "num_train_epochs" },
		{ "num_epochs", "num_train_epochs" },
		{ "batch_size", "per_device_train_batch_size" },
		{ "max_length", "cutoff_len" },
		{ "max_seq_length", "cutoff_len" },
		{ "target_modules", "lora_target" },
		{ "Learning-Rate", "learning_rate" },
		{ "gradient_acumulation_step", "gradient_accumulation_steps" },
		{ "qantization_bit", "quantization_bit" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const char *near = suggest_key(pairs[i][0]);

		check_str(near, pairs[i][1], pairs[i][0]);
	}
	check(!suggest_key("zebra") && !suggest_key(""), "no suggestion out of nothing");
	bad("seed: 1\nbeta: 0.1\n", "2:1: unknown key 'beta'; did you mean 'pref_beta'?",
	    "an unknown key with its neighbour");
	bad("zebra: 0.1\n", "1:1: unknown key 'zebra'; config(5) lists the keys", "a stranger");
	bad("\"a\\nb\\e\": 1\n", "1:1: unknown key 'a?b?'; config(5) lists the keys",
	    "control characters do not reach the terminal");
}

static void test_values(void)
{
	bad("lora_rank: 0\n", "1:12: lora_rank: 0 is out of range; it takes 1 to 1024", "r = 0");
	bad("learning_rate: nan\n", "1:16: learning_rate: 'nan' is wrong; it takes a number",
	    "nan");
	bad("learning_rate: .inf\n", "1:16: learning_rate: '.inf' is wrong; it takes a number",
	    "inf");
	bad("learning_rate: 1e999\n", "1:16: learning_rate: '1e999' is wrong; it takes a number",
	    "overflow");
	bad("learning_rate: 0x1p3\n", "1:16: learning_rate: '0x1p3' is wrong; it takes a number",
	    "hexadecimal");
	bad("learning_rate: -1e-4\n",
	    "1:16: learning_rate: -1e-4 is out of range; it takes 0 or more", "negative");
	bad("cutoff_len: 1099511627776\n",
	    "1:13: cutoff_len: 1099511627776 is out of range; it takes 8 to 1048576", "2^40");
	bad("cutoff_len: 99999999999999999999\n",
	    "1:13: cutoff_len: '99999999999999999999' is wrong; it takes a whole number", "2^66");
	bad("cutoff_len: 0777\n", "1:13: cutoff_len: '0777' is wrong; it takes a whole number",
	    "octal");
	bad("cutoff_len: 1e3\n", "1:13: cutoff_len: '1e3' is wrong; it takes a whole number",
	    "a float for a whole number");
	bad("lora_dropout: 1\n", "1:15: lora_dropout: 1 is out of range; it takes 0 to below 1",
	    "an open end");
	bad("num_train_epochs: 0\n",
	    "1:19: num_train_epochs: 0 is out of range; it takes above 0 to 1000000",
	    "an open start");
	bad("bf16: yes\nplot_loss: \"true\"\n",
	    "1:7: bf16: 'yes' is wrong; it takes true or false\n"
	    "2:12: plot_loss: takes true or false, but this is text in quotes; take them off",
	    "Norway");
	bad("lr_scheduler_type: cosin\n",
	    "1:20: lr_scheduler_type: 'cosin' is none of linear, cosine, constant, "
	    "constant_with_warmup; did you mean 'cosine'?",
	    "a slip in a choice");
	bad("lr_scheduler_type: polynomial\n",
	    "1:20: lr_scheduler_type: 'polynomial' is not implemented yet; it takes linear, "
	    "cosine, constant, constant_with_warmup",
	    "a choice to come");
	bad("finetuning_type: full\n",
	    "1:18: finetuning_type: 'full' is not implemented yet; it takes lora", "full");
	bad("lora_target: q_proj,v_porj\n",
	    "1:14: lora_target: 'v_porj' is none of all, q_proj, k_proj, v_proj, o_proj, "
	    "gate_proj, up_proj, down_proj; did you mean 'v_proj'?",
	    "a slip in a list");
	bad("lora_target: all,q_proj\n",
	    "1:14: lora_target: 'all' stands by itself; take it or the names out", "all and one");
	bad("dataset: \",\"\n", "1:10: dataset: the list is empty; leave the key out", "no names");
	bad("template: true\n",
	    "1:11: template: 'true' is wrong; it takes text; in quotes, if that is what is meant",
	    "a bool where a name is due");
	bad("model_name_or_path: ''\n", "1:21: model_name_or_path: is empty; leave the key out",
	    "an empty name");
	bad("seed: [1, 2]\n", "1:7: seed: takes one value, not a list", "a list of seeds");
	bad("save_steps: 2.5\n",
	    "1:13: save_steps: 2.5 is neither a whole number nor below 1 (a part of the run)",
	    "two and a half steps");
}

static void test_missing(void)
{
	static const char *const losses[] = { "hinge", "ipo", "orpo", "simpo", "kto_pair" };

	for (size_t i = 0; i < 5; i++) {
		struct buf text = { 0 }, want = { 0 };

		buf_printf(&text, "stage: dpo\npref_loss: %s\n", losses[i]);
		buf_printf(&want, "2:12: pref_loss: '%s' is not implemented yet; it takes sigmoid",
			   losses[i]);
		bad_dpo(text.p, want.p, losses[i]);
		buf_free(&text);
		buf_free(&want);
	}
	bad_dpo("pref_loss: sigmoidal\n",
		"1:12: pref_loss: 'sigmoidal' is unknown; it takes sigmoid",
		"a slip is not silently sigmoid");
	bad("use_muon: true\ndeepspeed: ds.json\nneftune_noise_alpha: 5\nlabel_smoothing_factor: "
	    "0.1\n",
	    "1:1: use_muon: 'true' would change the result and is not implemented; leave the key "
	    "out or set it to false\n"
	    "2:1: deepspeed: 'ds.json' would change the result and is not implemented; leave the "
	    "key out or set it to null\n"
	    "3:1: neftune_noise_alpha: '5' would change the result and is not implemented; leave "
	    "the key out or set it to null\n"
	    "4:1: label_smoothing_factor: '0.1' would change the result and is not implemented; "
	    "leave the key out or set it to 0",
	    "keys that are not implemented");
}

static void test_cross(void)
{
	bad("stage: dpo\n", "1:8: stage: 'dpo', but this tool trains 'sft'; use ft-dpo", "stage");
	bad_dpo("stage: sft\n", "1:8: stage: 'sft', but this tool trains 'dpo'; use ft-sft",
		"the other stage");
	bad("stage: kto\n", "1:8: stage: 'kto' is not implemented yet; it takes sft, dpo", "kto");
	bad("do_train: false\n", "1:11: do_train: false leaves nothing to do; take the key out",
	    "do_train");
	bad("bf16: true\nfp16: true\n", "2:7: bf16 and fp16 are both true; keep bf16", "both");
	bad("train_on_prompt: true\nmask_history: true\n",
	    "1:1: train_on_prompt and mask_history contradict each other; keep one", "both masks");
	bad_dpo("mask_history: true\n", "1:1: mask_history: works in stage sft only; take it out",
		"SFT's masks in DPO");
	bad_dpo("model_name_or_path: a\nref_model: b\n",
		"2:12: ref_model: only the base model itself is implemented; take it out, or use "
		"ref_model_adapters",
		"another reference");
	bad("max_steps: 10\nwarmup_steps: 10\n",
	    "2:15: warmup_steps: 10 leaves no step at the learning rate; max_steps is 10",
	    "warm-up to the end");
	bad("val_size: 1\n",
	    "1:11: val_size: 1 is neither a part (below 1) nor a number of examples (2 or more)",
	    "everything held out");
	bad("val_size: 0.1\neval_dataset: [a, b]\n",
	    "1:1: val_size and eval_dataset exclude each other; keep one", "two ways to hold out");
}

static void test_yaml(void)
{
	bad("seed: 1\nlora_rank: 8\nseed: 1\n",
	    "3:1: key 'seed' stands twice, first in line 1; keep one", "a key twice");
	bad("dataset: {a: {b: 1}}\nzebra: 1\n",
	    "1:10: 'dataset' holds a map; keys are flat here\n"
	    "2:1: unknown key 'zebra'; config(5) lists the keys",
	    "a nested map, and what follows");
	bad("dataset: [a, [b]]\nlora_rank: x\n",
	    "1:14: an item of 'dataset' is not a plain value; lists hold words only\n"
	    "2:12: lora_rank: 'x' is wrong; it takes a whole number",
	    "a nested list");
	bad("dataset: ['a,b', '']\n",
	    "1:11: an item of 'dataset' holds a comma; write each item by itself\n"
	    "1:18: an item of 'dataset' is empty; leave it out",
	    "items of a list");
	bad("seed: &a 1\ndata_seed: *a\n",
	    "1:7: anchor '&a' is not supported; leave it out\n"
	    "2:12: alias '*a' is not supported; write the value out",
	    "anchors and aliases");
	bad("seed: !!int 1\n", "1:7: tag 'tag:yaml.org,2002:int' is not supported; leave it out",
	    "tags");
	bad("<<: {seed: 1}\n", "1:1: merge key '<<' is not supported; write the keys out",
	    "merge keys");
	bad("seed: 1\n---\nseed: 2\n",
	    "2:1: a second document begins; one file is one configuration", "two documents");
	bad("- a\n", "1:1: a configuration is lines of 'key: value'", "a list");
	bad("just words\n", "1:1: a configuration is lines of 'key: value'", "a text");
	bad("? [a]\n: b\n", "1:3: a key must be a word", "a list as key");
	bad("seed: \"1\n",
	    "2:1: not YAML: found unexpected end of stream while scanning a quoted scalar",
	    "a quote left open");
	bad("seed: 1\n\tlora_rank: 2\n",
	    "2:1: not YAML: found a tab character that violates indentation while scanning a "
	    "plain scalar",
	    "a tab");
	bad("seed: 1\ntemplate: \xFF\n", "2:11: not YAML: invalid leading UTF-8 octet",
	    "not UTF-8");
	bad("dataset: \"a\\0b\"\n", "1:10: text holds a NUL byte; take it out", "a NUL");
}

static void test_hostile(void)
{
	struct buf text = { 0 }, got = { 0 };
	struct config c;

	buf_str(&text, "a: &a [\"lol\",\"lol\",\"lol\",\"lol\",\"lol\",\"lol\",\"lol\",\"lol\"]\n");
	for (char l = 'b'; l <= 'i'; l++)
		buf_printf(&text, "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", l, l, l - 1, l - 1,
			   l - 1, l - 1, l - 1, l - 1, l - 1, l - 1);
	check(load(&c, CONFIG_SFT, text.p, text.n, &got) == -1, "billion laughs are refused");
	check(strstr(got.p, ":1:4: anchor '&a' is not supported") != NULL, "at the anchor");
	check(strstr(got.p, " more problems from here on\n") && got.n < 10000,
	      "without filling the screen");
	config_close(&c);
	buf_reset(&text);
	buf_reset(&got);
	buf_str(&text, "dataset: ");
	for (int i = 0; i < 500000; i++)
		buf_char(&text, '[');
	check(load(&c, CONFIG_SFT, text.p, text.n, &got) == -1 &&
		      strstr(got.p, ":1:4106: more than"),
	      "half a million brackets");
	config_close(&c);
	buf_reset(&text);
	buf_reset(&got);
	for (int i = 0; i < 40000; i++)
		buf_printf(&text, "k%d: 1\n", i);
	check(load(&c, CONFIG_SFT, text.p, text.n, &got) == -1 && got.n < 10000, "many keys");
	config_close(&c);
	buf_reset(&text);
	buf_reset(&got);
	buf_str(&text, "#");
	while (text.n <= 1 << 20)
		buf_char(&text, 'x');
	bad_n(CONFIG_SFT, text.p, text.n,
	      "1:1: 1048577 bytes; a configuration has at most 1048576, is this the right file?",
	      "more than 1 MiB");
	/* Every beginning of a good file is judged without harm. */
	buf_reset(&text);
	buf_str(&text, "dataset: [a, 'b']\nlora_rank: 8\n? x\n: {y: [1, *z]}\n");
	for (size_t n = 0; n <= text.n; n++) {
		load(&c, CONFIG_DPO, text.p, n, &got);
		config_close(&c);
	}
	check(true, "cut anywhere");
	buf_free(&text);
	buf_free(&got);
}

static void test_overrides(void)
{
	const char *wrong[] = {
		"lr=1", "lora_rank=0", "--seed", "seed", "template=\xFF", "bf16=yes"
	};
	const char *cure[] = { "use_muon=false", "lora_rank=4" };
	struct buf problems = { 0 };
	struct err err = { 0 };
	struct config c;

	check(config_load(&c, CONFIG_SFT, NULL, wrong, 6, &problems, &err) == -1,
	      "wrong overrides");
	check_str(problems.p,
		  "command line:1:1: unknown key 'lr'; did you mean 'learning_rate'?\n"
		  "command line:2:11: lora_rank: 0 is out of range; it takes 1 to 1024\n"
		  "command line:3:1: '--seed' is not key=value\n"
		  "command line:4:1: 'seed' is not key=value\n"
		  "command line:5:10: not UTF-8\n"
		  "command line:6:6: bf16: 'yes' is wrong; it takes true or false\n",
		  "each has its place");
	config_close(&c);
	buf_reset(&problems);
	file_write(path, "use_muon: true\nlora_rank: 0\n", 28, &err);
	check(!config_load(&c, CONFIG_SFT, path, cure, 2, &problems, &err) && c.lora_rank == 4,
	      "an override takes the place of a wrong value");
	unlink(path);
	config_close(&c);
	buf_free(&problems);
}

/* The page is written by hand; it may not forget a key, nor its default. */
static void test_page(void)
{
	const char *root = getenv("TEST_ROOT");
	struct buf name = { 0 }, want = { 0 };
	struct err err = { 0 };
	struct file f = { 0 };
	struct buf page = { 0 };

	buf_printf(&name, "%s/lib/config/config.5", root ? root : ".");
	if (!check(!file_open(&f, name.p, &err), "config.5 is there"))
		note("%s", err.msg);
	buf_add(&page, f.p, f.n);
	for (size_t i = 0; i < config_n_keys; i++) {
		const struct key *k = &config_keys[i];

		for (size_t j = 0; j < i; j++)
			if (!strcmp(config_keys[j].name, k->name))
				check(false, "%s stands twice in the table", k->name);
		if (k->kind == KEY_IGNORED)
			continue;
		buf_reset(&want);
		if (k->kind == KEY_USED)
			buf_printf(&want, "\n.It Cm %s Pq %s\n%s\n", k->name,
				   k->preset ? k->preset : "null", k->help);
		else
			buf_printf(&want, "\n.It Cm %s Pq %s\n", k->name,
				   k->preset ? k->preset : "null");
		check(strstr(page.p, want.p) != NULL, "config.5 tells of %s", k->name);
	}
	file_close(&f);
	buf_free(&page);
	buf_free(&name);
	buf_free(&want);
}

int main(void)
{
	test_defaults();
	test_examples();
	test_dialect();
	test_notes();
	test_unknown();
	test_values();
	test_missing();
	test_cross();
	test_yaml();
	test_hostile();
	test_overrides();
	test_page();
	return tap_done();
}
