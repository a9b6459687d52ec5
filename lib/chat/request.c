/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/request.h"

#include "base/jsonw.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "chat/harmless.h"
#include "chat/setting.h"

#include <jansson.h>
#include <string.h>

static const char *const other_keys[] = { "prompt", "messages", "system", "stop", "stream" };

static bool known(const char *key)
{
	for (size_t i = 0; i < sizeof(other_keys) / sizeof(*other_keys); i++)
		if (!strcmp(other_keys[i], key))
			return true;
	return false;
}

static int unknown(const char *key, struct err *err)
{
	struct nearest near = { .name = key };

	for (size_t i = 0; i < n_settings; i++)
		nearest_try(&near, settings[i].name);
	for (size_t i = 0; i < sizeof(other_keys) / sizeof(*other_keys); i++)
		nearest_try(&near, other_keys[i]);
	if (near.best)
		return err_set(err, "there is no key \"%.60s\"; did you mean \"%s\"?", key,
			       near.best);
	return err_set(err,
		       "there is no key \"%.60s\"; there are prompt or messages, system, stop, "
		       "stream, temperature, top_k, top_p, min_p, repetition_penalty, seed, "
		       "max_new_tokens",
		       key);
}

static int read_settings(struct request *r, json_t *root, const struct element *e, size_t *at,
			 struct err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach(root, key, value)
	{
		const struct setting *k = setting_find(key);

		element_find(e, key, -1, NULL, at);
		if (k && setting_read(k, &r->sampling, value, err) < 0)
			return -1;
		if (!k && !known(key))
			return unknown(key, err);
		r->seeded = r->seeded || !strcmp(key, "seed");
	}
	value = json_object_get(root, "stream");
	element_find(e, "stream", -1, NULL, at);
	if (value && !json_is_boolean(value))
		return err_set(err, "\"stream\" must be true or false");
	r->stream = value ? json_is_true(value) : r->stream;
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

/* "system" goes in front; beside a first system message it is an error when encoded. */
static int read_messages(struct request *r, json_t *root, const struct element *e, size_t *at,
			 struct err *err)
{
	const json_t *prompt = json_object_get(root, "prompt"), *list, *system;
	size_t n;

	list = json_object_get(root, "messages");
	system = json_object_get(root, "system");
	element_find(e, prompt ? "prompt" : "messages", -1, NULL, at);
	if (!prompt == !list || (prompt ? !json_is_string(prompt) : !json_array_size(list)))
		return err_set(err, "there must be a \"prompt\" (text) or \"messages\" (a list)");
	element_find(e, "system", -1, NULL, at);
	if (system && !json_is_string(system))
		return err_set(err, "\"system\" must be text");
	n = prompt ? 1 : json_array_size(list);
	r->messages = mem_new(n + 1, sizeof(*r->messages));
	if (system)
		r->messages[r->n_messages++] =
			(struct message){ ROLE_SYSTEM, json_string_value(system),
					  json_string_length(system) };
	if (prompt)
		r->messages[r->n_messages++] =
			(struct message){ ROLE_USER, json_string_value(prompt),
					  json_string_length(prompt) };
	for (size_t i = 0; !prompt && i < n; i++)
		if (message_read(&r->messages[r->n_messages++], json_array_get(list, i), i, e, at,
				 err) < 0)
			return -1;
	return 0;
}

static void start(struct request *r, const struct request_defaults *d, const struct element *e)
{
	*r = (struct request){ .line = e->line,
			       .sampling = *d->sampling,
			       .stops = d->stops,
			       .stream = d->stream,
			       .timings = d->timings };
}

int request_read(struct request *r, const struct request_defaults *d, const struct element *e,
		 size_t *at, struct err *err)
{
	json_error_t je;

	start(r, d, e);
	*at = 0;
	r->root = json_loadb(e->p, e->n, JSON_REJECT_DUPLICATES, &je);
	if (!r->root) {
		*at = element_fault(e, je.position, je.text);
		return err_set(err, "%s", je.text);
	}
	if (!json_is_object(r->root))
		return err_set(err, "a JSON object is expected, as {\"prompt\": \"...\"}");
	if (read_settings(r, r->root, e, at, err) < 0)
		return -1;
	element_find(e, "stop", -1, NULL, at);
	if (read_stops(r, json_object_get(r->root, "stop"), err) < 0)
		return -1;
	return read_messages(r, r->root, e, at, err);
}

void request_text(struct request *r, const struct request_defaults *d, const struct element *e)
{
	start(r, d, e);
	r->messages = mem_new(1, sizeof(*r->messages));
	r->n_messages = 1;
	r->messages[0] = (struct message){ ROLE_USER, arena_strndup(&r->arena, e->p, e->n), e->n };
}

int request_encode(struct request *r, const struct engine *e, struct err *err)
{
	text_open(&r->text, e->tok, r->stops);
	return fit_messages(&r->prompt, e, &e->settings, r->messages, r->n_messages,
			    r->sampling.max_new_tokens, err);
}

void request_close(struct request *r)
{
	json_decref(r->root);
	mem_free(r->messages);
	ids_free(&r->prompt.ids);
	text_close(&r->text);
	buf_free(&r->answer);
	arena_free(&r->arena);
}

/* Every line goes through harmless_json: a terminal may be at the other end. */
static void add_line(struct buf *line, struct buf *out)
{
	harmless_json(line->p, line->n, out);
	buf_char(out, '\n');
	buf_free(line);
}

void request_write_delta(struct request *r, struct buf *out)
{
	struct buf line = { 0 };
	struct jsonw w = { .out = &line };

	if (r->told == r->answer.n)
		return;
	jsonw_open(&w, '{');
	jsonw_key(&w, "delta");
	jsonw_str(&w, r->answer.p + r->told, r->answer.n - r->told);
	jsonw_close(&w, '}');
	r->told = r->answer.n;
	add_line(&line, out);
}

void request_write(const struct request *r, const struct answer *a, struct buf *out)
{
	bool stopped = a->stopped || r->text.stopped;
	struct buf line = { 0 };
	struct jsonw w = { .out = &line };

	jsonw_open(&w, '{');
	jsonw_key(&w, "answer");
	jsonw_str(&w, r->answer.n ? r->answer.p : "", r->answer.n);
	jsonw_kint(&w, "tokens", (int64_t)a->out.n);
	jsonw_kbool(&w, "stopped", stopped);
	jsonw_kstr(&w, "finish_reason", stopped ? "stop" : "length");
	jsonw_key(&w, "usage");
	jsonw_open(&w, '{');
	jsonw_kint(&w, "prompt_tokens", (int64_t)a->n_prompt);
	jsonw_kint(&w, "completion_tokens", (int64_t)a->out.n);
	jsonw_kint(&w, "total_tokens", (int64_t)(a->n_prompt + a->out.n));
	jsonw_close(&w, '}');
	jsonw_kint(&w, "dropped_turns", (int64_t)r->prompt.turns);
	if (r->timings) {
		jsonw_key(&w, "timings");
		jsonw_open(&w, '{');
		jsonw_knum(&w, "prompt_seconds", a->prompt_seconds, 6);
		jsonw_knum(&w, "answer_seconds", a->answer_seconds, 6);
		jsonw_close(&w, '}');
	}
	jsonw_close(&w, '}');
	add_line(&line, out);
}
