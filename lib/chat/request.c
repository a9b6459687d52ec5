/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/request.h"

#include "base/jsonw.h"

#include <jansson.h>
#include <string.h>

/* Numbers of a request and the ranges they may have (as in ft-chat's option table). */
struct number {
	const char *key;
	double min, max;
	bool whole;
};

enum { MAX_NEW_TOKENS, TEMPERATURE, TOP_K, TOP_P, REPETITION_PENALTY, SEED, NUMBERS };

static const struct number numbers[NUMBERS] = {
	[MAX_NEW_TOKENS] = { "max_new_tokens", 1, 1e6, true },
	[TEMPERATURE] = { "temperature", 0, 100, false },
	[TOP_K] = { "top_k", 0, 1e6, true },
	[TOP_P] = { "top_p", 0, 1, false },
	[REPETITION_PENALTY] = { "repetition_penalty", 0.01, 100, false },
	[SEED] = { "seed", 0, 9e15, true },
};

static const char *const other_keys[] = { "prompt", "messages", "system", "stop" };

static int number_of(const char *key)
{
	for (int i = 0; i < NUMBERS; i++)
		if (!strcmp(numbers[i].key, key))
			return i;
	return -1;
}

static void set_number(struct request *r, int which, double x)
{
	struct sampling *s = &r->sampling;

	switch (which) {
	case MAX_NEW_TOKENS:
		s->max_new_tokens = (long)x;
		break;
	case TEMPERATURE:
		s->temperature = x;
		break;
	case TOP_K:
		s->top_k = (long)x;
		break;
	case TOP_P:
		s->top_p = x;
		break;
	case REPETITION_PENALTY:
		s->repetition_penalty = x;
		break;
	case SEED:
		s->seed = (uint64_t)x;
		r->seeded = true;
		break;
	}
}

static int read_number(struct request *r, int which, const json_t *value, struct err *err)
{
	const struct number *k = &numbers[which];
	double x = json_number_value(value);

	if (k->whole ? !json_is_integer(value) : !json_is_number(value))
		return err_set(err, "\"%s\" must be a %s", k->key,
			       k->whole ? "whole number" : "number");
	if (!(x >= k->min && x <= k->max))
		return err_set(err, "\"%s\" is %g; it must be from %g to %g", k->key, x, k->min,
			       k->max);
	set_number(r, which, x);
	return 0;
}

static bool known(const char *key)
{
	for (size_t i = 0; i < sizeof(other_keys) / sizeof(*other_keys); i++)
		if (!strcmp(other_keys[i], key))
			return true;
	return false;
}

static int read_settings(struct request *r, json_t *root, struct err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach(root, key, value)
	{
		int which = number_of(key);

		if (which >= 0 && read_number(r, which, value, err) < 0)
			return -1;
		if (which < 0 && !known(key))
			return err_set(err,
				       "there is no key \"%.60s\"; there are prompt or messages, "
				       "system, max_new_tokens, temperature, top_k, top_p, "
				       "repetition_penalty, seed, stop",
				       key);
	}
	return 0;
}

static int read_stops(struct request *r, const json_t *stop, struct err *err)
{
	size_t n = json_is_array(stop) ? json_array_size(stop) : stop != NULL;

	if (!n)
		return 0;
	r->own_stops.v = arena_new(&r->arena, n, sizeof(*r->own_stops.v));
	for (size_t i = 0; i < n; i++) {
		const json_t *one = json_is_array(stop) ? json_array_get(stop, i) : stop;

		if (!json_string_length(one))
			return err_set(err, "\"stop\" must be a string, or several, none empty");
		r->own_stops.v[r->own_stops.n++] =
			arena_strndup(&r->arena, json_string_value(one), json_string_length(one));
	}
	r->stops = &r->own_stops;
	return 0;
}

static int read_message(struct message *m, const json_t *json, size_t i, struct err *err)
{
	static const struct {
		const char *name;
		enum role role;
	} roles[] = { { "system", ROLE_SYSTEM },
		      { "user", ROLE_USER },
		      { "assistant", ROLE_ASSISTANT },
		      { "tool", ROLE_OBSERVATION } };
	const char *role = json_string_value(json_object_get(json, "role"));
	const json_t *content = json_object_get(json, "content");

	if (!role || !json_is_string(content))
		return err_set(err, "message %zu must have a \"role\" and a \"content\", both text",
			       i + 1);
	for (size_t k = 0; k < sizeof(roles) / sizeof(*roles); k++)
		if (!strcmp(roles[k].name, role)) {
			*m = (struct message){ roles[k].role, json_string_value(content),
					       json_string_length(content) };
			return 0;
		}
	return err_set(err,
		       "message %zu has the role '%.40s'; there are system, user, assistant, tool",
		       i + 1, role);
}

/* The conversation as ids. "system" goes in front; beside a first system message it is an error. */
static int encode(struct request *r, const struct engine *e, json_t *root, struct err *err)
{
	const json_t *prompt = json_object_get(root, "prompt"), *list, *system;
	size_t n, k = 0;
	struct message *m;
	int rc = 0;

	list = json_object_get(root, "messages");
	system = json_object_get(root, "system");
	if (!prompt == !list || (prompt ? !json_is_string(prompt) : !json_array_size(list)))
		return err_set(err, "there must be a \"prompt\" (text) or \"messages\" (a list)");
	if (system && !json_is_string(system))
		return err_set(err, "\"system\" must be text");
	n = prompt ? 1 : json_array_size(list);
	m = mem_new(n + 1, sizeof(*m));
	if (system)
		m[k++] = (struct message){ ROLE_SYSTEM, json_string_value(system),
					   json_string_length(system) };
	if (prompt)
		m[k++] = (struct message){ ROLE_USER, json_string_value(prompt),
					   json_string_length(prompt) };
	for (size_t i = 0; !prompt && i < n && rc == 0; i++)
		rc = read_message(&m[k++], json_array_get(list, i), i, err);
	if (rc == 0)
		rc = encode_chat(&e->settings, e->tok, m, k, &r->prompt, err);
	mem_free(m);
	if (rc == 0 && r->prompt.n >= (size_t)e->model.n_positions)
		rc = err_set(err, "the conversation has %zu tokens, the model has room for %d",
			     r->prompt.n, e->model.n_positions - 1);
	return rc;
}

int request_read(struct request *r, const struct engine *e, const struct sampling *s,
		 const struct opt_list *stops, const char *line, size_t n, struct err *err)
{
	json_error_t je;
	json_t *root = json_loadb(line, n, JSON_REJECT_DUPLICATES, &je);
	int rc = -1;

	*r = (struct request){ .sampling = *s, .stops = stops };
	if (!root)
		return err_set(err, "column %d: %s", je.column, je.text);
	if (!json_is_object(root))
		err_set(err, "a JSON object is expected, as {\"prompt\": \"...\"}");
	else if (read_settings(r, root, err) == 0 &&
		 read_stops(r, json_object_get(root, "stop"), err) == 0)
		rc = encode(r, e, root, err);
	json_decref(root);
	text_open(&r->text, e->tok, r->stops);
	return rc;
}

void request_close(struct request *r)
{
	ids_free(&r->prompt);
	text_close(&r->text);
	buf_free(&r->answer);
	arena_free(&r->arena);
}

void request_write(const struct request *r, const struct answer *a, struct buf *out)
{
	struct jsonw w = { .out = out };

	jsonw_open(&w, '{');
	jsonw_key(&w, "answer");
	jsonw_str(&w, r->answer.n ? r->answer.p : "", r->answer.n);
	jsonw_kint(&w, "tokens", (int64_t)a->out.n);
	jsonw_kbool(&w, "stopped", a->stopped || r->text.stopped);
	jsonw_close(&w, '}');
	buf_char(out, '\n');
}
