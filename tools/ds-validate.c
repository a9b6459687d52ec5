/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ds-validate - check data sets before they are trained on.
 * Each operand is found, opened and passed record by record through the rules; findings go to
 * stdout as they come, the sums to stderr, the verdict is the exit code.
 */
#include "base/jsonw.h"
#include "base/opt.h"
#include "base/tool.h"
#include "data/dataset.h"
#include "data/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FINDINGS_MAX = 1000 };

struct args {
	const char *stage, *dir;
	struct opt_list warn;
	bool json, rules;
};

static const struct opt opts[] = {
	{ OPT_STR, 's', "stage", "STAGE", "sft or dpo: the data must suit it",
	  offsetof(struct args, stage), 0, 0 },
	{ OPT_STR, 'd', "dataset-dir", "DIR", "where dataset_info.json is (default: data)",
	  offsetof(struct args, dir), 0, 0 },
	{ OPT_LIST, 'W', "warn", "RULE", "RULE, no-RULE, error, error=RULE; may be repeated",
	  offsetof(struct args, warn), 0, 0 },
	{ OPT_FLAG, 0, "json", NULL, "print one JSON object instead of text",
	  offsetof(struct args, json), 0, 0 },
	{ OPT_FLAG, 0, "list-rules", NULL, "print the rules and what to do about each",
	  offsetof(struct args, rules), 0, 0 },
	{ OPT_END, 0, NULL, NULL, NULL, 0, 0, 0 },
};

static const struct cmd cmd = {
	"ds-validate",
	"[OPTION]... NAME|FILE...",
	"Check data sets: names in dataset_info.json, or .json and .jsonl files ('-': stdin).",
	"Examples:\n"
	"  ds-validate soviet_jokes\n"
	"  ds-validate --stage dpo pairs.jsonl && ds-tokenize ...\n"
	"  ds-validate -W error -W no-bom data/*.json\n\n"
	"Exit codes: 0 no error, 1 an error was found, 2 trouble (usage, a file cannot be read).\n",
	opts,
	1,
};

enum level { LEVEL_OFF, LEVEL_WARNING, LEVEL_ERROR };

struct run {
	struct args args;
	enum level level[RULE_COUNT];
	const char *file; /* that findings are about */
	char *shown; /* the same, fit for a line */
	size_t findings, errors, warnings; /* in this file */
	size_t all_errors;
	struct buf json_findings, json_files;
	struct jsonw wf, wl;
};

static void set_file(struct run *r, const char *name)
{
	r->file = name;
	mem_free(r->shown);
	r->shown = err_printable(mem_strdup(name));
}

static bool on_finding(void *arg, const struct finding *f)
{
	struct run *r = arg;
	enum level level = r->level[f->rule];
	const char *severity = level == LEVEL_ERROR ? "error" : "warning";
	char *message;

	if (level == LEVEL_OFF)
		return true;
	if (level == LEVEL_ERROR)
		r->errors++;
	else
		r->warnings++;
	if (r->args.json) {
		jsonw_open(&r->wf, '{');
		jsonw_kstr(&r->wf, "rule", rules[f->rule].name);
		jsonw_kstr(&r->wf, "severity", severity);
		jsonw_kstr(&r->wf, "file", r->file);
		jsonw_kint(&r->wf, "line", (int64_t)f->line);
		jsonw_kint(&r->wf, "column", (int64_t)f->column);
		jsonw_kstr(&r->wf, "message", f->message);
		jsonw_close(&r->wf, '}');
	} else {
		message = err_printable(mem_strdup(f->message));
		printf("%s:%zu:%zu: %s: %s [%s]\n", r->shown, f->line, f->column, severity, message,
		       rules[f->rule].name);
		mem_free(message);
		if (f->excerpt[0])
			printf("    %s\n    %*s^\n", f->excerpt, (int)f->caret, "");
	}
	return ++r->findings < FINDINGS_MAX && !ferror(stdout);
}

static void file_done(struct run *r, const struct check_counts *n)
{
	progress_end();
	fprintf(stderr, "%s: %zu record%s, %zu error%s, %zu warning%s\n", r->shown, n->records,
		n->records == 1 ? "" : "s", r->errors, r->errors == 1 ? "" : "s", r->warnings,
		r->warnings == 1 ? "" : "s");
	if (r->findings >= FINDINGS_MAX)
		fprintf(stderr, "%s: stopped after %d findings\n", r->shown, FINDINGS_MAX);
	jsonw_open(&r->wl, '{');
	jsonw_kstr(&r->wl, "file", r->file);
	jsonw_kint(&r->wl, "records", (int64_t)n->records);
	jsonw_kint(&r->wl, "valid", (int64_t)n->valid);
	jsonw_close(&r->wl, '}');
	r->all_errors += r->errors;
}

static int check_dataset(struct run *r, const struct dataset *d, struct err *err)
{
	struct check *c = check_open(d, false, on_finding, r);
	struct check_counts n;
	struct err why;
	int rc;

	set_file(r, dataset_label(d));
	if (!reader_take(d->first)) {
		check_close(c);
		return err_set(err, "%s: was read before", r->file);
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
	int rc;

	r->findings = r->errors = r->warnings = 0;
	rc = dataset_find(&d, name, r->args.dir, &fault, err);
	if (rc == 0) {
		rc = check_dataset(r, &d, err);
	} else if (fault.rule != RULE_COUNT) {
		struct finding f = { fault.rule, fault.line, fault.column, err->msg, "", 0 };

		set_file(r, fault.file);
		on_finding(r, &f);
		file_done(r, &(struct check_counts){ 0 });
		rc = 0;
	}
	dataset_close(&d);
	return rc;
}

/* -W NAME, no-NAME, error, error=NAME, in the order given. */
static void set_levels(struct run *r)
{
	for (int i = 0; i < RULE_COUNT; i++)
		r->level[i] = rules[i].severity == SEVERITY_ERROR ? LEVEL_ERROR : LEVEL_WARNING;
	for (size_t i = 0; i < r->args.warn.n; i++) {
		const char *s = r->args.warn.v[i], *name = s;
		enum rule_id id;

		if (!strcmp(s, "error")) {
			for (int k = 0; k < RULE_COUNT; k++)
				if (r->level[k] == LEVEL_WARNING)
					r->level[k] = LEVEL_ERROR;
			continue;
		}
		if (!strncmp(s, "no-", 3))
			name = s + 3;
		else if (!strncmp(s, "error=", 6))
			name = s + 6;
		id = rule_find(s);
		if (id == RULE_COUNT)
			id = rule_find(name);
		else
			name = s;
		if (id == RULE_COUNT)
			opt_misuse(&cmd, "-W: no rule \"%s\"; --list-rules names them", name);
		r->level[id] = name == s       ? (rules[id].severity == SEVERITY_ERROR ? LEVEL_ERROR
										       : LEVEL_WARNING)
			       : name == s + 3 ? LEVEL_OFF
					       : LEVEL_ERROR;
	}
}

static int list_rules(void)
{
	for (int i = 0; i < RULE_COUNT; i++)
		printf("%-24s %-8s %s; %s\n", rules[i].name,
		       rules[i].severity == SEVERITY_ERROR ? "error" : "warning", rules[i].what,
		       rules[i].fix);
	return tool_done(&cmd, 0);
}

int main(int argc, char **argv)
{
	struct run r = { .args = { .dir = "data" } };
	struct err err;
	int n, code = 0;

	tool_start();
	n = opt_parse(&cmd, &r.args, argc, argv);
	if (r.args.rules)
		return list_rules();
	if (n == 0)
		opt_misuse(&cmd, "no data set given");
	if (r.args.stage && strcmp(r.args.stage, "sft") && strcmp(r.args.stage, "dpo"))
		opt_misuse(&cmd, "--stage takes sft or dpo, not \"%s\"", r.args.stage);
	set_levels(&r);
	r.wf.out = &r.json_findings;
	r.wl.out = &r.json_files;
	jsonw_open(&r.wf, '[');
	jsonw_open(&r.wl, '[');
	for (int i = 0; i < n; i++)
		if (check_operand(&r, argv[i], &err) < 0)
			code = tool_fail(&cmd, &err);
	jsonw_close(&r.wf, ']');
	jsonw_close(&r.wl, ']');
	if (r.args.json)
		printf("{\"findings\": %s, \"files\": %s}\n", r.json_findings.p, r.json_files.p);
	buf_free(&r.json_findings);
	buf_free(&r.json_files);
	mem_free(r.shown);
	mem_free(r.args.warn.v);
	return tool_done(&cmd, code ? code : r.all_errors ? 1 : 0);
}
