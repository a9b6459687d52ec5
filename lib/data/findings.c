/* SPDX-License-Identifier: Apache-2.0 */
#include "data/findings.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>

static const char *const level_names[] = { "none", "warning", "error" };

static enum findings_level own_level(enum rule_id id)
{
	return rules[id].severity == SEVERITY_ERROR ? FINDINGS_ERROR : FINDINGS_WARNING;
}

static const char *set_level(struct findings *f, const char *s)
{
	const char *name = s;
	enum rule_id id = rule_find(s);
	enum findings_level level = FINDINGS_OFF;

	if (!strcmp(s, "error")) {
		for (int k = 0; k < RULE_COUNT; k++)
			if (f->level[k] == FINDINGS_WARNING)
				f->level[k] = FINDINGS_ERROR;
		return NULL;
	}
	if (id != RULE_COUNT) {
		level = own_level(id);
	} else if (!strncmp(s, "no-", 3)) {
		name = s + 3;
	} else if (!strncmp(s, "error=", 6)) {
		name = s + 6;
		level = FINDINGS_ERROR;
	}
	id = rule_find(name);
	if (id == RULE_COUNT)
		return name;
	f->level[id] = level;
	return NULL;
}

const char *findings_levels(struct findings *f, const struct opt_list *warn)
{
	const char *unknown = NULL;

	for (int i = 0; i < RULE_COUNT; i++)
		f->level[i] = own_level((enum rule_id)i);
	for (size_t i = 0; i < warn->n && !unknown; i++)
		unknown = set_level(f, warn->v[i]);
	f->wf.out = &f->found;
	f->wl.out = &f->files;
	jsonw_open(&f->wf, '[');
	jsonw_open(&f->wl, '[');
	return unknown;
}

void findings_file(struct findings *f, const char *name)
{
	mem_free(f->file);
	mem_free(f->shown);
	f->file = mem_strdup(name);
	f->shown = err_printable(mem_strdup(name));
	memset(f->count, 0, sizeof(f->count));
	f->errors = f->warnings = 0;
}

/* ---- one finding ---- */

static void add_text(const struct findings *f, const struct finding *x, const char *level)
{
	char *message = err_printable(mem_strdup(x->message));

	printf("%s:%zu:%zu: %s: %s [%s]\n", f->shown, x->line, x->column, level, message,
	       rules[x->rule].name);
	mem_free(message);
	if (x->excerpt[0])
		printf("    %s\n    %*s^\n", x->excerpt, (int)x->caret, "");
}

static void add_json(struct jsonw *w, const char *file, const struct finding *x, const char *level)
{
	jsonw_open(w, '{');
	jsonw_kstr(w, "rule", rules[x->rule].name);
	jsonw_kstr(w, "severity", level);
	jsonw_kstr(w, "file", file);
	jsonw_kint(w, "line", (int64_t)x->line);
	jsonw_kint(w, "column", (int64_t)x->column);
	jsonw_kstr(w, "message", x->message);
	jsonw_close(w, '}');
}

/* A path as a URI reference. */
static void add_uri(struct jsonw *w, const char *path)
{
	struct buf uri = { 0 };

	if (path[0] == '/')
		buf_str(&uri, "file://");
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || strchr("/._-~", c);

		if (plain)
			buf_char(&uri, (char)c);
		else
			buf_printf(&uri, "%%%02X", c);
	}
	jsonw_kstr(w, "uri", uri.n ? uri.p : "");
	buf_free(&uri);
}

static void add_text_object(struct jsonw *w, const char *key, const char *text)
{
	jsonw_key(w, key);
	jsonw_open(w, '{');
	jsonw_kstr(w, "text", text);
	jsonw_close(w, '}');
}

static void add_sarif(struct jsonw *w, const char *file, const struct finding *x, const char *level)
{
	jsonw_open(w, '{');
	jsonw_kstr(w, "ruleId", rules[x->rule].name);
	jsonw_kint(w, "ruleIndex", x->rule);
	jsonw_kstr(w, "level", level);
	add_text_object(w, "message", x->message);
	jsonw_key(w, "locations");
	jsonw_open(w, '[');
	jsonw_open(w, '{');
	jsonw_key(w, "physicalLocation");
	jsonw_open(w, '{');
	jsonw_key(w, "artifactLocation");
	jsonw_open(w, '{');
	add_uri(w, file);
	jsonw_close(w, '}');
	jsonw_key(w, "region");
	jsonw_open(w, '{');
	jsonw_kint(w, "startLine", (int64_t)x->line);
	jsonw_kint(w, "startColumn", (int64_t)x->column);
	jsonw_close(w, '}');
	jsonw_close(w, '}');
	jsonw_close(w, '}');
	jsonw_close(w, ']');
	jsonw_close(w, '}');
}

bool findings_add(void *arg, const struct finding *x)
{
	struct findings *f = arg;
	enum findings_level level = f->level[x->rule];

	if (level == FINDINGS_OFF)
		return true;
	f->errors += level == FINDINGS_ERROR;
	f->warnings += level == FINDINGS_WARNING;
	f->count[x->rule]++;
	if (f->form == FINDINGS_TEXT)
		add_text(f, x, level_names[level]);
	else if (f->form == FINDINGS_JSON)
		add_json(&f->wf, f->file, x, level_names[level]);
	else
		add_sarif(&f->wf, f->file, x, level_names[level]);
	return f->errors + f->warnings < FINDINGS_MAX && !ferror(stdout);
}

/* ---- sums ---- */

static const char *s(size_t n)
{
	return n == 1 ? "" : "s";
}

void findings_sums(struct findings *f, const struct check_counts *n)
{
	fprintf(stderr, "%s: %zu record%s, %zu valid, %zu error%s, %zu warning%s\n", f->shown,
		n->records, s(n->records), n->valid, f->errors, s(f->errors), f->warnings,
		s(f->warnings));
	for (int i = 0; i < RULE_COUNT; i++)
		if (f->count[i])
			fprintf(stderr, "  %6zu %-24s %s\n", f->count[i], rules[i].name,
				rules[i].fix);
	if (f->errors + f->warnings >= FINDINGS_MAX)
		fprintf(stderr, "%s: stopped after %d findings\n", f->shown, FINDINGS_MAX);
	jsonw_open(&f->wl, '{');
	jsonw_kstr(&f->wl, "file", f->file);
	jsonw_kint(&f->wl, "records", (int64_t)n->records);
	jsonw_kint(&f->wl, "valid", (int64_t)n->valid);
	jsonw_close(&f->wl, '}');
	f->all_errors += f->errors;
}

/* ---- the end ---- */

static void write_driver(struct jsonw *w, const char *tool, const char *version)
{
	jsonw_key(w, "tool");
	jsonw_open(w, '{');
	jsonw_key(w, "driver");
	jsonw_open(w, '{');
	jsonw_kstr(w, "name", tool);
	jsonw_kstr(w, "version", version);
	jsonw_key(w, "rules");
	jsonw_open(w, '[');
	for (int i = 0; i < RULE_COUNT; i++) {
		char *help = mem_printf("%s; see %s", rules[i].fix, rules[i].manual);

		jsonw_open(w, '{');
		jsonw_kstr(w, "id", rules[i].name);
		add_text_object(w, "shortDescription", rules[i].what);
		add_text_object(w, "help", help);
		jsonw_key(w, "defaultConfiguration");
		jsonw_open(w, '{');
		jsonw_kstr(w, "level", level_names[own_level((enum rule_id)i)]);
		jsonw_close(w, '}');
		jsonw_close(w, '}');
		mem_free(help);
	}
	jsonw_close(w, ']');
	jsonw_close(w, '}');
	jsonw_close(w, '}');
}

static void print_sarif(const struct findings *f, const char *tool, const char *version)
{
	struct buf out = { 0 };
	struct jsonw w = { .out = &out };

	jsonw_open(&w, '{');
	jsonw_kstr(&w, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
	jsonw_kstr(&w, "version", "2.1.0");
	jsonw_key(&w, "runs");
	jsonw_open(&w, '[');
	jsonw_open(&w, '{');
	write_driver(&w, tool, version);
	jsonw_kstr(&w, "columnKind", "unicodeCodePoints");
	jsonw_key(&w, "results");
	jsonw_raw(&w, f->found.p);
	jsonw_close(&w, '}');
	jsonw_close(&w, ']');
	jsonw_close(&w, '}');
	puts(out.p);
	buf_free(&out);
}

void findings_end(struct findings *f, const char *tool, const char *version)
{
	jsonw_close(&f->wf, ']');
	jsonw_close(&f->wl, ']');
	if (f->form == FINDINGS_JSON)
		printf("{\"findings\": %s, \"files\": %s}\n", f->found.p, f->files.p);
	else if (f->form == FINDINGS_SARIF)
		print_sarif(f, tool, version);
}

void findings_list_rules(void)
{
	for (int i = 0; i < RULE_COUNT; i++)
		printf("%-24s %-8s %s; %s (%s)\n", rules[i].name,
		       level_names[own_level((enum rule_id)i)], rules[i].what, rules[i].fix,
		       rules[i].manual);
}

void findings_free(struct findings *f)
{
	buf_free(&f->found);
	buf_free(&f->files);
	mem_free(f->file);
	mem_free(f->shown);
}
