/* SPDX-License-Identifier: Apache-2.0 */
/* ft-merge: adapters into a base, as a Hugging Face folder; the page is ft-merge.1. */
#include "adapter/merge.h"
#include "adapter/provenance.h"
#include "base/jsonw.h"
#include "base/tool.h"

#include <stdio.h>
#include <string.h>

struct args {
	const char *model, *adapter, *out, *template, *system, *device;
	long threads;
	bool check, json;
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
	TEXT(0, "template", "NAME", template, "chat template to write (default: the adapter's)"),
	TEXT(0, "system", "TEXT", system, "system prompt of the template (default: the adapter's)"),
	{ OPT_FLAG, 'c', "check", NULL, "then compare logits of base + adapter and merged",
	  offsetof(struct args, check), 0, 0 },
	{ OPT_FLAG, 'j', "json", NULL, "print the comparison as one JSON object",
	  offsetof(struct args, json), 0, 0 },
	TEXT(0, "device", "NAME", device, "auto, cpu, plain or ref (default: auto)"),
	{ OPT_INT, 0, "threads", "N", "threads (default: all processors)",
	  offsetof(struct args, threads), 1, 1024 },
	{ .type = OPT_END },
};

static const struct cmd cmd = {
	.name = "ft-merge",
	.usage = "-m MODEL [-a ADAPTER] -o DIR [OPTION]...",
	.summary = "Merge LoRA adapters into a base model, written as a Hugging Face folder.",
	.details = "  ft-merge -m base.gguf -a saves/dpo -o merged --check\n\n"
		   "Exit code: 0; 1 the check found more than rounding; 2 trouble.\n",
	.opts = opts,
	.semantics = 1,
};

/* bf16 keeps 8 bits of a weight, so logits move by about 2^-9 of their size a layer and add up like
 * a random walk; a tenth of their spread is far above that and far below a wrong merge. */
#define RELATIVE_BOUND 0.1

/* The last adapter's template and system prompt, unless options name others. */
static int find_template(struct merge_job *job, const struct args *a, struct provenance *p,
			 struct err *err)
{
	const char *last, *name = a->template;

	mem_free(adapter_names_split(a->adapter, &last));
	if (provenance_read(p, last ? last : a->model, err) < 0)
		return -1;
	job->system = a->system ? a->system : p->system;
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
	*differs = !(d.relative < RELATIVE_BOUND);
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

static int run(const struct args *a, bool *differs, struct err *err)
{
	struct merge_job job = {
		.model = a->model, .adapters = a->adapter, .out = a->out, .tool = cmd.name
	};
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

int main(int argc, char **argv)
{
	struct args a = { .device = "auto" };
	struct err err = { 0 };
	bool differs = false;

	tool_start_threads(argv);
	if (opt_parse(&cmd, &a, argc, argv))
		opt_misuse(&cmd, "unexpected operand '%s'", argv[0]);
	if (!a.model || !a.out)
		opt_misuse(&cmd, "a model (-m) and an output folder (-o) are needed");
	if (a.json && !a.check)
		opt_misuse(&cmd, "--json is how --check prints; give both");
	if (run(&a, &differs, &err) < 0)
		return tool_fail(&cmd, &err);
	return tool_done(&cmd, differs);
}
