/* SPDX-License-Identifier: Apache-2.0 */
/* From a name to a data set: dataset_info.json, or a file whose first record tells its shape. */
#include "data/dataset.h"

#include "base/file.h"
#include "base/nearest.h"
#include "data/entry.h"
#include "data/reader.h"
#include "data/tape.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 4, 5))) static int faulty(struct dataset_fault *f, enum rule_id rule,
							struct err *err, const char *fmt, ...)
{
	va_list ap;

	f->rule = rule;
	va_start(ap, fmt);
	err->kind = ERR_INPUT;
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	err_printable(err->msg);
	return -1;
}

/* "/where/we/are/path": what a message must show when a relative path was not found. */
static char *absolute(const char *path)
{
	char *dir = path_dir(path), *real = realpath(dir, NULL);
	char *s = real ? path_join(real, path_base(path)) : mem_strdup(path);

	free(real);
	mem_free(dir);
	return s;
}

static int not_registered(struct dataset_fault *f, const char *name, const json_t *info,
			  const char *path, struct err *err)
{
	struct buf names = { 0 };
	const char *key, *nearest = NULL;
	size_t best = SIZE_MAX;
	char *full = absolute(path);
	json_t *value;

	json_object_foreach((json_t *)info, key, value)
	{
		size_t n = name_distance(name, key);

		if (n < best) {
			best = n;
			nearest = key;
		}
		if (names.n < 500)
			buf_printf(&names, "%s%s", names.n ? ", " : "", key);
		else if (names.p[names.n - 1] != '.')
			buf_str(&names, ", ...");
	}
	faulty(f, RULE_DATASET_NOT_REGISTERED, err,
	       "data set \"%.100s\" is not registered%s%.100s%s; known names: %s; looked in %.300s",
	       name, nearest ? "; the nearest name is \"" : "", nearest ? nearest : "",
	       nearest ? "\"" : "", names.n ? names.p : "none", full);
	buf_free(&names);
	mem_free(full);
	return -1;
}

/* dataset_info.json as JSON with its text's places; 1 there, 0 no such file, -1 an error. */
static int read_info(struct file *f, const char *path, struct dataset_fault *fault, json_t **info,
		     struct err *err)
{
	json_error_t e;
	size_t skip;

	if (!file_exists(path))
		return 0;
	if (file_open(f, path, err) < 0)
		return -1;
	skip = f->n >= 3 && !memcmp(f->p, "\xEF\xBB\xBF", 3) ? 3 : 0;
	*info = json_loadb((const char *)f->p + skip, f->n - skip, JSON_REJECT_DUPLICATES, &e);
	if (!*info) {
		fault->line = e.line > 0 ? (size_t)e.line : 1;
		fault->column = e.column > 0 ? (size_t)e.column : 1;
		return faulty(fault,
			      json_error_code(&e) == json_error_duplicate_key ? RULE_DUPLICATE_KEY
									      : RULE_JSON_SYNTAX,
			      err, "%s", e.text);
	}
	if (json_is_object(*info))
		return 1;
	return faulty(fault, RULE_WRONG_TYPE, err, "not an object of data sets");
}

/* The entry's place, for messages about it. */
static void entry_place(const struct file *f, const char *name, struct dataset_fault *fault)
{
	struct element e = { .p = (const char *)f->p, .n = f->n, .line = 1, .column = 1 };
	size_t at;

	element_find(&e, name, -1, NULL, &at);
	element_place(&e, at, &fault->line, &fault->column);
}

/* 1: d is filled from the registry, 0: not there and it may be a path, -1: an error. */
static int from_registry(struct dataset *d, const char *name, const char *dataset_dir,
			 struct dataset_fault *fault, struct err *err)
{
	char *path = path_join(dataset_dir, "dataset_info.json"), *full = NULL;
	struct file f = { 0 };
	json_t *info = NULL;
	int rc;

	snprintf(fault->file, sizeof(fault->file), "%s", path);
	rc = read_info(&f, path, fault, &info, err);
	if (rc > 0 && json_object_get(info, name)) {
		const json_t *entry = json_object_get(info, name);

		entry_place(&f, name, fault);
		fault->rule = RULE_WRONG_TYPE;
		rc = entry_read(d, entry, dataset_dir, err) < 0 ? -1 : 1;
	} else if (rc >= 0 && file_exists(name) && !file_is_dir(name)) {
		rc = 0;
	} else if (rc > 0) {
		rc = not_registered(fault, name, info, path, err);
	} else if (rc == 0) {
		full = absolute(path);
		rc = faulty(fault, RULE_DATASET_NOT_REGISTERED, err,
			    "data set \"%.100s\" is not registered: there is no %.300s; give "
			    "--dataset-dir, or the path of a .json, .jsonl or .csv file",
			    name, full);
		mem_free(full);
	}
	json_decref(info);
	file_close(&f);
	mem_free(path);
	return rc;
}

static bool is_path(const char *name)
{
	const char *dot = strrchr(name, '.');

	return !strcmp(name, "-") || strchr(name, '/') ||
	       (dot && (!strcmp(dot, ".json") || !strcmp(dot, ".jsonl") || reader_is_csv(name)));
}

/* Open the file; look at the first record of one whose shape nobody told. */
static int open_file(struct dataset *d, struct dataset_fault *fault, struct err *err)
{
	struct tape tape = { 0 };
	struct element e;
	int rc;

	errno = 0;
	d->first = reader_open(d->path, err);
	if (!d->first) {
		bool missing = errno == ENOENT;
		char *full = absolute(d->path);

		if (missing)
			faulty(fault, RULE_FILE_NOT_FOUND, err, "no such file: %.800s", full);
		mem_free(full);
		return -1;
	}
	if (d->detected)
		return 0;
	rc = reader_next(d->first, &e, err);
	if (rc <= 0)
		return rc;
	reader_again(d->first);
	if (!e.fault[0] && tape_read(&tape, e.p, e.n) && tape_type(&tape, 0) == TAPE_OBJECT)
		dataset_detect(d, &tape);
	tape_free(&tape);
	return 0;
}

int dataset_find(struct dataset *d, const char *name, const char *dataset_dir,
		 struct dataset_fault *fault, struct err *err)
{
	int rc = 0;

	*d = (struct dataset){ 0 };
	*fault = (struct dataset_fault){ .rule = RULE_COUNT, .line = 1, .column = 1 };
	dataset_detect(d, NULL); /* until a record tells more */
	d->detected = false;
	d->name = arena_strndup(&d->arena, name, strlen(name));
	d->path = d->name;
	if (!is_path(name))
		rc = from_registry(d, name, dataset_dir, fault, err);
	if (rc < 0)
		return -1;
	if (rc == 0)
		snprintf(fault->file, sizeof(fault->file), "%s", dataset_label(d));
	fault->rule = RULE_COUNT;
	return open_file(d, fault, err);
}

int dataset_open(struct dataset *d, const char *name, const char *dataset_dir, struct err *err)
{
	struct dataset_fault f;

	if (dataset_find(d, name, dataset_dir, &f, err) == 0)
		return 0;
	if (f.rule != RULE_COUNT)
		err_wrap(err, "%s:%zu:%zu", f.file, f.line, f.column);
	return -1;
}

void dataset_close(struct dataset *d)
{
	reader_close(d->first);
	arena_free(&d->arena);
	*d = (struct dataset){ 0 };
}

const char *dataset_label(const struct dataset *d)
{
	return strcmp(d->path, "-") ? d->path : "<stdin>";
}

int dataset_fits(const struct dataset *d, bool want_ranking, struct err *err)
{
	if (d->ranking == want_ranking)
		return 0;
	if (want_ranking && d->columns.kto_tag)
		return err_set(err,
			       "stage dpo needs pairs, and \"%s\" has single answers with a "
			       "kto_tag; stage sft takes the good ones",
			       d->name);
	if (want_ranking)
		return err_set(err,
			       "stage dpo needs preference data, and \"%s\" is not; if its records "
			       "have chosen and rejected answers, say \"ranking\": true in "
			       "dataset_info.json and map the columns",
			       d->name);
	return err_set(err,
		       "stage sft cannot take preference data (\"%s\" ranks answers); use "
		       "stage dpo, or remove \"ranking\"",
		       d->name);
}
