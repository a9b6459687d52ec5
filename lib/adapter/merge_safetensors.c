/* SPDX-License-Identifier: Apache-2.0 */
/* The weights as safetensors: one file, or several and an index. */
#include "adapter/merge_parts.h"

#include "base/file.h"
#include "base/jsonw.h"

#include <stdio.h>
#include <string.h>

#define ONE_FILE "model.safetensors"
#define INDEX    "model.safetensors.index.json"

static uint64_t entry_bytes(const struct tensor_entry *e)
{
	uint64_t n;

	tensor_entry_count(e, &n);
	return n * (uint64_t)dtype_info[e->type].block_bytes;
}

/* One more than the last entry of the file that begins with entry `begin`: what fits into max bytes,
 * at least one. */
static size_t shard_end(const struct entries *e, size_t begin, uint64_t max)
{
	uint64_t bytes = entry_bytes(&e->v[begin]);
	size_t end = begin + 1;

	while (end < e->n && bytes + entry_bytes(&e->v[end]) <= max)
		bytes += entry_bytes(&e->v[end++]);
	return end;
}

static int put_tensor(struct st_writer *w, struct merge *m, const struct tensor_entry *e,
		      struct err *err)
{
	size_t bytes;
	void *out = merge_tensor(m, e, e->type, NULL, &bytes, err);
	int rc = out ? st_writer_put(w, out, bytes, err) : -1;

	mem_free(out);
	return rc;
}

static int write_file(struct merge *m, const char *dir, const char *name,
		      const struct tensor_entry *v, size_t n, struct err *err)
{
	char *path = path_join(dir, name);
	struct st_writer w;
	int rc = st_writer_open(&w, path, v, n, NULL, err);

	mem_free(path);
	if (rc < 0)
		return -1;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = put_tensor(&w, m, &v[i], err);
	if (rc == 0)
		return st_writer_close(&w, err);
	st_writer_abort(&w);
	return rc;
}

static void shard_name(char *out, size_t room, size_t i, size_t n)
{
	snprintf(out, room, "model-%05zu-of-%05zu.safetensors", i + 1, n);
}

/* Which file each tensor is in. */
static int write_index(const char *dir, const struct entries *e, uint64_t max, size_t n_files,
		       struct err *err)
{
	struct buf text = { 0 };
	struct jsonw w = { .out = &text, .indent = 2 };
	uint64_t total = 0;
	char name[64];
	int rc;

	for (size_t i = 0; i < e->n; i++)
		total += entry_bytes(&e->v[i]);
	jsonw_open(&w, '{');
	jsonw_key(&w, "metadata");
	jsonw_open(&w, '{');
	jsonw_kint(&w, "total_size", (int64_t)total);
	jsonw_close(&w, '}');
	jsonw_key(&w, "weight_map");
	jsonw_open(&w, '{');
	for (size_t i = 0, file = 0; i < e->n; file++) {
		size_t end = shard_end(e, i, max);

		shard_name(name, sizeof(name), file, n_files);
		for (; i < end; i++)
			jsonw_kstr(&w, e->v[i].name, name);
	}
	jsonw_close(&w, '}');
	jsonw_close(&w, '}');
	buf_char(&text, '\n');
	rc = merge_put(dir, INDEX, &text, err);
	buf_free(&text);
	return rc;
}

static int write_files(struct merge *m, const char *dir, const struct entries *e, struct err *err)
{
	uint64_t max = m->job->max_shard_size;
	size_t n_files = 0, file = 0;
	char name[64];
	int rc = 0;

	for (size_t i = 0; i < e->n; n_files++)
		i = shard_end(e, i, max);
	if (n_files == 1)
		return write_file(m, dir, ONE_FILE, e->v, e->n, err);
	for (size_t i = 0, end; rc == 0 && i < e->n; i = end) {
		end = shard_end(e, i, max);
		shard_name(name, sizeof(name), file++, n_files);
		rc = write_file(m, dir, name, e->v + i, end - i, err);
	}
	return rc < 0 ? rc : write_index(dir, e, max, n_files, err);
}

int merge_write_safetensors(struct merge *m, const char *dir, struct err *err)
{
	struct entries e = { 0 };
	int rc;

	entries_list(&e, &m->src.arch, m->type);
	rc = write_files(m, dir, &e, err);
	entries_free(&e);
	return rc;
}
