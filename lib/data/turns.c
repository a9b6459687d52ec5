/* SPDX-License-Identifier: Apache-2.0 */
#include "data/turns.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct json_t *column_value(const struct json_t *obj, const char *column)
{
	const json_t *v = column ? json_object_get(obj, column) : NULL;

	return json_is_null(v) ? NULL : v;
}

bool text_blank(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n) {
		if (strchr(" \t\r\n", s[i]) && s[i])
			i++;
		else if (n - i >= 3 && !memcmp(s + i, "\xE3\x80\x80", 3)) /* ideographic space */
			i += 3;
		else
			return false;
	}
	return true;
}

static const char *type_name(const json_t *v)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
		[JSON_INTEGER] = "a number", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",      [JSON_NULL] = "null",
	};

	return v ? names[json_typeof(v)] : "missing";
}

__attribute__((format(printf, 4, 5))) static int wrong(struct turns *t, enum rule_id rule,
						       struct where where, const char *fmt, ...)
{
	va_list ap;

	t->rule = rule;
	t->where = where;
	va_start(ap, fmt);
	vsnprintf(t->why, sizeof(t->why), fmt, ap);
	va_end(ap);
	return -1;
}

static void push(struct turns *t, enum role role, const char *text, size_t n, struct where where)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 8;
		t->v = mem_grow(t->v, t->cap, sizeof(*t->v));
	}
	t->v[t->n++] = (struct turn){ role, text, n, where };
}

static struct turn turn_of(enum role role, const json_t *s, struct where where)
{
	return (struct turn){ role, json_string_value(s), json_string_length(s), where };
}

/* "a", "b", "c": the members a record has, for messages about one that it lacks. */
static void list_keys(const json_t *obj, char *out, size_t size)
{
	const char *key;
	json_t *value;
	size_t n = 0;

	out[0] = 0;
	json_object_foreach((json_t *)obj, key, value)
	{
		if (n + strlen(key) + 8 > size) {
			snprintf(out + n, size - n, ", ...");
			return;
		}
		n += (size_t)snprintf(out + n, size - n, "%s\"%s\"", n ? ", " : "", key);
	}
	if (!n)
		snprintf(out, size, "nothing");
}

/* The string of a column. Missing: *v NULL, and an error if it is needed. */
static int string_column(struct turns *t, const json_t *obj, const char *column, bool needed,
			 const json_t **v)
{
	struct where where = { column, -1, NULL };
	char keys[160];

	*v = column_value(obj, column);
	if (*v && !json_is_string(*v))
		return wrong(t, RULE_WRONG_TYPE, where, "\"%s\" is %s, a string is needed", column,
			     type_name(*v));
	if (*v || !needed)
		return 0;
	if (json_object_get(obj, column))
		return wrong(t, RULE_MISSING_FIELD, where, "\"%s\" is null", column);
	list_keys(obj, keys, sizeof(keys));
	return wrong(t, RULE_MISSING_FIELD, where, "no \"%s\"; the record has %s", column, keys);
}

static int read_system(struct turns *t, const struct dataset *d, const json_t *obj)
{
	const json_t *v;

	if (string_column(t, obj, d->columns.system, false, &v) < 0)
		return -1;
	if (v && json_string_length(v))
		t->system = turn_of(ROLE_SYSTEM, v, (struct where){ d->columns.system, -1, NULL });
	return 0;
}

/* history: a list of [user, assistant] pairs. */
static int read_history(struct turns *t, const char *column, const json_t *obj)
{
	const json_t *list = column_value(obj, column);
	struct where where = { column, -1, NULL };

	if (!list)
		return 0;
	if (!json_is_array(list))
		return wrong(t, RULE_WRONG_TYPE, where,
			     "\"%s\" is %s, an array of [user, assistant] pairs is needed", column,
			     type_name(list));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *pair = json_array_get(list, i);

		where.index = (long)i;
		if (json_array_size(pair) != 2)
			return wrong(t, RULE_MALFORMED_HISTORY, where,
				     "history entry %zu is not a pair of user and assistant text",
				     i + 1);
		for (size_t j = 0; j < 2; j++) {
			const json_t *s = json_array_get(pair, j);

			if (!json_is_string(s))
				return wrong(t, RULE_MALFORMED_HISTORY, where,
					     "history entry %zu: its %s text is %s, a string is "
					     "needed",
					     i + 1, j ? "assistant" : "user", type_name(s));
			push(t, j ? ROLE_ASSISTANT : ROLE_USER, json_string_value(s),
			     json_string_length(s), where);
		}
	}
	return 0;
}

/* User text: prompt and query, those that are not empty, with a line feed between. */
static int read_prompt(struct turns *t, const struct columns *c, const json_t *obj)
{
	const json_t *a, *b;
	struct where where = { c->prompt ? c->prompt : c->query, -1, NULL };
	size_t na, nb;

	if (string_column(t, obj, c->query, false, &b) < 0 ||
	    string_column(t, obj, c->prompt, !b || !json_string_length(b), &a) < 0)
		return -1;
	na = a ? json_string_length(a) : 0;
	nb = b ? json_string_length(b) : 0;
	if (na && nb) {
		char *s = arena_new(&t->arena, na + nb + 2, 1);

		memcpy(s, json_string_value(a), na);
		s[na] = '\n';
		memcpy(s + na + 1, json_string_value(b), nb);
		push(t, ROLE_USER, s, na + nb + 1, where);
	} else if (nb) {
		where.key = c->query;
		push(t, ROLE_USER, json_string_value(b), nb, where);
	} else {
		push(t, ROLE_USER, a ? json_string_value(a) : "", na, where);
	}
	return 0;
}

static int read_alpaca(struct turns *t, const struct dataset *d, const json_t *obj)
{
	const struct columns *c = &d->columns;
	const json_t *v;

	if (!c->prompt && !c->query)
		return wrong(t, RULE_MISSING_FIELD, (struct where){ NULL, -1, NULL },
			     "no column is mapped to \"prompt\"");
	if (read_system(t, d, obj) < 0 || read_history(t, c->history, obj) < 0 ||
	    read_prompt(t, c, obj) < 0)
		return -1;
	if (!d->ranking) {
		if (!c->response)
			return wrong(t, RULE_MISSING_FIELD, (struct where){ NULL, -1, NULL },
				     "no column is mapped to \"response\"");
		if (string_column(t, obj, c->response, true, &v) < 0)
			return -1;
		push(t, ROLE_ASSISTANT, json_string_value(v), json_string_length(v),
		     (struct where){ c->response, -1, NULL });
		return 0;
	}
	if (string_column(t, obj, c->chosen, true, &v) < 0)
		return -1;
	t->chosen = turn_of(ROLE_ASSISTANT, v, (struct where){ c->chosen, -1, NULL });
	if (string_column(t, obj, c->rejected, true, &v) < 0)
		return -1;
	t->rejected = turn_of(ROLE_ASSISTANT, v, (struct where){ c->rejected, -1, NULL });
	return 0;
}

static int role_of(const struct tags *g, const char *s, enum role *role)
{
	const char *const names[] = { g->user, g->assistant, g->observation, g->function,
				      g->system };
	static const enum role roles[] = { ROLE_USER, ROLE_ASSISTANT, ROLE_OBSERVATION,
					   ROLE_FUNCTION, ROLE_SYSTEM };

	for (size_t i = 0; i < 5; i++)
		if (names[i] && !strcmp(names[i], s)) {
			*role = roles[i];
			return 0;
		}
	return -1;
}

/* openai: an assistant's tool_calls become a function message, the calls as JSON. */
static bool tool_calls(struct turns *t, const json_t *m, struct turn *turn)
{
	const json_t *calls = json_object_get(m, "tool_calls");
	json_t *list;
	char *text;

	if (!json_array_size(calls))
		return false;
	list = json_array();
	for (size_t i = 0; i < json_array_size(calls); i++)
		json_array_append(list, json_object_get(json_array_get(calls, i), "function"));
	text = json_dumps(list, 0);
	turn->role = ROLE_FUNCTION;
	turn->n = text ? strlen(text) : 0;
	turn->text = arena_strndup(&t->arena, text ? text : "", turn->n);
	free(text);
	json_decref(list);
	return true;
}

/* One {role, content} object. */
static int read_message(struct turns *t, const struct dataset *d, const json_t *m,
			struct where where, struct turn *turn)
{
	const struct tags *g = &d->tags;
	const json_t *role, *content;
	struct where at = where;

	if (!json_is_object(m))
		return wrong(t, RULE_WRONG_TYPE, where, "a message is %s, an object is needed",
			     type_name(m));
	role = json_object_get(m, g->role);
	at.inner = g->role;
	if (!json_is_string(role))
		return wrong(t, role ? RULE_WRONG_TYPE : RULE_MISSING_FIELD, role ? at : where,
			     "a message's \"%s\" is %s, a string is needed", g->role,
			     type_name(role));
	if (role_of(g, json_string_value(role), &turn->role) < 0)
		return wrong(t, RULE_MALFORMED_HISTORY, at,
			     "role \"%.60s\" is not known; the tags are \"%s\" and \"%s\"",
			     json_string_value(role), g->user ? g->user : "",
			     g->assistant ? g->assistant : "");
	turn->where = where;
	if (d->formatting == FMT_OPENAI &&
	    (turn->role == ROLE_ASSISTANT || turn->role == ROLE_FUNCTION) && tool_calls(t, m, turn))
		return 0;
	at.inner = g->content;
	content = json_object_get(m, g->content);
	if (!json_is_string(content))
		return wrong(t, content ? RULE_WRONG_TYPE : RULE_MISSING_FIELD,
			     content ? at : where, "a message's \"%s\" is %s, a string is needed",
			     g->content, type_name(content));
	*turn = turn_of(turn->role, content, at);
	return 0;
}

/* openai: tool results in a row are one message. */
static void join_results(struct turns *t, const struct turn *next)
{
	static const char glue[] = "\n</tool_response>\n<tool_response>\n";
	struct turn *last = &t->v[t->n - 1];
	size_t n = last->n + sizeof(glue) - 1 + next->n;
	char *s = arena_new(&t->arena, n + 1, 1);

	memcpy(s, last->text, last->n);
	memcpy(s + last->n, glue, sizeof(glue) - 1);
	memcpy(s + last->n + sizeof(glue) - 1, next->text, next->n);
	last->text = s;
	last->n = n;
}

static const char *side(enum role role)
{
	return role == ROLE_USER          ? "user"
	       : role == ROLE_ASSISTANT   ? "assistant"
	       : role == ROLE_FUNCTION    ? "function"
	       : role == ROLE_OBSERVATION ? "observation"
					  : "system";
}

/* user (or observation) and assistant (or function) in turn, starting with a user. */
static int check_order(struct turns *t, const struct dataset *d, struct where whole)
{
	for (size_t i = 0; i < t->n; i++) {
		enum role r = t->v[i].role;
		bool mine = r == ROLE_ASSISTANT || r == ROLE_FUNCTION;
		struct where at = t->v[i].where;

		at.inner = d->tags.role;
		if (mine != (i % 2 == 1) || r == ROLE_SYSTEM)
			return wrong(t, RULE_MALFORMED_HISTORY, at,
				     "message %ld is from %s where %s is due", at.index + 1,
				     side(r), i % 2 ? "the assistant" : "the user");
	}
	if (t->n == 0)
		return wrong(t, RULE_MALFORMED_HISTORY, whole, "no messages");
	if (t->n % 2 != (d->ranking ? 1 : 0))
		return wrong(t, RULE_MALFORMED_HISTORY, t->v[t->n - 1].where,
			     d->ranking ? "the last message is not the user's; chosen and rejected "
					  "answer the user"
					: "the last message is not the assistant's: nothing to "
					  "learn from");
	return 0;
}

static int read_candidate(struct turns *t, const struct dataset *d, const json_t *obj,
			  const char *column, struct turn *turn)
{
	const json_t *v = column_value(obj, column);
	struct where where = { column, -1, NULL };

	if (!v)
		return wrong(t, RULE_MISSING_FIELD, where, "no \"%s\"", column);
	if (!json_is_object(v))
		return wrong(t, RULE_WRONG_TYPE, where,
			     "\"%s\" is %s, a message {\"%s\": ..., \"%s\": ...} is needed", column,
			     type_name(v), d->tags.role, d->tags.content);
	if (read_message(t, d, v, where, turn) < 0)
		return -1;
	if (turn->role != ROLE_ASSISTANT && turn->role != ROLE_FUNCTION)
		return wrong(t, RULE_MALFORMED_HISTORY, where,
			     "\"%s\" is from %s where the assistant is due", column,
			     side(turn->role));
	return 0;
}

static int read_messages(struct turns *t, const struct dataset *d, const json_t *obj)
{
	const char *column = d->columns.messages;
	const json_t *list = column_value(obj, column);
	struct where where = { column, -1, NULL };
	char keys[160];

	list_keys(obj, keys, sizeof(keys));
	if (!list)
		return wrong(t, RULE_MISSING_FIELD, where, "no \"%s\"; the record has %s",
			     column ? column : "messages", keys);
	if (!json_is_array(list))
		return wrong(t, RULE_WRONG_TYPE, where, "\"%s\" is %s, an array is needed", column,
			     type_name(list));
	if (read_system(t, d, obj) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct turn turn = { 0 };

		where.index = (long)i;
		if (read_message(t, d, json_array_get(list, i), where, &turn) < 0)
			return -1;
		if (i == 0 && turn.role == ROLE_SYSTEM) /* goes before the system column */
			t->system = turn.n ? turn : (struct turn){ 0 };
		else if (d->formatting == FMT_OPENAI && turn.role == ROLE_OBSERVATION && t->n &&
			 t->v[t->n - 1].role == ROLE_OBSERVATION)
			join_results(t, &turn);
		else
			push(t, turn.role, turn.text, turn.n, turn.where);
	}
	where.index = -1;
	if (check_order(t, d, where) < 0)
		return -1;
	if (!d->ranking)
		return 0;
	if (read_candidate(t, d, obj, d->columns.chosen, &t->chosen) < 0)
		return -1;
	return read_candidate(t, d, obj, d->columns.rejected, &t->rejected);
}

int turns_read(struct turns *t, const struct dataset *d, const struct json_t *obj)
{
	*t = (struct turns){ 0 };
	if (d->formatting == FMT_ALPACA)
		return read_alpaca(t, d, obj);
	return read_messages(t, d, obj);
}

void turns_free(struct turns *t)
{
	mem_free(t->v);
	arena_free(&t->arena);
	*t = (struct turns){ 0 };
}
