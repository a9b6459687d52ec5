/* SPDX-License-Identifier: Apache-2.0 */
#include "train/checkpoint.h"

#include "base/file.h"
#include "base/jsonfile.h"
#include "base/jsonw.h"
#include "base/mem.h"

#include <dirent.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define STATE   "trainer_state.json"
#define MOMENTS "optimizer.safetensors"

static int write_moments(const struct trainer *t, const char *dir, struct err *err)
{
	const struct tensor_entry v[] = { { "exp_avg", DT_F32, 1, { t->lora.n } },
					  { "exp_avg_sq", DT_F32, 1, { t->lora.n } } };
	const float *slabs[] = { t->lora.m, t->lora.v };
	char *path = path_join(dir, MOMENTS);
	float *host = mem_new(t->lora.n, sizeof(*host));
	struct st_writer w;
	int rc = st_writer_open(&w, path, v, 2, NULL, err);

	for (int i = 0; rc == 0 && i < 2; i++) {
		t->dev->ops->download(t->dev, host, slabs[i], t->lora.n * sizeof(*host));
		rc = st_writer_put(&w, host, t->lora.n * sizeof(*host), err);
	}
	if (rc == 0)
		rc = st_writer_close(&w, err);
	else
		st_writer_abort(&w);
	mem_free(host);
	mem_free(path);
	return rc;
}

static int write_state(const struct trainer *t, const char *dir, struct err *err)
{
	char *path = path_join(dir, STATE), *text = mem_printf("{\"global_step\": %ld}\n", t->step);
	int rc = file_write(path, text, strlen(text), err);

	mem_free(path);
	mem_free(text);
	return rc;
}

/* The number N of a name "checkpoint-N", -1 for other names. */
static long number_of(const char *name)
{
	char *end;
	long n;

	if (strncmp(name, "checkpoint-", 11))
		return -1;
	n = strtol(name + 11, &end, 10);
	return *end || end == name + 11 ? -1 : n;
}

/* Name of the oldest checkpoint but the one just written, from the heap, when there are more than
 * `keep`; NULL otherwise. */
static char *oldest_but(const char *dir, long newest, long keep)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	long count = 0, oldest = 0;
	char *name = NULL;

	while (d && (e = readdir(d))) {
		long n = number_of(e->d_name);

		count += n >= 0;
		if (n < 0 || n == newest || (name && n >= oldest))
			continue;
		oldest = n;
		mem_free(name);
		name = mem_strdup(e->d_name);
	}
	if (d)
		closedir(d);
	if (count > keep)
		return name;
	mem_free(name);
	return NULL;
}

/* Higher numbers than the newest are an older run's: they go, too. What cannot be removed ends it. */
static void remove_oldest(const char *dir, long newest, long keep)
{
	bool gone = true;
	char *name;

	while (gone && (name = oldest_but(dir, newest, keep))) {
		char *path = path_join(dir, name);

		dir_remove(path);
		gone = !file_exists(path);
		mem_free(path);
		mem_free(name);
	}
}

int checkpoint_save(const struct trainer *t, const char *dir, const struct provenance *p, long keep,
		    struct err *err)
{
	char *path = mem_printf("%s/checkpoint-%ld", dir, t->step);
	struct outdir o;
	int rc = outdir_open(&o, path, err);

	if (rc == 0) {
		rc = write_moments(t, o.tmp, err);
		if (rc == 0)
			rc = write_state(t, o.tmp, err);
		if (rc == 0)
			rc = provenance_write(o.tmp, p, err);
		if (rc == 0)
			rc = adapter_write(o.tmp, &t->lora, t->lora.p, &t->info, err);
		if (rc == 0)
			rc = outdir_commit(&o, err);
		else
			outdir_abort(&o);
	}
	if (rc == 0 && keep > 0)
		remove_oldest(dir, t->step, keep);
	mem_free(path);
	return rc;
}

static json_t *load_json(const char *dir, const char *name, struct err *err)
{
	char *path = path_join(dir, name);
	json_t *root = json_file_object(path, err);

	mem_free(path);
	return root;
}

/* Settings that may differ between a run and the run that goes on from it. */
static bool may_differ(const char *key)
{
	static const char *const keys[] = {
		"output_dir",    "overwrite_output_dir",   "save_steps",
		"save_strategy", "save_total_limit",       "logging_steps",
		"plot_loss",     "resume_from_checkpoint", "disable_gradient_checkpointing"
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (!strcmp(keys[i], key))
			return true;
	return false;
}

static void note_difference(struct buf *list, bool differs, const char *what)
{
	if (differs)
		buf_printf(list, "%s%s", list->n ? ", " : "", what);
}

static bool same_hash(const json_t *old, const char *key, const char *now)
{
	const char *was = json_string_value(json_object_get(old, key));

	return !strcmp(was ? was : "", now ? now : "");
}

static int compare_settings(const json_t *old, const struct provenance *now, const char *path,
			    struct err *err)
{
	json_error_t je;
	json_t *settings = json_loads(now->config, 0, &je), *v;
	const json_t *was = json_object_get(old, "config");
	struct buf list = { 0 };
	const char *key;
	int rc = 0;

	note_difference(&list, !same_hash(old, "shard_sha256", now->shard_hash), "shard");
	note_difference(&list, !same_hash(old, "base_sha256", now->base_hash), "base model");
	note_difference(&list, !same_hash(old, "adapters_sha256", now->adapters_hash),
			"content of the adapters it began with");
	json_object_foreach(settings, key, v)
		note_difference(&list,
				!may_differ(key) && !json_equal(v, json_object_get(was, key)), key);
	if (list.n)
		rc = err_set(err, "%s was made with another %s; go on with the same, or start anew",
			     path, list.p);
	buf_free(&list);
	json_decref(settings);
	return rc;
}

static int load_moments(struct trainer *t, const char *path, struct err *err)
{
	static const char *const names[] = { "exp_avg", "exp_avg_sq" };
	float *slabs[] = { t->lora.m, t->lora.v };
	char *file = path_join(path, MOMENTS);
	struct tensors v;
	int rc = safetensors_open(&v, file, err);

	for (int i = 0; rc == 0 && i < 2; i++) {
		const struct tensor *one = tensors_find(&v, names[i]);

		if (!one || one->type != DT_F32 || one->bytes != t->lora.n * sizeof(float))
			rc = err_set(err, "%s: '%s' is missing or of another size", file, names[i]);
		else
			t->dev->ops->upload(t->dev, slabs[i], one->data, one->bytes);
	}
	tensors_close(&v);
	mem_free(file);
	return rc;
}

static int load_adapter(struct trainer *t, const char *path, struct err *err)
{
	struct adapter a;
	struct lora l;
	int rc;

	if (adapter_open(&a, path, &t->model.arch, err) < 0)
		return -1;
	rc = adapter_to_lora(&a, &l, t->dev, t->model.act, err);
	if (rc == 0 && l.n != t->lora.n)
		rc = err_set(err, "%s: the adapter has another shape", path);
	else if (rc == 0)
		t->dev->ops->copy(t->dev, t->lora.p, l.p, l.n * sizeof(float));
	if (l.dev)
		lora_close(&l);
	adapter_close(&a);
	lora_refresh(&t->lora);
	return rc;
}

int checkpoint_load(struct trainer *t, const char *path, const struct provenance *now,
		    struct err *err)
{
	json_t *old = load_json(path, "anekdot.json", err), *state = NULL;
	json_int_t step = -1;
	int rc = -1;

	if (old && compare_settings(old, now, path, err) == 0)
		state = load_json(path, STATE, err);
	if (state) {
		step = json_integer_value(json_object_get(state, "global_step"));
		rc = step >= 1 && step < t->schedule.total_steps
			     ? 0
			     : err_set(err,
				       "%s: it stands at step %lld, the run has %ld: nothing is "
				       "left to do",
				       path, (long long)step, t->schedule.total_steps);
	}
	if (rc == 0)
		rc = load_adapter(t, path, err);
	if (rc == 0)
		rc = load_moments(t, path, err);
	if (rc == 0)
		t->step = (long)step;
	json_decref(old);
	json_decref(state);
	return rc;
}
