/* SPDX-License-Identifier: Apache-2.0 */
/* token_open, and what a model folder says beside its tokenizer.json. */
#include "token/vocab.h"

#include "base/file.h"
#include "format/gguf.h"

#include <string.h>

/* A token given as "text" or {"content": "text"}; -1: not named, or not a token. */
static int64_t named_id(const struct token *t, const json_t *o, const char *key)
{
	const json_t *x = json_object_get(o, key);

	if (json_is_object(x))
		x = json_object_get(x, "content");
	return json_is_string(x) ? token_id(t, json_string_value(x)) : -1;
}

/* An id, or the first of a list. */
static int64_t plain_id(const struct token *t, const json_t *o, const char *key)
{
	const json_t *x = json_object_get(o, key);
	json_int_t id;

	if (json_is_array(x))
		x = json_array_get(x, 0);
	id = json_is_integer(x) ? json_integer_value(x) : -1;
	return id >= 0 && id < t->n && t->v[id].flags ? id : -1;
}

/* chat_template as text, or a list of {"name", "template"}: the one named default. */
static void take_template(struct token *t, const json_t *o)
{
	const json_t *x = json_object_get(o, "chat_template"), *y;
	size_t i;

	json_array_foreach(x, i, y)
	{
		const char *name = json_string_value(json_object_get(y, "name"));

		if (name && !strcmp(name, "default")) {
			x = json_object_get(y, "template");
			break;
		}
	}
	if (json_is_string(x) && !t->chat_template)
		t->chat_template = mem_strndup(json_string_value(x), json_string_length(x));
}

static void take_ids(struct token *t, const json_t *o)
{
	static const char *const names[3][2] = { { "bos_token", "bos_token_id" },
						 { "eos_token", "eos_token_id" },
						 { "pad_token", "pad_token_id" } };
	int64_t *ids[3] = { &t->bos, &t->eos, &t->pad };

	for (int i = 0; i < 3; i++) {
		if (*ids[i] < 0)
			*ids[i] = named_id(t, o, names[i][0]);
		if (*ids[i] < 0)
			*ids[i] = plain_id(t, o, names[i][1]);
	}
}

int token_read_folder(struct token *t, const char *dir, struct err *err)
{
	static const char *const names[] = { "tokenizer_config.json", "special_tokens_map.json",
					     "generation_config.json", "config.json" };
	char *path = path_join(dir, "chat_template.jinja");
	struct file f = { 0 };
	int r = 0;

	if (file_exists(path)) {
		r = file_open(&f, path, err);
		if (!r)
			t->chat_template = mem_strndup((const char *)f.p, f.n);
		file_close(&f);
	}
	mem_free(path);
	for (size_t i = 0; !r && i < sizeof(names) / sizeof(*names); i++) {
		json_t *o;

		path = path_join(dir, names[i]);
		o = token_load_json(path, true, err);
		if (o && !i)
			take_template(t, o);
		if (o)
			take_ids(t, o);
		else if (err->kind)
			r = -1;
		json_decref(o);
		mem_free(path);
	}
	return r;
}

struct token *token_open(const char *path, struct err *err)
{
	bool folder = file_is_dir(path);
	struct token *t;
	char *json;

	*err = (struct err){ 0 };
	if (!folder && gguf_is(path))
		return token_read_gguf(path, err);
	json = folder ? path_join(path, "tokenizer.json") : mem_strdup(path);
	t = token_read_json(json, err);
	mem_free(json);
	if (t && folder && token_read_folder(t, path, err) < 0) {
		token_close(t);
		t = NULL;
	}
	if (t)
		token_finish_post(t);
	return t;
}
