/* SPDX-License-Identifier: Apache-2.0 */
/* Which checkpoints there are, which of them are whole, and whether one belongs to this run. */
#include "train/checkpoint.h"

#include "base/file.h"
#include "base/jsonfile.h"
#include "base/mem.h"
#include "base/tool.h"
#include "train/manifest.h"

#include <dirent.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The number N of a name "checkpoint-N", -1 for other names. */
static long number_of(const char *name)
{
	char *end;
	long n;

	if (strncmp(name, "checkpoint-", 11) || name[11] < '0' || name[11] > '9')
		return -1;
	n = strtol(name + 11, &end, 10);
	return *end || n == LONG_MAX ? -1 : n;
}

/* The checkpoint with the largest number below `below`, from the heap; *number is that number. */
static char *newest_below(const char *dir, long below, long *number)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char *name = NULL, *path;

	*number = -1;
	while (d && (e = readdir(d))) {
		long n = number_of(e->d_name);

		if (n <= *number || n >= below)
			continue;
		*number = n;
		mem_free(name);
		name = mem_strdup(e->d_name);
	}
	if (d)
		closedir(d);
	path = name ? path_join(dir, name) : NULL;
	mem_free(name);
	return path;
}

int checkpoint_verify(const char *path, struct err *err)
{
	return manifest_verify(path, checkpoint_files, err);
}

char *checkpoint_newest(const char *dir)
{
	struct err why = { 0 };
	long n = LONG_MAX;
	char *path;

	while ((path = newest_below(dir, n, &n)) && checkpoint_verify(path, &why) < 0) {
		tool_note("%s; it is passed over", why.msg);
		mem_free(path);
	}
	return path;
}

/* Name of the one to go first, from the heap, when there are more than `keep`; NULL otherwise. Higher
 * numbers than the newest are an older run's: they go before the oldest of this one. */
static char *first_to_go(const char *dir, long newest, long keep)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	long count = 0, first = 0;
	char *name = NULL;

	while (d && (e = readdir(d))) {
		long n = number_of(e->d_name), rank = n > newest ? n - LONG_MAX : n;

		count += n >= 0;
		if (n < 0 || n == newest || (name && rank >= first))
			continue;
		first = rank;
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

void checkpoint_prune(const char *dir, long newest, long keep)
{
	bool gone = true; /* what cannot be removed ends it */
	char *name;

	while (gone && (name = first_to_go(dir, newest, keep))) {
		char *path = path_join(dir, name);

		dir_remove(path);
		gone = !file_exists(path);
		mem_free(path);
		mem_free(name);
	}
}

/* Settings that may differ between a run and the run that goes on from it: they cannot change the
 * result, or what they say of the data and the base is compared by content. */
static bool may_differ(const char *key)
{
	static const char *const keys[] = { "output_dir",
					    "overwrite_output_dir",
					    "save_steps",
					    "save_strategy",
					    "save_total_limit",
					    "logging_steps",
					    "plot_loss",
					    "eval_strategy",
					    "evaluation_strategy",
					    "eval_steps",
					    "eval_on_start",
					    "do_eval",
					    "per_device_eval_batch_size",
					    "resume_from_checkpoint",
					    "disable_gradient_checkpointing",
					    "reference_cache",
					    "optim",
					    "model_name_or_path",
					    "ref_model",
					    "dataset",
					    "dataset_dir",
					    "template",
					    "default_system",
					    "cutoff_len",
					    "max_samples",
					    "mask_history",
					    "train_on_prompt" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (!strcmp(keys[i], key))
			return true;
	return false;
}

/* Adds "what (old, now new)" to the list. */
static void tell(struct buf *list, const char *what, const char *old, const char *now)
{
	buf_printf(list, "%s%s (%s, now %s)", list->n ? ", " : "", what, old, now);
}

static void compare_hash(struct buf *list, const char *what, const json_t *was, const char *now)
{
	const char *old = json_string_value(was);
	char a[13], b[13];

	if (!strcmp(old ? old : "", now ? now : ""))
		return;
	snprintf(a, sizeof(a), "%s", old ? old : "none");
	snprintf(b, sizeof(b), "%s", now ? now : "none");
	tell(list, what, a, b);
}

static void compare_setting(struct buf *list, const char *key, const json_t *was, const json_t *now)
{
	char *a, *b;

	if (was && now && json_equal(was, now))
		return;
	a = was ? json_dumps(was, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) : NULL;
	b = now ? json_dumps(now, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9)) : NULL;
	tell(list, key, a ? a : "unknown", b ? b : "unknown");
	free(a);
	free(b);
}

static void compare_settings(struct buf *list, const json_t *was, const char *now)
{
	json_t *settings = json_loads(now, 0, NULL), *v;
	/* Which examples are packed together follows from cutoff_len. */
	bool packs = json_is_true(json_object_get(settings, "packing")) ||
		     json_is_true(json_object_get(settings, "neat_packing"));
	const char *key;

	json_object_foreach(settings, key,
			    v) if (!may_differ(key) || (packs && !strcmp(key, "cutoff_len")))
		compare_setting(list, key, json_object_get(was, key), v);
	json_object_foreach((json_t *)was, key,
			    v) if (!json_object_get(settings, key) && !may_differ(key))
		compare_setting(list, key, v, NULL);
	json_decref(settings);
}

static void compare_number(struct buf *list, const char *what, const json_t *was, long now)
{
	json_int_t old = json_integer_value(was);
	char a[32], b[32];

	if (old == now)
		return;
	snprintf(a, sizeof(a), "%lld", (long long)old);
	snprintf(b, sizeof(b), "%ld", now);
	tell(list, what, a, b);
}

/* What computes: the same input need not give the same bits elsewhere. */
static void compare_machine(struct buf *list, const json_t *state, const struct trainer *t)
{
	const char *back_end = json_string_value(json_object_get(state, "back_end"));

	back_end = back_end ? back_end : "";
	if (strcmp(back_end, t->back_end))
		tell(list, "back end", back_end, t->back_end);
	compare_number(list, "semantics of the tool", json_object_get(state, "semantics"),
		       t->semantics);
	compare_number(list, "size of micro-batches in tokens",
		       json_object_get(state, "micro_batch_tokens"), t->pass.o.limits.tokens);
}

static json_t *load_json(const char *dir, const char *name, struct err *err)
{
	char *path = path_join(dir, name);
	json_t *root = json_file_object(path, err);

	mem_free(path);
	return root;
}

int checkpoint_compare(const struct trainer *t, const char *path, const struct provenance *now,
		       long *step, struct err *err)
{
	json_t *old = load_json(path, "anekdot.json", err);
	json_t *state = old ? load_json(path, CHECKPOINT_STATE, err) : NULL;
	struct buf list = { 0 };
	int rc = state ? 0 : -1;

	if (state) {
		compare_hash(&list, "shard", json_object_get(old, "shard_sha256"), now->shard_hash);
		compare_hash(&list, "base model", json_object_get(old, "base_sha256"),
			     now->base_hash);
		compare_hash(&list, "content of the adapters it began with",
			     json_object_get(old, "adapters_sha256"), now->adapters_hash);
		compare_settings(&list, json_object_get(old, "config"), now->config);
		compare_machine(&list, state, t);
		*step = (long)json_integer_value(json_object_get(state, "global_step"));
	}
	if (list.n)
		rc = err_set(err,
			     "%s was made with another %s; go on with the same, or start anew with "
			     "overwrite_output_dir: true",
			     path, list.p);
	buf_free(&list);
	json_decref(old);
	json_decref(state);
	return rc;
}
