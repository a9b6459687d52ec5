/* SPDX-License-Identifier: Apache-2.0 */
#include "data/turns.h"

#include "data/tape.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

uint32_t column_value(const struct tape *tape, const char *column)
{
	uint32_t v = column ? tape_get(tape, 0, column) : 0;

	return v && tape_type(tape, v) == TAPE_NULL ? 0 : v;
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

static const char *type_name(const struct tape *tape, uint32_t v)
{
	static const char *const names[] = {
		[TAPE_OBJECT] = "an object", [TAPE_ARRAY] = "an array", [TAPE_STRING] = "a string",
		[TAPE_NUMBER] = "a number",  [TAPE_TRUE] = "true",      [TAPE_FALSE] = "false",
		[TAPE_NULL] = "null",
	};

	return v ? names[tape_type(tape, v)] : "missing";
}

static bool is_string(const struct tape *tape, uint32_t v)
{
	return v && tape_type(tape, v) == TAPE_STRING;
}

static size_t string_length(const struct tape *tape, uint32_t v)
{
	return v ? tape->v[v].n : 0; /* that of its source: 0 only when it is empty */
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

static void push(struct turns *t, struct turn turn)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 8;
		t->v = mem_grow(t->v, t->cap, sizeof(*t->v));
	}
	t->v[t->n++] = turn;
}

static struct turn turn_of(enum role role, struct tape *tape, uint32_t string, struct where where)
{
	struct turn turn = { .role = role, .where = where };

	turn.text = tape_string(tape, string, &turn.n);
	return turn;
}

/* "a", "b", "c": the members a record has, for messages about one that it lacks. */
static void list_keys(struct tape *tape, char *out, size_t size)
{
	size_t n = 0;

	out[0] = 0;
	for (uint32_t k = 0; (k = tape_key(tape, 0, k));) {
		size_t len;
		const char *key = tape_string(tape, k, &len);

		if (n + len + 8 > size) {
			snprintf(out + n, size - n, ", ...");
			return;
		}
		n += (size_t)snprintf(out + n, size - n, "%s\"%.*s\"", n ? ", " : "", (int)len,
				      key);
	}
	if (!n)
		snprintf(out, size, "nothing");
}

/* The string of a column. Missing: *v 0, and an error if it is needed. */
static int string_column(struct turns *t, struct tape *tape, const char *column, bool needed,
			 uint32_t *v)
{
	struct where where = { column, -1, NULL };
	char keys[160];

	*v = column_value(tape, column);
	if (*v && !is_string(tape, *v))
		return wrong(t, RULE_WRONG_TYPE, where, "\"%s\" is %s, a string is needed", column,
			     type_name(tape, *v));
	if (*v || !needed)
		return 0;
	if (column && tape_get(tape, 0, column))
		return wrong(t, RULE_MISSING_FIELD, where, "\"%s\" is null", column);
	list_keys(tape, keys, sizeof(keys));
	return wrong(t, RULE_MISSING_FIELD, where, "no \"%s\"; the record has %s", column, keys);
}

static int read_system(struct turns *t, const struct dataset *d, struct tape *tape)
{
	uint32_t v;

	if (string_column(t, tape, d->columns.system, false, &v) < 0)
		return -1;
	if (string_length(tape, v))
		t->system = turn_of(ROLE_SYSTEM, tape, v,
				    (struct where){ d->columns.system, -1, NULL });
	return 0;
}

/* tools: JSON as text, or an array as it stands. */
static int read_tools(struct turns *t, const struct dataset *d, struct tape *tape)
{
	struct where where = { d->columns.tools, -1, NULL };
	uint32_t v = column_value(tape, d->columns.tools);

	if (!v || (is_string(tape, v) && !string_length(tape, v)))
		return 0;
	if (is_string(tape, v)) {
		t->tools = turn_of(ROLE_SYSTEM, tape, v, where);
	} else if (tape_type(tape, v) == TAPE_ARRAY) {
		t->tools.text = tape->p + tape->v[v].at;
		t->tools.n = tape->v[v].n;
		t->tools.where = where;
	} else {
		return wrong(t, RULE_WRONG_TYPE, where,
			     "\"%s\" is %s, an array of functions is needed", d->columns.tools,
			     type_name(tape, v));
	}
	return 0;
}

/* kto_tag: true or false; in a .csv file the words. */
static int read_verdict(struct turns *t, const struct dataset *d, struct tape *tape)
{
	uint32_t v = column_value(tape, d->columns.kto_tag);
	enum tape_type type = v ? tape_type(tape, v) : TAPE_NULL;

	if (!v)
		return 0;
	if (type == TAPE_TRUE ||
	    (type == TAPE_STRING && (tape_is(tape, v, "true") || tape_is(tape, v, "True"))))
		t->verdict = VERDICT_GOOD;
	else if (type == TAPE_FALSE ||
		 (type == TAPE_STRING && (tape_is(tape, v, "false") || tape_is(tape, v, "False"))))
		t->verdict = VERDICT_BAD;
	else
		return wrong(t, RULE_WRONG_TYPE, (struct where){ d->columns.kto_tag, -1, NULL },
			     "\"%s\" is %s, true or false is needed", d->columns.kto_tag,
			     type_name(tape, v));
	return 0;
}

static int read_pair(struct turns *t, struct tape *tape, uint32_t pair, struct where where)
{
	uint32_t s = 0;

	if (tape_type(tape, pair) != TAPE_ARRAY || tape_count(tape, pair) != 2)
		return wrong(t, RULE_MALFORMED_HISTORY, where,
			     "history entry %ld is not a pair of user and assistant text",
			     where.index + 1);
	for (size_t j = 0; j < 2; j++) {
		enum role role = j ? ROLE_ASSISTANT : ROLE_USER;

		s = tape_element(tape, pair, s);
		if (!is_string(tape, s))
			return wrong(t, RULE_MALFORMED_HISTORY, where,
				     "history entry %ld: its %s text is %s, a string is needed",
				     where.index + 1, j ? "assistant" : "user", type_name(tape, s));
		push(t, turn_of(role, tape, s, where));
	}
	return 0;
}

/* history: a list of [user, assistant] pairs. */
static int read_history(struct turns *t, const char *column, struct tape *tape)
{
	uint32_t list = column_value(tape, column);
	struct where where = { column, -1, NULL };

	if (!list)
		return 0;
	if (tape_type(tape, list) != TAPE_ARRAY)
		return wrong(t, RULE_WRONG_TYPE, where,
			     "\"%s\" is %s, an array of [user, assistant] pairs is needed", column,
			     type_name(tape, list));
	for (uint32_t pair = 0; (pair = tape_element(tape, list, pair));) {
		where.index++;
		if (read_pair(t, tape, pair, where) < 0)
			return -1;
	}
	return 0;
}

/* User text: prompt and query, those that are not empty, with a line feed between. */
static int read_prompt(struct turns *t, const struct columns *c, struct tape *tape)
{
	struct turn a = { .where = { c->prompt ? c->prompt : c->query, -1, NULL } }, b = a;
	uint32_t va, vb;
	char *s;

	if (string_column(t, tape, c->query, false, &vb) < 0 ||
	    string_column(t, tape, c->prompt, !string_length(tape, vb), &va) < 0)
		return -1;
	if (vb && string_length(tape, vb))
		b = turn_of(ROLE_USER, tape, vb, (struct where){ c->query, -1, NULL });
	if (va)
		a = turn_of(ROLE_USER, tape, va, a.where);
	if (a.n && b.n) {
		s = tape_alloc(tape, a.n + 1 + b.n);
		memcpy(s, a.text, a.n);
		s[a.n] = '\n';
		memcpy(s + a.n + 1, b.text, b.n);
		a.text = s;
		a.n += 1 + b.n;
	} else if (b.n) {
		a = b;
	}
	a.role = ROLE_USER;
	if (!a.text)
		a.text = "";
	push(t, a);
	return 0;
}

static int read_alpaca(struct turns *t, const struct dataset *d, struct tape *tape)
{
	const struct columns *c = &d->columns;
	uint32_t v;

	if (!c->prompt && !c->query)
		return wrong(t, RULE_MISSING_FIELD, (struct where){ NULL, -1, NULL },
			     "no column is mapped to \"prompt\"");
	if (read_system(t, d, tape) < 0 || read_tools(t, d, tape) < 0 ||
	    read_history(t, c->history, tape) < 0 || read_prompt(t, c, tape) < 0)
		return -1;
	if (!d->ranking) {
		if (!c->response)
			return wrong(t, RULE_MISSING_FIELD, (struct where){ NULL, -1, NULL },
				     "no column is mapped to \"response\"");
		if (string_column(t, tape, c->response, true, &v) < 0)
			return -1;
		push(t, turn_of(ROLE_ASSISTANT, tape, v, (struct where){ c->response, -1, NULL }));
		return 0;
	}
	if (string_column(t, tape, c->chosen, true, &v) < 0)
		return -1;
	t->chosen = turn_of(ROLE_ASSISTANT, tape, v, (struct where){ c->chosen, -1, NULL });
	if (string_column(t, tape, c->rejected, true, &v) < 0)
		return -1;
	t->rejected = turn_of(ROLE_ASSISTANT, tape, v, (struct where){ c->rejected, -1, NULL });
	return 0;
}

static int role_of(const struct tags *g, const struct tape *tape, uint32_t v, enum role *role)
{
	const char *const names[] = { g->user, g->assistant, g->observation, g->function,
				      g->system };
	static const enum role roles[] = { ROLE_USER, ROLE_ASSISTANT, ROLE_OBSERVATION,
					   ROLE_FUNCTION, ROLE_SYSTEM };

	for (size_t i = 0; i < 5; i++)
		if (names[i] && tape_is(tape, v, names[i])) {
			*role = roles[i];
			return 0;
		}
	return -1;
}

/* openai: an assistant's tool_calls become a function message, the calls as JSON: jansson's writing. */
static bool tool_calls(struct tape *tape, uint32_t m, struct turn *turn)
{
	uint32_t v = tape_get(tape, m, "tool_calls");
	json_t *calls, *list;
	char *text, *copy;

	if (!v || tape_type(tape, v) != TAPE_ARRAY || !tape_count(tape, v))
		return false;
	calls = json_loadb(tape->p + tape->v[v].at, tape->v[v].n, JSON_ALLOW_NUL, NULL);
	if (!calls) /* a whole number that is too large for one */
		calls = json_loadb(tape->p + tape->v[v].at, tape->v[v].n,
				   JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
	list = json_array();
	for (size_t i = 0; i < json_array_size(calls); i++)
		json_array_append(list, json_object_get(json_array_get(calls, i), "function"));
	text = json_dumps(list, 0);
	turn->role = ROLE_FUNCTION;
	turn->n = text ? strlen(text) : 0;
	copy = tape_alloc(tape, turn->n);
	memcpy(copy, text ? text : "", turn->n);
	turn->text = copy;
	free(text);
	json_decref(list);
	json_decref(calls);
	return true;
}

/* One {role, content} object. */
static int read_message(struct turns *t, const struct dataset *d, struct tape *tape, uint32_t m,
			struct where where, struct turn *turn)
{
	const struct tags *g = &d->tags;
	uint32_t role, content;
	struct where at = where;
	size_t n;

	if (tape_type(tape, m) != TAPE_OBJECT)
		return wrong(t, RULE_WRONG_TYPE, where, "a message is %s, an object is needed",
			     type_name(tape, m));
	role = tape_get(tape, m, g->role);
	at.inner = g->role;
	if (!is_string(tape, role))
		return wrong(t, role ? RULE_WRONG_TYPE : RULE_MISSING_FIELD, role ? at : where,
			     "a message's \"%s\" is %s, a string is needed", g->role,
			     type_name(tape, role));
	if (role_of(g, tape, role, &turn->role) < 0) {
		const char *name = tape_string(tape, role, &n);

		return wrong(t, RULE_MALFORMED_HISTORY, at,
			     "role \"%.*s\" is not known; the tags are \"%s\" and \"%s\"",
			     n < 60 ? (int)n : 60, name, g->user ? g->user : "",
			     g->assistant ? g->assistant : "");
	}
	turn->where = where;
	if (d->formatting == FMT_OPENAI &&
	    (turn->role == ROLE_ASSISTANT || turn->role == ROLE_FUNCTION) &&
	    tool_calls(tape, m, turn))
		return 0;
	at.inner = g->content;
	content = tape_get(tape, m, g->content);
	if (!is_string(tape, content))
		return wrong(t, content ? RULE_WRONG_TYPE : RULE_MISSING_FIELD,
			     content ? at : where, "a message's \"%s\" is %s, a string is needed",
			     g->content, type_name(tape, content));
	*turn = turn_of(turn->role, tape, content, at);
	return 0;
}

/* openai: tool results in a row are one message. */
static void join_results(struct turns *t, struct tape *tape, const struct turn *next)
{
	static const char glue[] = "\n</tool_response>\n<tool_response>\n";
	struct turn *last = &t->v[t->n - 1];
	size_t n = last->n + sizeof(glue) - 1 + next->n;
	char *s = tape_alloc(tape, n);

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

static int read_candidate(struct turns *t, const struct dataset *d, struct tape *tape,
			  const char *column, struct turn *turn)
{
	uint32_t v = column_value(tape, column);
	struct where where = { column, -1, NULL };

	if (!v)
		return wrong(t, RULE_MISSING_FIELD, where, "no \"%s\"", column);
	if (tape_type(tape, v) != TAPE_OBJECT)
		return wrong(t, RULE_WRONG_TYPE, where,
			     "\"%s\" is %s, a message {\"%s\": ..., \"%s\": ...} is needed", column,
			     type_name(tape, v), d->tags.role, d->tags.content);
	if (read_message(t, d, tape, v, where, turn) < 0)
		return -1;
	if (turn->role != ROLE_ASSISTANT && turn->role != ROLE_FUNCTION)
		return wrong(t, RULE_MALFORMED_HISTORY, where,
			     "\"%s\" is from %s where the assistant is due", column,
			     side(turn->role));
	return 0;
}

static int read_list(struct turns *t, const struct dataset *d, struct tape *tape, uint32_t list)
{
	struct where where = { d->columns.messages, -1, NULL };

	for (uint32_t m = 0; (m = tape_element(tape, list, m));) {
		struct turn turn = { 0 };

		where.index++;
		if (read_message(t, d, tape, m, where, &turn) < 0)
			return -1;
		if (where.index == 0 && turn.role == ROLE_SYSTEM) /* before the system column */
			t->system = turn.n ? turn : (struct turn){ 0 };
		else if (d->formatting == FMT_OPENAI && turn.role == ROLE_OBSERVATION && t->n &&
			 t->v[t->n - 1].role == ROLE_OBSERVATION)
			join_results(t, tape, &turn);
		else
			push(t, turn);
	}
	where.index = -1;
	return check_order(t, d, where);
}

static int read_messages(struct turns *t, const struct dataset *d, struct tape *tape)
{
	const char *column = d->columns.messages;
	uint32_t list = column_value(tape, column);
	struct where where = { column, -1, NULL };
	char keys[160];

	if (!list) {
		list_keys(tape, keys, sizeof(keys));
		return wrong(t, RULE_MISSING_FIELD, where, "no \"%s\"; the record has %s",
			     column ? column : "messages", keys);
	}
	if (tape_type(tape, list) != TAPE_ARRAY)
		return wrong(t, RULE_WRONG_TYPE, where, "\"%s\" is %s, an array is needed", column,
			     type_name(tape, list));
	if (read_system(t, d, tape) < 0 || read_tools(t, d, tape) < 0 ||
	    read_list(t, d, tape, list) < 0)
		return -1;
	if (!d->ranking)
		return 0;
	if (read_candidate(t, d, tape, d->columns.chosen, &t->chosen) < 0)
		return -1;
	return read_candidate(t, d, tape, d->columns.rejected, &t->rejected);
}

int turns_read(struct turns *t, const struct dataset *d, struct tape *tape)
{
	t->n = 0;
	t->system = t->tools = t->chosen = t->rejected = (struct turn){ 0 };
	t->why[0] = 0;
	t->verdict = VERDICT_NONE;
	if (read_verdict(t, d, tape) < 0)
		return -1;
	return d->formatting == FMT_ALPACA ? read_alpaca(t, d, tape) : read_messages(t, d, tape);
}

void turns_free(struct turns *t)
{
	mem_free(t->v);
	*t = (struct turns){ 0 };
}
