/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/transcript.h"

#include "base/file.h"
#include "base/jsonw.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/utf8.h"
#include "chat/setting.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The place of a path that holds wherever the file is read; a path that leads nowhere stays. */
static void write_path(struct jsonw *w, const char *path)
{
	char *whole = realpath(path, NULL);
	const char *text = whole ? whole : path;

	jsonw_str(w, text, strlen(text));
	free(whole);
}

static void write_message(struct jsonw *w, enum role role, const char *text, size_t n)
{
	jsonw_open(w, '{');
	jsonw_kstr(w, "role", role_name(role));
	jsonw_key(w, "content");
	jsonw_str(w, text, n);
	jsonw_close(w, '}');
}

static void write_settings(struct jsonw *w, const struct session *s)
{
	jsonw_key(w, "settings");
	jsonw_open(w, '{');
	for (size_t i = 0; i < n_settings; i++) {
		const struct setting *k = &settings[i];

		if (k->whole)
			jsonw_kint(w, k->name, (int64_t)setting_get(k, s->sampling));
		else
			jsonw_knum(w, k->name, setting_get(k, s->sampling), 17);
	}
	jsonw_close(w, '}');
	jsonw_key(w, "stop");
	jsonw_open(w, '[');
	for (size_t i = 0; s->stops && i < s->stops->n; i++)
		jsonw_str(w, s->stops->v[i], strlen(s->stops->v[i]));
	jsonw_close(w, ']');
}

static void write_adapters(struct jsonw *w, const struct engine *e)
{
	jsonw_key(w, "adapters");
	jsonw_open(w, '[');
	for (size_t i = 0; i < e->n_loaded; i++)
		for (int k = 0; k < e->loaded[i].on; k++)
			write_path(w, e->loaded[i].adapter.path);
	jsonw_close(w, ']');
}

int transcript_save(const struct session *s, const char *model, const char *path, struct err *err)
{
	const char *system = session_system(s);
	struct buf text = { 0 };
	struct jsonw w = { .out = &text, .indent = 2 };
	int rc;

	jsonw_open(&w, '{');
	jsonw_key(&w, "model");
	write_path(&w, model);
	jsonw_kstr(&w, "template", s->e->settings.template->name);
	write_adapters(&w, s->e);
	write_settings(&w, s);
	jsonw_key(&w, "messages");
	jsonw_open(&w, '[');
	write_message(&w, ROLE_SYSTEM, system,
		      strlen(system)); /* empty: none, which is meant, too */
	for (size_t i = 0; i < s->n; i++)
		write_message(&w, s->messages[i].role, s->messages[i].text, s->messages[i].n);
	jsonw_close(&w, ']');
	jsonw_close(&w, '}');
	buf_char(&text, '\n');
	rc = file_write(path, text.p, text.n, err);
	buf_free(&text);
	return rc;
}

/* Reading: e is the whole file; *at the byte where the fault is. */

static const char *const keys[] = {
	"messages", "settings", "stop", "adapters", "model", "template"
};

static int check_keys(const json_t *root, const struct element *e, size_t *at, struct err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)root, key, value)
	{
		struct nearest near = { .name = key };
		bool known = false;

		for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
			known = known || !strcmp(key, keys[i]);
			nearest_try(&near, keys[i]);
		}
		if (known)
			continue;
		element_find(e, key, -1, NULL, at);
		return err_set(err, "a conversation has no key \"%.40s\"%s%s%s", key,
			       near.best ? "; did you mean \"" : "", near.best ? near.best : "",
			       near.best ? "\"?"
					 : "; it has messages, settings, stop, adapters, "
					   "model, template");
	}
	return 0;
}

static int read_numbers(struct transcript *t, const json_t *object, const struct element *e,
			size_t *at, struct err *err)
{
	const char *key;
	json_t *value;

	*at = element_find(e, "settings", -1, NULL, NULL);
	if (object && !json_is_object(object))
		return err_set(err, "\"settings\" must be an object");
	json_object_foreach((json_t *)object, key, value)
	{
		const struct setting *k = setting_find(key);
		struct element inner = *e;
		size_t from = element_find(e, "settings", -1, NULL, NULL), here;

		inner.p += from;
		inner.n -= from;
		element_find(&inner, key, -1, NULL, &here);
		*at = from + here;
		if (!k)
			return err_set(err, "there is no setting \"%.40s\"%s", key,
				       setting_hint(key));
		if (setting_read(k, &t->sampling, value, err) < 0)
			return -1;
	}
	return 0;
}

/* A list of texts that are not empty. */
static int check_texts(const json_t *list, const char *key, const struct element *e, size_t *at,
		       struct err *err)
{
	const char *s;

	*at = element_find(e, key, -1, NULL, NULL);
	if (list && !json_is_array(list))
		return err_set(err, "\"%s\" must be a list", key);
	for (size_t i = 0; i < json_array_size(list); i++) {
		*at = element_find(e, key, (long)i, NULL, NULL);
		s = json_string_value(json_array_get(list, i));
		if (!s || !*s || strlen(s) != json_string_length(json_array_get(list, i)))
			return err_set(err, "\"%s\" must hold texts that are not empty", key);
	}
	return 0;
}

static int read_lists(struct transcript *t, const json_t *root, const struct element *e, size_t *at,
		      struct err *err)
{
	const json_t *stop = json_object_get(root, "stop"), *on = json_object_get(root, "adapters");

	if (check_texts(stop, "stop", e, at, err) < 0 ||
	    check_texts(on, "adapters", e, at, err) < 0)
		return -1;
	t->has_stops = stop != NULL;
	t->has_adapters = on != NULL;
	t->stops.v = mem_new(json_array_size(stop) + 1, sizeof(*t->stops.v));
	for (size_t i = 0; i < json_array_size(stop); i++)
		t->stops.v[t->stops.n++] = json_string_value(json_array_get(stop, i));
	buf_str(&t->adapters, "");
	for (size_t i = 0; i < json_array_size(on); i++) {
		const char *path = json_string_value(json_array_get(on, i));

		*at = element_find(e, "adapters", (long)i, NULL, NULL);
		if (strchr(path, ','))
			return err_set(err, "the path of an adapter must have no comma");
		buf_printf(&t->adapters, "%s%s", i ? "," : "", path);
	}
	return 0;
}

static int read_messages(struct transcript *t, const json_t *list, const struct element *e,
			 size_t *at, struct err *err)
{
	*at = element_find(e, "messages", -1, NULL, NULL);
	if (!json_is_array(list))
		return err_set(err, "\"messages\" must be there, a list");
	t->messages = mem_new(json_array_size(list) + 1, sizeof(*t->messages));
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct message m;
		bool asks;

		if (message_read(&m, json_array_get(list, i), i, e, at, err) < 0)
			return -1;
		*at = element_find(e, "messages", (long)i, NULL, NULL);
		if (m.role == ROLE_SYSTEM && i == 0) {
			t->system = m.text;
			if (strlen(m.text) != m.n)
				return err_set(err, "a system prompt must not hold \\u0000");
			continue;
		}
		asks = m.role == ROLE_USER || m.role == ROLE_OBSERVATION;
		if (m.role == ROLE_SYSTEM || asks != (t->n % 2 == 0))
			return err_set(err,
				       "message %zu: user and assistant must take turns, the user "
				       "first",
				       i + 1);
		t->messages[t->n++] = m;
	}
	return 0;
}

static int read_names(struct transcript *t, const json_t *root, const struct element *e, size_t *at,
		      struct err *err)
{
	static const char *const names[] = { "model", "template" };

	for (int i = 0; i < 2; i++) {
		const json_t *v = json_object_get(root, names[i]);

		*at = element_find(e, names[i], -1, NULL, NULL);
		if (v && !json_is_string(v) && !json_is_null(v))
			return err_set(err, "\"%s\" must be text", names[i]);
	}
	t->model = json_string_value(json_object_get(root, "model"));
	t->template = json_string_value(json_object_get(root, "template"));
	return 0;
}

static int read_all(struct transcript *t, const struct element *e, size_t *at, struct err *err)
{
	json_error_t je;

	*at = utf8_valid(e->p, e->n);
	if (*at < e->n)
		return err_set(err, "byte 0x%02X is not UTF-8", (unsigned char)e->p[*at]);
	t->root = json_loadb(e->p, e->n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &je);
	if (!t->root) {
		*at = element_fault(e, je.position, je.text);
		return err_set(err, "%s", je.text);
	}
	*at = 0;
	if (!json_is_object(t->root))
		return err_set(err, "a conversation is an object, {\"messages\": [...]}");
	if (check_keys(t->root, e, at, err) < 0 ||
	    read_numbers(t, json_object_get(t->root, "settings"), e, at, err) < 0 ||
	    read_lists(t, t->root, e, at, err) < 0 || read_names(t, t->root, e, at, err) < 0)
		return -1;
	return read_messages(t, json_object_get(t->root, "messages"), e, at, err);
}

int transcript_read(struct transcript *t, const char *path, const struct sampling *now,
		    struct err *err)
{
	struct element e = { .line = 1, .column = 1 };
	struct file f = { 0 };
	size_t at, line, column;
	int rc;

	*t = (struct transcript){ .sampling = *now };
	if (file_open(&f, path, err) < 0)
		return -1;
	e.p = f.n ? (const char *)f.p : "";
	e.n = f.n;
	rc = read_all(t, &e, &at, err);
	element_place(&e, at, &line, &column);
	if (rc < 0)
		err_wrap(err, "%s:%zu:%zu", path, line, column);
	file_close(&f);
	return rc;
}

void transcript_close(struct transcript *t)
{
	json_decref(t->root);
	mem_free(t->messages);
	mem_free(t->stops.v);
	buf_free(&t->adapters);
	*t = (struct transcript){ 0 };
}
