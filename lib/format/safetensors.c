/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: one file, or a Hugging Face folder with its shards. st_header.c reads the headers. */
#include "format/safetensors.h"

#include "format/st_header.h"
#include "format/tensors_build.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define INDEX_NAME "model.safetensors.index.json"

/* Append the tensors we keep. */
static void add_kept(struct tensors *t, const struct st_header *h)
{
	t->v = mem_grow(t->v, t->n + h->n, sizeof(*t->v));
	for (size_t i = 0; i < h->n; i++)
		if (h->v[i].kept)
			t->v[t->n++] = h->v[i].t;
}

/* Map one more file into t and read its header. */
static int add_file(struct tensors *t, struct st_header *h, const char *path, struct err *err)
{
	t->files = mem_grow(t->files, t->n_files + 1, sizeof(*t->files));
	if (file_open(&t->files[t->n_files], path, err) < 0)
		return -1;
	t->n_files++;
	return st_header_parse(h, tensors_arena(t), &t->files[t->n_files - 1], path, err);
}

int safetensors_open(struct tensors *t, const char *path, struct err *err)
{
	struct st_header h = { 0 };

	*t = (struct tensors){ 0 };
	if (add_file(t, &h, path, err) < 0) {
		tensors_close(t);
		return -1;
	}
	add_kept(t, &h);
	st_header_free(&h);
	tensors_sort(t); /* the header's keys were distinct */
	return 0;
}

/* A name from the index must not lead out of the folder. */
static bool plain_name(const char *s)
{
	return name_ok(s, strlen(s), 255) && !strchr(s, '/') && !strchr(s, '\\') &&
	       !strstr(s, "..") && strcmp(s, ".") != 0;
}

/* The weight_map of the index, all of it strings that are plain file names; NULL on failure. */
static json_t *read_index(const char *path, struct err *err)
{
	json_error_t je;
	json_t *root, *map, *v;
	struct file f;
	const char *key;

	if (file_open(&f, path, err) < 0)
		return NULL;
	if (f.n > ST_MAX_HEADER) {
		err_set(err, "%s: %zu bytes are beyond the limit of %d for an index", path, f.n,
			ST_MAX_HEADER);
		file_close(&f);
		return NULL;
	}
	root = json_loadb((const char *)f.p, f.n, JSON_REJECT_DUPLICATES, &je);
	file_close(&f);
	if (!root) {
		err_set(err, "%s:%d:%d: %s", path, je.line, je.column, je.text);
		return NULL;
	}
	map = json_incref(json_object_get(root, "weight_map"));
	json_decref(root);
	if (!json_is_object(map) || json_object_size(map) == 0) {
		err_set(err, "%s: has no object 'weight_map' that names the tensors", path);
		json_decref(map);
		return NULL;
	}
	json_object_foreach(map, key, v)
	{
		const char *shard = json_string_value(v);

		if (name_ok(key, strlen(key), ST_MAX_NAME) && shard && plain_name(shard))
			continue;
		if (!name_ok(key, strlen(key), ST_MAX_NAME))
			err_set(err,
				"%s: a tensor name in 'weight_map' is empty, too long or holds "
				"control characters",
				path);
		else
			err_set(err,
				"%s: the shard of tensor '%s' must be a plain file name without "
				"'/' and '..'",
				path, key);
		json_decref(map);
		return NULL;
	}
	return map;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The shards that the index names, sorted, each once; from the heap. */
static char **shard_names(struct arena *mem, json_t *map, size_t *n)
{
	char **v = mem_new(json_object_size(map), sizeof(*v));
	size_t all = 0, kept = 0;
	const char *key;
	json_t *shard;

	json_object_foreach(map, key, shard)
	{
		const char *s = json_string_value(shard);

		v[all++] = arena_strndup(mem, s, strlen(s));
	}
	qsort(v, all, sizeof(*v), by_text);
	for (size_t i = 0; i < all; i++)
		if (i == 0 || strcmp(v[i], v[kept - 1]) != 0)
			v[kept++] = v[i];
	*n = kept;
	return v;
}

/* Each tensor of the shard is one that the index puts there. Found ones become true in map. */
static int check_shard(const struct st_header *h, json_t *map, const char *shard, struct err *err)
{
	for (size_t i = 0; i < h->n; i++) {
		const char *name = h->v[i].t.name;
		json_t *v = json_object_get(map, name);

		if (!v)
			return err_set(err, "tensor '%s' is not in %s", name, INDEX_NAME);
		if (json_is_true(v))
			return err_set(err, "tensor '%s' stands in another shard too", name);
		if (strcmp(json_string_value(v), shard) != 0)
			return err_set(err, "tensor '%s' should be in %s, says %s", name,
				       json_string_value(v), INDEX_NAME);
		json_object_set_new(map, name, json_true());
	}
	return 0;
}

static int add_shard(struct tensors *t, json_t *map, const char *dir, const char *shard,
		     struct err *err)
{
	struct st_header h = { 0 };
	char *path = path_join(dir, shard);
	int rc;

	if (!file_exists(path))
		rc = err_set(err, "%s: shard is missing (%s names it); fetch the model again", path,
			     INDEX_NAME);
	else
		rc = add_file(t, &h, path, err);
	if (rc == 0) {
		rc = check_shard(&h, map, shard, err);
		if (rc < 0)
			err_wrap(err, "%s", path);
		else
			add_kept(t, &h);
	}
	st_header_free(&h);
	mem_free(path);
	return rc;
}

static int open_shards(struct tensors *t, const char *dir, const char *index, struct err *err)
{
	json_t *map = read_index(index, err), *v;
	size_t n_shards = 0;
	const char *key;
	char **shards;
	int rc = 0;

	if (!map)
		return -1;
	shards = shard_names(tensors_arena(t), map, &n_shards);
	for (size_t i = 0; i < n_shards && rc == 0; i++)
		rc = add_shard(t, map, dir, shards[i], err);
	json_object_foreach(map, key, v) if (rc == 0 && json_is_string(v)) rc =
		err_set(err, "%s: tensor '%s' is not in %s", index, key, json_string_value(v));
	if (rc == 0)
		tensors_sort(t); /* distinct: the index has no duplicates */
	mem_free(shards);
	json_decref(map);
	return rc;
}

int safetensors_open_dir(struct tensors *t, const char *dir, struct err *err)
{
	char *single = path_join(dir, "model.safetensors");
	char *index = path_join(dir, INDEX_NAME);
	char *pickle = path_join(dir, "pytorch_model.bin");
	int rc;

	*t = (struct tensors){ 0 };
	if (!file_is_dir(dir)) {
		rc = file_exists(dir) ? err_set(err, "%s: is not a folder", dir)
				      : err_sys(err, "%s", dir);
	} else if (file_exists(single)) {
		rc = safetensors_open(t, single, err);
	} else if (file_exists(index)) {
		rc = open_shards(t, dir, index, err);
	} else {
		const char *hint = file_exists(pickle) ? "; pytorch_model.bin is a pickle and is "
							 "not read, convert it first"
						       : "";

		rc = err_set(err, "%s: holds neither model.safetensors nor %s%s", dir, INDEX_NAME,
			     hint);
	}
	if (rc < 0)
		tensors_close(t);
	mem_free(single);
	mem_free(index);
	mem_free(pickle);
	return rc;
}
