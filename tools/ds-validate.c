/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ds-validate - check data sets before they are trained on.
 * Each operand is found, opened and passed record by record through the rules; findings go to
 * stdout as they come, the sums to stderr, the verdict is the exit code.
 */
#include "base/tool.h"
#include "config/operands.h"
#include "data/dataset.h"
#include "data/findings.h"
#include "data/fix.h"
#include "data/reader.h"
#include "data/textset.h"
#include "template/measure.h"
#include "template/tokenize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct args {
	const char *stage, *dir, *config, *language, *tokenizer, *template, *fix;
	struct opt_list warn, sft, eval;
	long cutoff;
	bool json, sarif, rules;
};

#define TEXT(letter, name, arg, field, help)                                                       \
	{                                                                                          \
		OPT_STR, letter, name, arg, help, offsetof(struct args, field), 0, 0               \
	}
#define LIST(letter, name, arg, field, help)                                                       \
	{                                                                                          \
		OPT_LIST, letter, name, arg, help, offsetof(struct args, field), 0, 0              \
	}
#define FLAG(name, field, help)                                                                    \
	{                                                                                          \
		OPT_FLAG, 0, name, NULL, help, offsetof(struct args, field), 0, 0                  \
	}

static const struct opt opts[] = {
	TEXT('s', "stage", "STAGE", stage, "sft or dpo: the data must suit it"),
	TEXT('d', "dataset-dir", "DIR", dir, "where dataset_info.json is (default: data)"),
	LIST('W', "warn", "RULE", warn, "RULE, no-RULE, error, error=RULE; may be repeated"),
	LIST(0, "sft", "NAME|FILE", sft, "SFT data that pairs go on from; may be repeated"),
	LIST(0, "eval", "NAME|FILE", eval, "evaluation data; may be repeated"),
	TEXT('c', "config", "YAML", config, "epochs, cutoff_len, template and data of a run"),
	TEXT('t', "tokenizer", "PATH", tokenizer, "measure lengths with this tokenizer"),
	TEXT(0, "template", "NAME", template, "chat template, for lengths"),
	{ OPT_INT, 0, "cutoff-len", "N", "most tokens of an example (default: 2048)",
	  offsetof(struct args, cutoff), 1, SHARD_IDS_MAX },
	TEXT('l', "language", "zh|en", language, "what the base model speaks"),
	TEXT(0, "fix", "NEW", fix, "rewrite the FILE into NEW: BOM, GBK, CRLF, commas too many"),
	FLAG("json", json, "print one JSON object instead of text"),
	FLAG("sarif", sarif, "print SARIF 2.1.0 instead of text"),
	FLAG("list-rules", rules, "print the rules and what to do about each"),
	{ OPT_END, 0, NULL, NULL, NULL, 0, 0, 0 },
};

static const struct cmd cmd = {
	"ds-validate",
	"[OPTION]... NAME|FILE...",
	"Check data sets: names in dataset_info.json, or .json, .jsonl and .csv files ('-': "
	"stdin).",
	"Examples:\n"
	"  ds-validate soviet_jokes\n"
	"  ds-validate --stage dpo --sft jokes.json pairs.jsonl && ds-tokenize ...\n"
	"  ds-validate -c sft.yaml -t models/qwen --eval held_out.json\n"
	"  ds-validate -W error -W no-bom data/*.json\n\n"
	"Exit codes: 0 no error, 1 an error was found, 2 trouble (usage, a file cannot be read).\n",
	opts,
	2,
};

struct run {
	struct args args;
	struct config config;
	struct findings found;
	struct check_context context;
	struct textset *taught, *eval;
	struct measure *measure;
};

static void file_done(struct run *r, const struct check_counts *n)
{
	progress_end();
	findings_sums(&r->found, n);
	if (r->measure)
		measure_sums(r->measure, stderr, isatty(STDERR_FILENO));
}

static int check_dataset(struct run *r, const struct dataset *d, struct err *err)
{
	struct check *c = check_open(d, false, findings_add, &r->found);
	struct check_counts n;
	struct err why;
	int rc;

	check_compare(c, &r->context);
	findings_file(&r->found, dataset_label(d));
	if (!reader_take(d->first)) {
		check_close(c);
		return err_set(err, "%s: was read before", dataset_label(d));
	}
	if (r->args.stage && dataset_fits(d, !strcmp(r->args.stage, "dpo"), &why) < 0)
		check_whole(c, RULE_STAGE_RANKING_MISMATCH, why.msg);
	rc = check_file(c, d->first, &n, err);
	file_done(r, &n);
	check_close(c);
	return rc;
}

static int check_operand(struct run *r, const char *name, struct err *err)
{
	struct dataset_fault fault;
	struct dataset d;
	int rc = dataset_find(&d, name, r->args.dir, &fault, err);

	if (rc == 0) {
		rc = check_dataset(r, &d, err);
	} else if (fault.rule != RULE_COUNT) {
		struct finding f = { fault.rule, fault.line, fault.column, err->msg, "", 0 };

		findings_file(&r->found, fault.file);
		findings_add(&r->found, &f);
		file_done(r, &(struct check_counts){ 0 });
		rc = 0;
	}
	dataset_close(&d);
	return rc;
}

/* What the configuration says where the options say nothing. */
static int read_config(struct run *r, struct err *err)
{
	static const char *const required[] = { NULL };
	struct operands ops = { .config = r->args.config };
	struct config *c = &r->config;
	struct args *a = &r->args;

	if (!a->config)
		return 0;
	if (operands_config(&ops, c, CONFIG_TOKENIZE, required, err) < 0)
		return -1;
	if (!a->stage && config_is_set(c, "stage"))
		a->stage = c->stage;
	a->dir = a->dir ? a->dir : tokenize_find(c, c->dataset_dir, "dataset_info.json");
	a->template = a->template ? a->template : c->template;
	a->cutoff = a->cutoff ? a->cutoff : c->cutoff_len;
	r->context.epochs = c->max_steps > 0 ? 0 : c->num_train_epochs;
	return 0;
}

static int add_texts(struct textset **s, enum textset_what what, const struct opt_list *names,
		     const char *dir, struct err *err)
{
	if (names->n)
		*s = textset_new(what);
	for (size_t i = 0; i < names->n; i++)
		if (textset_add(*s, names->v[i], dir, err) < 0)
			return -1;
	return 0;
}

static int prepare(struct run *r, struct err *err)
{
	struct args *a = &r->args;

	if (read_config(r, err) < 0)
		return -1;
	a->dir = a->dir ? a->dir : "data";
	a->cutoff = a->cutoff ? a->cutoff : 2048;
	if (a->stage && strcmp(a->stage, "sft") && strcmp(a->stage, "dpo"))
		opt_misuse(&cmd, "--stage takes sft or dpo, not \"%s\"", a->stage);
	if (a->tokenizer && !a->template)
		opt_misuse(&cmd,
			   "--tokenizer needs --template (or --config with the key template): %s",
			   template_names());
	if (a->tokenizer && !(r->measure = measure_open(a->tokenizer, a->template, a->cutoff, err)))
		return -1;
	if (add_texts(&r->taught, TEXTSET_ANSWERS, &a->sft, a->dir, err) < 0 ||
	    add_texts(&r->eval, TEXTSET_QUESTIONS, &a->eval, a->dir, err) < 0)
		return -1;
	r->context.language = a->language;
	r->context.taught = r->taught;
	r->context.eval = r->eval;
	r->context.lengths = r->measure ? measure_record : NULL;
	r->context.lengths_arg = r->measure;
	r->context.cutoff = a->cutoff;
	return 0;
}

/* The operands, or the data sets of the configuration. */
static int check_all(struct run *r, char **v, int n)
{
	const char *rest = n ? NULL : r->config.dataset, *item;
	struct err err;
	int code = 0;
	size_t len;

	if (n == 0 && !rest)
		opt_misuse(&cmd, "no data set given");
	for (int i = 0; i < n; i++)
		if (check_operand(r, v[i], &err) < 0)
			code = tool_fail(&cmd, &err);
	while ((item = config_list_next(&rest, &len)))
		if (check_operand(r, arena_strndup(&r->config.arena, item, len), &err) < 0)
			code = tool_fail(&cmd, &err);
	findings_end(&r->found, cmd.name, VERSION);
	return code ? code : r->found.all_errors ? 1 : 0;
}

static void check_args(struct run *r, int n)
{
	const struct args *a = &r->args;
	const char *unknown = findings_levels(&r->found, &a->warn);

	if (n == 0 && !a->config)
		opt_misuse(&cmd, "no data set given");
	if (unknown)
		opt_misuse(&cmd, "-W: no rule \"%s\"; --list-rules names them", unknown);
	if (a->json && a->sarif)
		opt_misuse(&cmd, "--json and --sarif exclude each other");
	if (a->language && strcmp(a->language, "zh") && strcmp(a->language, "en"))
		opt_misuse(&cmd, "--language takes zh or en, not \"%s\"", a->language);
	r->found.form = a->json ? FINDINGS_JSON : a->sarif ? FINDINGS_SARIF : FINDINGS_TEXT;
}

/* One file into a new one, and each kind of change said. */
static int fix(const char *from, const char *to)
{
	struct fixed f;
	struct err err;

	if (fix_file(from, to, &f, &err) < 0)
		return tool_fail(&cmd, &err);
	if (f.bom)
		tool_say(from, "byte order mark removed");
	if (f.gbk)
		tool_say(from, "GBK converted to UTF-8");
	if (f.crlf)
		tool_say(from, "%zu line ends CRLF made LF", f.crlf);
	if (f.commas)
		tool_say(from, "%zu commas behind a last element removed", f.commas);
	if (!f.bom && !f.gbk && !f.crlf && !f.commas)
		tool_say(from, "nothing to fix; %s is a copy", to);
	return 0;
}

int main(int argc, char **argv)
{
	struct run r = { 0 };
	struct err err;
	int n, code;

	tool_start();
	n = opt_parse(&cmd, &r.args, argc, argv);
	if (r.args.rules) {
		findings_list_rules();
		return tool_done(&cmd, 0);
	}
	if (r.args.fix && n != 1)
		opt_misuse(&cmd, "--fix takes one file");
	if (r.args.fix)
		return tool_done(&cmd, fix(argv[0], r.args.fix));
	check_args(&r, n);
	code = prepare(&r, &err) < 0 ? tool_fail(&cmd, &err) : check_all(&r, argv, n);
	findings_free(&r.found);
	textset_free(r.taught);
	textset_free(r.eval);
	measure_close(r.measure);
	config_close(&r.config);
	mem_free(r.args.warn.v);
	mem_free(r.args.sft.v);
	mem_free(r.args.eval.v);
	return tool_done(&cmd, code);
}
