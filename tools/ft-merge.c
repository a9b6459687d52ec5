/* SPDX-License-Identifier: Apache-2.0 */
/* ft-merge: adapters into a base, for other programs to open; the page is ft-merge.1. */
#include "adapter/merge.h"
#include "adapter/provenance.h"
#include "base/jsonw.h"
#include "base/tool.h"
#include "config/operands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct args {
	const char *model, *adapter, *out, *format, *type, *max_shard_size, *template, *system,
		*device, *explain;
	long threads;
	bool check, json, force;
};

#define TEXT(letter, name, arg, field, help)                                                       \
	{                                                                                          \
		OPT_STR, letter, name, arg, help, offsetof(struct args, field), 0, 0               \
	}

static const struct opt opts[] = {
	TEXT('m', "model", "PATH", model, "base model: a folder or a GGUF file"),
	TEXT('a', "adapter", "DIR[,DIR]", adapter,
	     "adapters, merged in order (none: convert the base)"),
	TEXT('o', "output", "DIR", out, "the folder to write; one that ft-merge made is replaced"),
	TEXT('f', "format", "NAME", format,
	     "hf (a Hugging Face folder, the default), gguf, or lora-gguf: the adapters alone"),
	TEXT('t', "type", "NAME", type,
	     "F32, F16, BF16; gguf also Q8_0, Q4_0, Q4_K (default: BF16, or F32 as the base)"),
	TEXT(0, "max-shard-size", "SIZE", max_shard_size,
	     "hf: a file's most, as 500MB (default: 5GB)"),
	TEXT(0, "template", "NAME", template, "chat template to write (default: the adapter's)"),
	TEXT(0, "system", "TEXT", system, "system prompt of the template (default: the adapter's)"),
	TEXT(0, "explain", "KEY", explain, "what a key means, and what it takes; all: every key"),
	{ OPT_FLAG, 'c', "check", NULL, "then compare logits of base + adapter and merged",
	  offsetof(struct args, check), 0, 0 },
	{ OPT_FLAG, 0, "force", NULL, "merge adapters that were trained on another base",
	  offsetof(struct args, force), 0, 0 },
	{ OPT_FLAG, 'j', "json", NULL, "print the comparison as one JSON object",
	  offsetof(struct args, json), 0, 0 },
	TEXT(0, "device", "NAME", device, "auto, cpu, plain or ref (default: auto)"),
	{ OPT_INT, 0, "threads", "N", "threads (default: all processors)",
	  offsetof(struct args, threads), 1, 1024 },
	{ .type = OPT_END },
};

static const struct cmd cmd = {
	.name = "ft-merge",
	.usage = "[OPTION]... [CONFIG.yaml] [KEY=VALUE]...",
	.summary =
		"Merge LoRA adapters into a base model, as a Hugging Face folder or a GGUF file.",
	.details = "Settings come from options or LLaMA-Factory's keys (model_name_or_path,\n"
		   "adapter_name_or_path, template, default_system, export_dir, export_size,\n"
		   "infer_dtype); options win.\n\n"
		   "  ft-merge merge.yaml\n"
		   "  ft-merge -m base.gguf -a saves/dpo -o merged --check\n"
		   "  ft-merge -m models/qwen -a saves/dpo -o ollama -f gguf -t Q4_K\n\n"
		   "Exit code: 0; 1 the check found more than rounding; 2 trouble.\n",
	.opts = opts,
	.semantics = 2,
};

/* The last adapter's template and system prompt, unless options name others. */
static int find_template(struct merge_job *job, const struct args *a, struct provenance *p,
			 struct err *err)
{
	const char *last, *name = a->template;

	mem_free(adapter_names_split(a->adapter, &last));
	if (provenance_read(p, last ? last : a->model, err) < 0)
		return -1;
	job->system = a->system ? a->system : p->system;
	job->thinking = p->thinking;
	name = name ? name : p->template_name;
	job->template = name ? template_find(name, err) : NULL;
	return name && !job->template ? -1 : 0;
}

static int check(const struct merge_job *job, struct dev *dev, bool json, bool *differs,
		 struct err *err)
{
	struct merge_difference d;
	struct buf text = { 0 };
	struct jsonw w = { .out = &text };

	if (merge_compare(job, dev, &d, err) < 0)
		return -1;
	*differs = !(d.relative < d.bound);
	if (json) {
		jsonw_open(&w, '{');
		jsonw_kint(&w, "tokens", d.n_tokens);
		jsonw_knum(&w, "max_abs", d.max_abs, 6);
		jsonw_knum(&w, "relative", d.relative, 6);
		jsonw_knum(&w, "max_kl", d.kl, 6);
		jsonw_kint(&w, "same_top", d.same_top);
		jsonw_close(&w, '}');
		printf("%s\n", text.p);
	} else {
		printf("%s: over %d tokens logits differ by at most %.4f, %.4f of their spread; KL "
		       "at most "
		       "%.2g; the top token agrees for %d\n",
		       *differs ? "DIFFERENT" : "same within rounding", d.n_tokens, d.max_abs,
		       d.relative, d.kl, d.same_top);
	}
	buf_free(&text);
	return 0;
}

static enum merge_format format_of(const char *name)
{
	static const char *const names[] = {
		[MERGE_HF] = "hf", [MERGE_GGUF] = "gguf", [MERGE_LORA_GGUF] = "lora-gguf"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(names[i], name))
			return (enum merge_format)i;
	opt_misuse(&cmd, "there is no format '%s'; there are hf, gguf, lora-gguf", name);
}

static enum dtype type_of(enum merge_format f, const char *name)
{
	int t = name ? dtype_from_name(name) : DT_COUNT;

	if (t < 0 || (t < DT_COUNT && !merge_holds(f, (enum dtype)t)))
		opt_misuse(&cmd, "--type '%s' is not possible here; there are %s", name,
			   merge_types(f));
	return (enum dtype)t;
}

static const char *either(const char *option, const char *key)
{
	return option ? option : key;
}

/* What the keys say where the options say nothing. *size: room for a key's shard size. */
static int read_config(struct config *c, struct args *a, char **v, int n, struct buf *size,
		       struct err *err)
{
	static const char *const required[] = { NULL };
	struct operands ops;
	int rc = operands_read(&ops, v, n, false, err);

	if (rc == 0)
		rc = operands_config(&ops, c, CONFIG_EXPORT, required, err);
	operands_free(&ops);
	if (rc < 0)
		return -1;
	if (c->ignored)
		tool_note("no effect here: %s", c->ignored);
	a->model = either(a->model, c->model_name_or_path);
	a->adapter = either(a->adapter, c->adapter_name_or_path);
	a->out = either(a->out, c->export_dir);
	a->template = either(a->template, c->template);
	a->system = either(a->system, c->default_system);
	if (!a->type && strcmp(c->infer_dtype, "auto"))
		a->type = !strcmp(c->infer_dtype, "float32")   ? "F32"
			  : !strcmp(c->infer_dtype, "float16") ? "F16"
							       : "BF16";
	buf_printf(size, "%.10gGB", c->export_size);
	a->max_shard_size = either(a->max_shard_size, size->p);
	if (a->model && a->out)
		return 0;
	return err_set(err, "%s is missing: give %s",
		       a->model ? "the folder to write" : "the base model",
		       a->model ? "-o or the key export_dir" : "-m or the key model_name_or_path");
}

/* "5GB": in powers of ten, as Hugging Face counts. */
static uint64_t size_of(const char *text)
{
	static const struct {
		const char *unit;
		double bytes;
	} units[] = { { "KB", 1e3 }, { "MB", 1e6 }, { "GB", 1e9 } };
	char *end;
	double n = strtod(text, &end);

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (end > text && !strcmp(end, units[i].unit) && n > 0 && n <= 1e6)
			return (uint64_t)(n * units[i].bytes);
	opt_misuse(&cmd, "--max-shard-size '%s' is no size; write it as 500MB or 5GB", text);
}

static int merge(const struct args *a, bool *differs, struct err *err)
{
	enum merge_format format = format_of(a->format);
	struct merge_job job = { .model = a->model,
				 .adapters = a->adapter,
				 .out = a->out,
				 .tool = cmd.name,
				 .format = format,
				 .type = type_of(format, a->type),
				 .force = a->force,
				 .max_shard_size = size_of(a->max_shard_size) };
	struct provenance p = { 0 };
	struct dev *dev = ops_open(a->device, (int)a->threads, err);
	int rc = -1;

	if (dev && find_template(&job, a, &p, err) == 0)
		rc = merge_write(&job, dev, err);
	if (rc == 0 && a->check)
		rc = check(&job, dev, a->json, differs, err);
	provenance_close(&p);
	if (dev)
		dev->ops->close(dev);
	return rc;
}

static int run(struct args *a, char **v, int n, bool *differs, struct err *err)
{
	struct config c = { 0 };
	struct buf size = { 0 };
	int rc;

	if (a->explain)
		return operands_explain(a->explain, err);
	rc = read_config(&c, a, v, n, &size, err);
	if (rc == 0)
		rc = merge(a, differs, err);
	buf_free(&size);
	config_close(&c);
	return rc;
}

int main(int argc, char **argv)
{
	struct args a = { .format = "hf", .device = "auto" };
	struct err err = { 0 };
	bool differs = false;
	int n;

	tool_start_threads(argv);
	n = opt_parse(&cmd, &a, argc, argv);
	if (a.json && !a.check)
		opt_misuse(&cmd, "--json is how --check prints; give both");
	if (run(&a, argv, n, &differs, &err) < 0)
		return tool_fail(&cmd, &err);
	return tool_done(&cmd, differs);
}
