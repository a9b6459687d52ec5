/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of a data set: from its entry in dataset_info.json, or from a record's keys. */
#include "data/entry.h"

#include "base/file.h"
#include "data/tape.h"

#include <jansson.h>
#include <string.h>

static const struct columns default_columns = {
	.prompt = "instruction",
	.query = "input",
	.response = "output",
	.messages = "conversations",
};

static const struct tags default_tags = {
	.role = "from",
	.content = "value",
	.user = "human",
	.assistant = "gpt",
	.observation = "observation",
	.function = "function_call",
	.system = "system",
};

static const struct tags openai_tags = {
	.role = "role",
	.content = "content",
	.user = "user",
	.assistant = "assistant",
	.observation = "tool",
	.function = "function",
	.system = "system",
};

/* What an entry is looked at with. */
struct entry {
	struct dataset *d;
	const char *name;
	const json_t *json;
	struct err *err;
};

/* The member if it is there and not null. */
static const json_t *member_value(const json_t *obj, const char *key)
{
	const json_t *v = json_object_get(obj, key);

	return json_is_null(v) ? NULL : v;
}

/* A string member of an entry; "" and null count as not given. */
static int entry_string(const struct entry *n, const json_t *obj, const char *key, const char **v)
{
	const json_t *s = member_value(obj, key);

	*v = NULL;
	if (s && !json_is_string(s))
		return err_set(n->err, "data set \"%s\": \"%s\" is not a string", n->name, key);
	if (s && json_string_length(s))
		*v = arena_strndup(&n->d->arena, json_string_value(s), json_string_length(s));
	return 0;
}

struct member {
	const char *key;
	const char **v;
};

/* Set all members from obj, those that it does not name to NULL; a key not listed is an error. */
static int entry_members(const struct entry *n, const char *what, const json_t *obj,
			 const struct member *m, size_t count)
{
	const char *key;
	json_t *value;

	if (!json_is_object(obj))
		return err_set(n->err, "data set \"%s\": \"%s\" is not an object", n->name, what);
	json_object_foreach((json_t *)obj, key, value)
	{
		static const char *const media[] = { "images", "videos", "audios" };
		size_t i = 0, j = 0;

		while (i < count && strcmp(m[i].key, key))
			i++;
		while (j < 3 && strcmp(media[j], key))
			j++;
		if (i == count && j < 3)
			return err_set(n->err, "data set \"%s\": %s are not supported", n->name,
				       key);
		if (i == count)
			return err_set(n->err, "data set \"%s\": %s has no \"%.60s\"", n->name,
				       what, key);
	}
	for (size_t i = 0; i < count; i++)
		if (entry_string(n, obj, m[i].key, m[i].v) < 0)
			return -1;
	return 0;
}

/* The rule: a `columns` that is there decides about all of them. */
static int entry_columns(const struct entry *n)
{
	struct columns *c = &n->d->columns;
	const json_t *obj = member_value(n->json, "columns");
	const struct member m[] = {
		{ "prompt", &c->prompt },     { "query", &c->query },
		{ "response", &c->response }, { "history", &c->history },
		{ "messages", &c->messages }, { "system", &c->system },
		{ "tools", &c->tools },       { "chosen", &c->chosen },
		{ "rejected", &c->rejected }, { "kto_tag", &c->kto_tag },
	};

	*c = default_columns;
	if (n->d->formatting == FMT_OPENAI)
		c->messages = "messages";
	n->d->columns_given = obj != NULL;
	return obj ? entry_members(n, "columns", obj, m, sizeof(m) / sizeof(m[0])) : 0;
}

static int entry_tags(const struct entry *n)
{
	struct tags *g = &n->d->tags;
	const json_t *obj = member_value(n->json, "tags");
	const struct member m[] = {
		{ "role_tag", &g->role },
		{ "content_tag", &g->content },
		{ "user_tag", &g->user },
		{ "assistant_tag", &g->assistant },
		{ "observation_tag", &g->observation },
		{ "function_tag", &g->function },
		{ "system_tag", &g->system },
	};

	*g = n->d->formatting == FMT_OPENAI ? openai_tags : default_tags;
	if (!obj || n->d->formatting == FMT_ALPACA)
		return 0;
	if (entry_members(n, "tags", obj, m, sizeof(m) / sizeof(m[0])) < 0)
		return -1;
	if (!g->role || !g->content || !g->user || !g->assistant)
		return err_set(n->err,
			       "data set \"%s\": tags need role_tag, content_tag, user_tag and "
			       "assistant_tag: what tags does not name is none",
			       n->name);
	return 0;
}

/* Keys that would change what is read and that we do not follow. */
static int entry_refuse(const struct entry *n)
{
	static const char *const sources[] = { "hf_hub_url", "ms_hub_url", "om_hub_url",
					       "script_url", "cloud_file_name" };
	static const char *const others[] = { "subset", "folder" };
	const char *split;

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		if (member_value(n->json, sources[i]))
			return err_set(
				n->err,
				"data set \"%s\": \"%s\" is not supported; fetch the file and "
				"name it with \"file_name\"",
				n->name, sources[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (member_value(n->json, others[i]))
			return err_set(n->err, "data set \"%s\": \"%s\" is not supported", n->name,
				       others[i]);
	if (entry_string(n, n->json, "split", &split) < 0)
		return -1;
	if (split && strcmp(split, "train"))
		return err_set(n->err, "data set \"%s\": \"split\" can only be \"train\"", n->name);
	return 0;
}

static int entry_shape(const struct entry *n)
{
	const json_t *ranking = member_value(n->json, "ranking");
	const json_t *samples = member_value(n->json, "num_samples");
	const char *formatting;
	struct dataset *d = n->d;

	if (entry_string(n, n->json, "formatting", &formatting) < 0)
		return -1;
	if (!formatting || !strcmp(formatting, "alpaca"))
		d->formatting = FMT_ALPACA;
	else if (!strcmp(formatting, "sharegpt"))
		d->formatting = FMT_SHAREGPT;
	else if (!strcmp(formatting, "openai"))
		d->formatting = FMT_OPENAI;
	else
		return err_set(n->err,
			       "data set \"%s\": formatting \"%.40s\" is not alpaca, sharegpt or "
			       "openai",
			       n->name, formatting);
	if (ranking && !json_is_boolean(ranking))
		return err_set(n->err, "data set \"%s\": \"ranking\" is not true or false",
			       n->name);
	d->ranking = json_is_true(ranking);
	if (samples && (!json_is_integer(samples) || json_integer_value(samples) < 1))
		return err_set(n->err, "data set \"%s\": \"num_samples\" is not a number above 0",
			       n->name);
	d->num_samples = (uint64_t)json_integer_value(samples);
	if (entry_columns(n) < 0 || entry_tags(n) < 0)
		return -1;
	if (d->ranking && d->columns.kto_tag)
		return err_set(n->err,
			       "data set \"%s\": \"ranking\" and a column kto_tag exclude each "
			       "other: pairs, or single answers with a tag",
			       n->name);
	if (d->ranking && (!d->columns.chosen || !d->columns.rejected))
		return err_set(n->err,
			       "data set \"%s\": \"ranking\": true needs \"columns\" that name "
			       "\"chosen\" and \"rejected\"",
			       n->name);
	return 0;
}

int entry_read(struct dataset *d, const json_t *json, const char *dataset_dir, struct err *err)
{
	const struct entry entry = { d, d->name, json, err }, *n = &entry;
	static const char *const foreign[] = { ".parquet", ".arrow", ".txt" };
	const char *file, *dot;
	char *path;

	if (!json_is_object(n->json))
		return err_set(n->err, "data set \"%s\": its entry is not an object", n->name);
	if (entry_refuse(n) < 0 || entry_string(n, n->json, "file_name", &file) < 0)
		return -1;
	if (!file)
		return err_set(n->err, "data set \"%s\": no \"file_name\"", n->name);
	dot = strrchr(file, '.');
	for (size_t i = 0; dot && i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (!strcmp(dot, foreign[i]))
			return err_set(n->err,
				       "data set \"%s\": %s files are not read, only .json, "
				       ".jsonl and .csv",
				       n->name, dot);
	if (entry_shape(n) < 0)
		return -1;
	path = file[0] == '/' ? mem_strdup(file) : path_join(dataset_dir, file);
	n->d->path = arena_strndup(&n->d->arena, path, strlen(path));
	n->d->detected = true;
	mem_free(path);
	return 0;
}

void dataset_detect(struct dataset *d, const struct tape *tape)
{
	static const struct tape none;
	struct columns *c = &d->columns;
	uint32_t list, first;

	tape = tape ? tape : &none;
	*c = default_columns;
	d->tags = default_tags;
	d->detected = true;
	c->system = "system";
	c->tools = "tools";
	c->history = "history";
	c->kto_tag = tape_get(tape, 0, "kto_tag") ? "kto_tag" : NULL;
	d->ranking = tape_get(tape, 0, "chosen") && tape_get(tape, 0, "rejected");
	if (d->ranking) {
		c->kto_tag = NULL;
		c->chosen = "chosen";
		c->rejected = "rejected";
	}
	list = tape_get(tape, 0, "messages");
	c->messages = list ? "messages" : "conversations";
	if (!list && !(list = tape_get(tape, 0, "conversations"))) {
		d->formatting = FMT_ALPACA;
		c->messages = NULL;
		if (d->ranking)
			c->response = NULL;
		if (!tape_get(tape, 0, "instruction") && tape_get(tape, 0, "prompt"))
			c->prompt = "prompt";
		if (!tape_get(tape, 0, "output") && tape_get(tape, 0, "response"))
			c->response = "response";
		return;
	}
	c->prompt = c->query = c->response = c->history = NULL;
	first = tape_element(tape, list, 0);
	d->formatting = first && tape_get(tape, first, "role") ? FMT_OPENAI : FMT_SHAREGPT;
	if (d->formatting == FMT_OPENAI)
		d->tags = openai_tags;
}
