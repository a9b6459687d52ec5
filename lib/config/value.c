/* SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool among(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(s, *words))
			return true;
	return false;
}

bool entry_is_null(const struct entry *e)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };

	return !e->quoted && !e->sequence && among(e->value, nulls);
}

static bool to_bool(const char *s, bool *x)
{
	static const char *const yes[] = { "true", "True", "TRUE", NULL };
	static const char *const no[] = { "false", "False", "FALSE", NULL };

	*x = among(s, yes);
	return *x || among(s, no);
}

/* [+-] digits, no leading zero: YAML 1.1 would read 0777 as octal, YAML 1.2 would not. */
static bool to_int(const char *s, long *x)
{
	const char *digits = s + (*s == '-' || *s == '+');
	size_t n = strspn(digits, "0123456789");

	if (!n || digits[n] || (n > 1 && *digits == '0'))
		return false;
	errno = 0;
	*x = strtol(s, NULL, 10);
	return !errno;
}

/* 1, 1.5, .5, 1e-4, 1.0E+3: what OmegaConf reads as a float; no hex, nan or inf. */
static bool to_num(const char *s, double *x)
{
	const char *p = s + (*s == '-' || *s == '+');
	size_t whole = strspn(p, "0123456789"), part = 0;

	p += whole;
	if (*p == '.') {
		part = strspn(p + 1, "0123456789");
		p += 1 + part;
	}
	if (!whole && !part)
		return false;
	if (*p == 'e' || *p == 'E') {
		size_t n;

		p += 1 + (p[1] == '-' || p[1] == '+');
		n = strspn(p, "0123456789");
		if (!n)
			return false;
		p += n;
	}
	if (*p)
		return false;
	*x = strtod(s, NULL);
	return isfinite(*x);
}

/* "a, b, c" of "a b c". */
static const char *commas(struct arena *arena, const char *choices)
{
	struct buf b = { 0 };
	const char *s;

	for (; *choices; choices++) {
		if (*choices == ' ')
			buf_char(&b, ',');
		buf_char(&b, *choices);
	}
	s = arena_strndup(arena, b.p, b.n);
	buf_free(&b);
	return s;
}

static bool is_choice(const char *s, size_t n, const char *choices)
{
	if (!choices || !n || strchr(s, ' '))
		return false;
	for (const char *p = choices; (p = strstr(p, s)); p++)
		if ((p == choices || p[-1] == ' ') && (!p[n] || p[n] == ' '))
			return true;
	return false;
}

#define AT_VALUE(e) (e)->file, (e)->value_line, (e)->value_column

/* Complain unless the word is among k's choices. */
static bool check_choice(struct arena *arena, const struct key *k, const struct entry *e,
			 const char *word, struct problems *ps)
{
	const char *list = commas(arena, k->choices), *seen = shown(arena, word), *near;
	char item[64];

	if (is_choice(word, strlen(word), k->choices))
		return true;
	if (is_choice(word, strlen(word), k->later)) {
		problem_add(ps, AT_VALUE(e), "%s: '%s' is not implemented yet; it takes %s",
			    k->name, seen, list);
		return false;
	}
	near = suggest_choice(word, k->choices, item, sizeof(item));
	if (near && strchr(k->choices, ' '))
		problem_add(ps, AT_VALUE(e), "%s: '%s' is none of %s; did you mean '%s'?", k->name,
			    seen, list, near);
	else if (strchr(k->choices, ' '))
		problem_add(ps, AT_VALUE(e), "%s: '%s' is none of %s", k->name, seen, list);
	else
		problem_add(ps, AT_VALUE(e), "%s: '%s' is unknown; it takes %s", k->name, seen,
			    list);
	return false;
}

static bool check_items(struct arena *arena, const struct key *k, const struct entry *e,
			struct problems *ps)
{
	const char *rest = e->value, *item;
	size_t n, count = 0;
	bool all = false;

	while ((item = config_list_next(&rest, &n))) {
		char *word = arena_strndup(arena, item, n);

		if (k->choices && !check_choice(arena, k, e, word, ps))
			return false;
		all |= k->choices && !strcmp(word, "all");
		count++;
	}
	if (!count || (all && count > 1))
		problem_add(ps, AT_VALUE(e), "%s: %s", k->name,
			    count ? "'all' stands by itself; take it or the names out"
				  : "the list is empty; leave the key out");
	return count && !(all && count > 1);
}

static bool in_range(const struct key *k, double x)
{
	if (k->min == 0 && k->max == 0)
		return true;
	return (k->open & OPEN_MIN ? x > k->min : x >= k->min) &&
	       (k->open & OPEN_MAX ? x < k->max : x <= k->max);
}

static void complain_range(const struct key *k, const struct entry *e, const char *seen,
			   struct problems *ps)
{
	const char *above = k->open & OPEN_MIN ? "above " : "";

	if (isinf(k->max))
		problem_add(ps, AT_VALUE(e), "%s: %s is out of range; it takes %s%.10g%s", k->name,
			    seen, above, k->min, *above ? "" : " or more");
	else
		problem_add(ps, AT_VALUE(e), "%s: %s is out of range; it takes %s%.10g to %s%.10g",
			    k->name, seen, above, k->min, k->open & OPEN_MAX ? "below " : "",
			    k->max);
}

static void complain_type(const struct key *k, const struct entry *e, const char *seen,
			  struct problems *ps)
{
	static const char *const wants[] = {
		[KEY_BOOL] = "true or false",
		[KEY_INT] = "a whole number",
		[KEY_NUM] = "a number",
		[KEY_STR] = "text; in quotes, if that is what is meant",
		[KEY_LIST] = "names; in quotes, if that is what is meant",
	};

	if (e->sequence)
		problem_add(ps, AT_VALUE(e), "%s: takes one value, not a list", k->name);
	else if (e->quoted)
		problem_add(ps, AT_VALUE(e),
			    "%s: takes %s, but this is text in quotes; take them "
			    "off",
			    k->name, wants[k->type]);
	else
		problem_add(ps, AT_VALUE(e), "%s: '%s' is wrong; it takes %s", k->name, seen,
			    wants[k->type]);
}

struct value {
	bool b;
	long i;
	double x;
};

/* Read e's text as k's type; false, reported, if it is not one. */
static bool convert(struct arena *arena, const struct key *k, const struct entry *e,
		    struct value *v, struct problems *ps)
{
	bool ok = !e->sequence || k->type == KEY_LIST;

	if (k->type < KEY_STR)
		ok = ok && !e->quoted;
	else if (!e->quoted && !e->sequence && !k->may_be_switch)
		ok = ok && !to_bool(e->value, &v->b); /* a bool where a name is due */
	if (ok && k->type == KEY_BOOL)
		ok = to_bool(e->value, &v->b);
	if (ok && k->type == KEY_INT)
		ok = to_int(e->value, &v->i);
	if (ok && k->type == KEY_NUM)
		ok = to_num(e->value, &v->x);
	if (!ok)
		complain_type(k, e, shown(arena, e->value), ps);
	return ok;
}

static void put(struct config *c, const struct key *k, const struct value *v, const char *text)
{
	char *at = (char *)c + k->off;

	switch (k->type) {
	case KEY_BOOL:
		*(bool *)at = v->b;
		break;
	case KEY_INT:
		*(long *)at = v->i;
		break;
	case KEY_NUM:
		*(double *)at = v->x;
		break;
	default:
		*(const char **)at = text;
	}
}

/* Whether the value of a key that is not implemented is its default. */
static bool is_preset(const struct key *k, const struct entry *e, const struct value *v)
{
	struct value want = { 0 };

	if (!k->preset)
		return k->type >= KEY_STR && !*e->value;
	switch (k->type) {
	case KEY_BOOL:
		return to_bool(k->preset, &want.b) && want.b == v->b;
	case KEY_INT:
		return to_int(k->preset, &want.i) && want.i == v->i;
	case KEY_NUM:
		return to_num(k->preset, &want.x) && want.x == v->x;
	default:
		return !strcmp(k->preset, e->value);
	}
}

static void refuse_missing(struct arena *arena, const struct key *k, const struct entry *e,
			   struct problems *ps)
{
	struct value v = { 0 };

	if (k->type < KEY_STR && !convert(arena, k, e, &v, ps))
		return;
	if (!is_preset(k, e, &v))
		problem_add(ps, e->file, e->line, e->column,
			    "%s: '%s' would change the result and is not implemented; leave the "
			    "key out or set it to %s",
			    k->name, shown(arena, e->value), k->preset ? k->preset : "null");
}

void value_store(struct config *c, const struct key *k, const struct entry *e, struct problems *ps)
{
	struct value v = { 0 };
	const char *seen = shown(&c->arena, e->value);

	if (k->kind == KEY_IGNORED)
		return;
	if (entry_is_null(e)) {
		c->set[k - config_keys] = k->may_be_null && *e->value && *e->value != '~';
		if (c->set[k - config_keys])
			put(c, k, &v, "null");
		return;
	}
	if (k->kind == KEY_MISSING) {
		refuse_missing(&c->arena, k, e, ps);
		return;
	}
	if (!convert(&c->arena, k, e, &v, ps))
		return;
	if (k->type == KEY_STR && !*e->value && !k->may_be_empty) {
		problem_add(ps, AT_VALUE(e), "%s: is empty; leave the key out", k->name);
		return;
	}
	if ((k->type == KEY_INT && !in_range(k, (double)v.i)) ||
	    (k->type == KEY_NUM && !in_range(k, v.x))) {
		complain_range(k, e, seen, ps);
		return;
	}
	if (k->type == KEY_LIST ? !check_items(&c->arena, k, e, ps)
				: k->choices && !check_choice(&c->arena, k, e, e->value, ps))
		return;
	if (k->may_be_switch && !e->quoted && to_bool(e->value, &v.b))
		put(c, k, &v, v.b ? "true" : "false");
	else
		put(c, k, &v, e->value);
	c->set[k - config_keys] = true;
}

void value_preset(struct config *c, const struct key *k)
{
	struct value v = { 0 };

	if (k->preset && k->type == KEY_BOOL)
		to_bool(k->preset, &v.b);
	else if (k->preset && k->type == KEY_INT)
		to_int(k->preset, &v.i);
	else if (k->preset && k->type == KEY_NUM)
		to_num(k->preset, &v.x);
	put(c, k, &v, k->preset);
}
