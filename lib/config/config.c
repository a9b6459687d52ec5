/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include "base/file.h"
#include "base/jsonw.h"
#include "base/utf8.h"
#include "config/schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND_LINE "command line"
#define MOST_BYTES   (1u << 20)

static int load_file(struct config *c, const char *path, struct entries *es, struct problems *ps,
		     struct err *err)
{
	struct file f = { 0 };

	if (file_open(&f, path, err) < 0)
		return -1;
	if (f.n > MOST_BYTES)
		problem_add(ps, c->file, 1, 1,
			    "%zu bytes; a configuration has at most %u, is this the right file?",
			    f.n, MOST_BYTES);
	else
		yaml_read(f.p, f.n, c->file, &c->arena, es, ps);
	file_close(&f);
	return 0;
}

/* The n-th "key=value". */
static void load_override(struct config *c, const char *text, size_t n, struct entries *es,
			  struct problems *ps)
{
	const char *equals = strchr(text, '=');
	struct entry e = { .file = COMMAND_LINE, .line = (long)n, .column = 1 };
	size_t bad = utf8_valid(text, strlen(text));

	e.value_line = e.line;
	if (text[bad]) {
		problem_add(ps, COMMAND_LINE, e.line, (long)bad + 1, "not UTF-8");
		return;
	}
	if (*text == '-' || !equals || equals == text) {
		problem_add(ps, COMMAND_LINE, e.line, 1, "'%s' is not key=value",
			    shown(&c->arena, text));
		return;
	}
	e.key = arena_strndup(&c->arena, text, (size_t)(equals - text));
	e.value = arena_strndup(&c->arena, equals + 1, strlen(equals + 1));
	e.value_column = (long)(equals - text) + 2;
	es->v = mem_grow(es->v, es->n + 1, sizeof(*es->v));
	es->v[es->n++] = e;
}

/* A later entry from the command line takes this one's place. */
static bool is_overridden(const struct entries *es, size_t i)
{
	for (size_t j = i + 1; j < es->n; j++)
		if (!strcmp(es->v[j].file, COMMAND_LINE) && !strcmp(es->v[j].key, es->v[i].key))
			return true;
	return false;
}

static void complain_unknown(struct config *c, const struct entry *e, struct problems *ps)
{
	const char *near = suggest_key(e->key), *seen = shown(&c->arena, e->key);

	if (near)
		problem_add(ps, e->file, e->line, e->column, "unknown key '%s'; did you mean '%s'?",
			    seen, near);
	else
		problem_add(ps, e->file, e->line, e->column,
			    "unknown key '%s'; config(5) lists the keys", seen);
}

/* A key of another command than the one that reads. */
static bool is_foreign(const struct key *k, enum config_use use)
{
	unsigned trains = CONFIG_SFT | CONFIG_DPO | CONFIG_TOKENIZE;

	return k->kind != KEY_IGNORED && !(k->uses & (use & trains ? trains : use));
}

static void take_entries(struct config *c, enum config_use use, const struct entries *es,
			 const struct entry **at, struct buf *ignored, struct problems *ps)
{
	for (size_t i = 0; i < es->n; i++) {
		const struct entry *e = &es->v[i];
		const struct key *k = config_key(e->key);

		if (is_overridden(es, i))
			continue;
		if (!k) {
			complain_unknown(c, e, ps);
			continue;
		}
		/* A file of training may serve for talking as it is; the other way round is odd. */
		if (is_foreign(k, use) && use & (CONFIG_CHAT | CONFIG_EXPORT))
			continue;
		if ((k->kind == KEY_IGNORED || is_foreign(k, use)) && !entry_is_null(e))
			buf_printf(ignored, "%s%s", ignored->n ? ", " : "",
				   shown(&c->arena, e->key));
		if (k->kind == KEY_MISSING && is_foreign(k, use))
			continue;
		at[k - config_keys] = e;
		value_store(c, k, e, ps);
	}
}

int config_load(struct config *c, enum config_use use, const char *yaml_path,
		const char *const *overrides, size_t n_overrides, struct buf *problems,
		struct err *err)
{
	const struct entry *at[CONFIG_MAX_KEYS] = { 0 };
	struct buf ignored = { 0 }, notes = { 0 };
	struct entries es = { 0 };
	struct problems ps = { 0 };

	*c = (struct config){ .file = COMMAND_LINE };
	for (size_t i = 0; i < config_n_keys; i++)
		if (config_keys[i].kind == KEY_USED)
			value_preset(c, &config_keys[i]);
	if (yaml_path) {
		c->file = !strcmp(yaml_path, "-")
				  ? "standard input"
				  : err_printable(
					    arena_strndup(&c->arena, yaml_path, strlen(yaml_path)));
		if (load_file(c, yaml_path, &es, &ps, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < n_overrides; i++)
		load_override(c, overrides[i], i + 1, &es, &ps);
	take_entries(c, use, &es, at, &ignored, &ps);
	config_cross_check(c, use, at, &ps, &notes);
	if (ignored.n)
		c->ignored = arena_strndup(&c->arena, ignored.p, ignored.n);
	if (notes.n)
		c->notes = arena_strndup(&c->arena, notes.p, notes.n);
	buf_free(&ignored);
	buf_free(&notes);
	mem_free(es.v);
	return problems_tell(&ps, problems) ? -1 : 0;
}

void config_close(struct config *c)
{
	arena_free(&c->arena);
	*c = (struct config){ 0 };
}

bool config_is_set(const struct config *c, const char *key)
{
	const struct key *k = config_key(key);

	return k && c->set[k - config_keys];
}

int config_require(const struct config *c, const char *key, struct buf *problems)
{
	const struct key *k = config_key(key);
	const char *value = NULL;

	if (k && k->kind == KEY_USED && k->type >= KEY_STR)
		value = *(const char *const *)((const char *)c + k->off);
	if (value)
		return 0;
	buf_printf(problems,
		   "%s:1:1: '%s' is missing; write '%s: ...' in the file or give "
		   "%s=... on the command line\n",
		   c->file, key, key, key);
	return -1;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct key *const *)a)->name, (*(const struct key *const *)b)->name);
}

/* The fewest digits that read back as x. */
static int digits_of(double x)
{
	char text[40];

	for (int digits = 1; digits < 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, x);
		if (strtod(text, NULL) == x)
			return digits;
	}
	return 17;
}

static void write_value(struct jsonw *w, const struct config *c, const struct key *k)
{
	const char *at = (const char *)c + k->off;

	switch (k->type) {
	case KEY_BOOL:
		jsonw_kbool(w, k->name, *(const bool *)at);
		break;
	case KEY_INT:
		/* Below its range stands the 0 that means null: all samples. */
		if (!k->preset && (double)*(const long *)at < k->min) {
			jsonw_key(w, k->name);
			jsonw_null(w);
		} else {
			jsonw_kint(w, k->name, *(const long *)at);
		}
		break;
	case KEY_NUM:
		jsonw_knum(w, k->name, *(const double *)at, digits_of(*(const double *)at));
		break;
	default:
		jsonw_kstr(w, k->name, *(const char *const *)at);
	}
}

void config_write_json(const struct config *c, enum config_use use, struct buf *out)
{
	const struct key *rows[CONFIG_MAX_KEYS];
	struct jsonw w = { .out = out, .indent = 2 };
	size_t n = 0;

	for (size_t i = 0; i < config_n_keys; i++)
		if (config_keys[i].kind == KEY_USED && config_keys[i].uses & use)
			rows[n++] = &config_keys[i];
	qsort(rows, n, sizeof(rows[0]), by_name);
	jsonw_open(&w, '{');
	for (size_t i = 0; i < n; i++)
		write_value(&w, c, rows[i]);
	jsonw_close(&w, '}');
}

const char *config_list_next(const char **rest, size_t *n)
{
	const char *p = *rest;

	if (!p)
		return NULL;
	p += strspn(p, ", \t\n");
	*n = strcspn(p, ",");
	*rest = p + *n;
	while (*n && strchr(" \t\n", p[*n - 1]))
		--*n;
	return *n ? p : NULL;
}

/* A part of a run in steps. */
static long part_of(double part, long total)
{
	return (long)ceil(part * (double)total);
}

long config_warmup(const struct config *c, long total)
{
	if (c->warmup_steps >= 1)
		return (long)c->warmup_steps;
	return part_of(c->warmup_steps > 0 ? c->warmup_steps : c->warmup_ratio, total);
}

long config_interval(double steps, long total)
{
	long n = steps < 1 ? part_of(steps, total) : (long)steps;

	return n < 1 ? 1 : n;
}
