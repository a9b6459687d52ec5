/* SPDX-License-Identifier: Apache-2.0 */
#include "adapter/provenance.h"

#include "base/file.h"
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
	struct file f = { 0 };
	json_error_t je;
	json_t *root;
	int rc = 0;

	memset(p, 0, sizeof(*p));
	if (file_exists(of) && file_exists(path)) {
		rc = file_open(&f, path, err);
		root = rc == 0 ? json_loadb((const char *)f.p, f.n, JSON_REJECT_DUPLICATES, &je)
			       : NULL;
		if (rc == 0 && !json_is_object(root))
			rc = err_set(err, "%s:%d:%d: %s", path, root ? 1 : je.line,
				     root ? 1 : je.column, root ? "an object is needed" : je.text);
		if (rc == 0) {
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
			p->config = config_of(p, root);
			rc = 1;
		}
		json_decref(root);
	}
	file_close(&f);
	mem_free(path);
	mem_free(folder);
	return rc;
}

void provenance_close(struct provenance *p)
{
	arena_free(&p->arena);
	memset(p, 0, sizeof(*p));
}
