/* SPDX-License-Identifier: Apache-2.0 */
#include "adapter/provenance.h"

#include "base/file.h"
#include "base/jsonfile.h"
#include "base/jsonw.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define NAME "anekdot.json"

int provenance_write(const char *dir, const struct provenance *p, struct err *err)
{
	char *path = path_join(dir, NAME);
	struct buf text = { 0 };
	struct jsonw w = { .out = &text, .indent = 2 };
	int rc;

	jsonw_open(&w, '{');
	jsonw_kstr(&w, "tool", p->tool);
	jsonw_kstr(&w, "version", VERSION);
	jsonw_kstr(&w, "base", p->base);
	jsonw_kstr(&w, "base_sha256", p->base_hash);
	jsonw_kstr(&w, "adapters", p->adapters);
	jsonw_kstr(&w, "adapters_sha256", p->adapters_hash);
	jsonw_kstr(&w, "shard_sha256", p->shard_hash);
	jsonw_kstr(&w, "tokenizer", p->tokenizer_hash);
	jsonw_kstr(&w, "reference", p->reference);
	jsonw_kstr(&w, "template", p->template_name);
	jsonw_kstr(&w, "system", p->system);
	if (p->thinking)
		jsonw_kstr(&w, "enable_thinking", p->thinking);
	jsonw_key(&w, "config");
	if (p->config)
		jsonw_raw(&w, p->config);
	else
		jsonw_null(&w);
	jsonw_close(&w, '}');
	buf_char(&text, '\n');
	rc = file_write(path, text.p, text.n, err);
	buf_free(&text);
	mem_free(path);
	return rc;
}

/* A string of the file, copied; NULL when absent, null or of another type. */
static const char *string(struct provenance *p, const json_t *root, const char *key)
{
	const char *s = json_string_value(json_object_get(root, key));

	return s ? arena_strndup(&p->arena, s, strlen(s)) : NULL;
}

/* The configuration as text; NULL when there is none. */
static const char *config_of(struct provenance *p, const json_t *root)
{
	const json_t *config = json_object_get(root, "config");
	char *text = json_is_object(config) ? json_dumps(config, JSON_REAL_PRECISION(17)) : NULL;
	const char *copy = text ? arena_strndup(&p->arena, text, strlen(text)) : NULL;

	free(text);
	return copy;
}

/* The folder that says what path is: itself, or the one that a file lies in. From the heap. */
static char *folder_of(const char *path)
{
	return file_is_dir(path) ? mem_strdup(path) : path_dir(path);
}

int provenance_read(struct provenance *p, const char *of, struct err *err)
{
	char *folder = folder_of(of), *path = path_join(folder, NAME);
	bool there = file_exists(of) && file_exists(path);
	json_t *root = there ? json_file_object(path, err) : NULL;

	memset(p, 0, sizeof(*p));
	mem_free(path);
	mem_free(folder);
	if (!root)
		return there ? -1 : 0;
	p->tool = string(p, root, "tool");
	p->base = string(p, root, "base");
	p->base_hash = string(p, root, "base_sha256");
	p->adapters = string(p, root, "adapters");
	p->adapters_hash = string(p, root, "adapters_sha256");
	p->shard_hash = string(p, root, "shard_sha256");
	p->tokenizer_hash = string(p, root, "tokenizer");
	p->reference = string(p, root, "reference");
	p->template_name = string(p, root, "template");
	p->system = string(p, root, "system");
	p->thinking = string(p, root, "enable_thinking");
	p->config = config_of(p, root);
	json_decref(root);
	return 1;
}

void provenance_close(struct provenance *p)
{
	arena_free(&p->arena);
	memset(p, 0, sizeof(*p));
}
