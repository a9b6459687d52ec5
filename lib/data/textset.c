/* SPDX-License-Identifier: Apache-2.0 */
#include "data/textset.h"

#include "data/dataset.h"
#include "data/sketch.h"

#include <string.h>

struct slot {
	uint64_t hash; /* 0: free */
	uint32_t line, file;
};

struct textset {
	enum textset_what what;
	struct slot *v;
	size_t n, cap; /* a power of two, at most half full */
	const char **files;
	uint32_t n_files;
	struct arena arena;
};

struct textset *textset_new(enum textset_what what)
{
	struct textset *s = mem_new(1, sizeof(*s));

	s->what = what;
	return s;
}

void textset_free(struct textset *s)
{
	if (!s)
		return;
	mem_free(s->v);
	mem_free(s->files);
	arena_free(&s->arena);
	mem_free(s);
}

/* The slot of a hash, or the free one where it belongs. */
static struct slot *slot_of(const struct textset *s, uint64_t hash)
{
	size_t i = hash & (s->cap - 1);

	while (s->v[i].hash && s->v[i].hash != hash)
		i = (i + 1) & (s->cap - 1);
	return &s->v[i];
}

static void grow(struct textset *s)
{
	struct textset old = *s;

	s->cap = old.cap ? 2 * old.cap : 1024;
	s->v = mem_new(s->cap, sizeof(*s->v));
	for (size_t i = 0; i < old.cap; i++)
		if (old.v[i].hash)
			*slot_of(s, old.v[i].hash) = old.v[i];
	mem_free(old.v);
}

static void put(struct textset *s, const struct message *m, size_t line)
{
	uint64_t hash = sketch_hash_words(m->text, m->n) | 1;
	struct slot *slot;

	if (2 * (s->n + 1) > s->cap)
		grow(s);
	slot = slot_of(s, hash);
	if (slot->hash)
		return;
	*slot = (struct slot){ hash, line < UINT32_MAX ? (uint32_t)line : UINT32_MAX,
			       s->n_files - 1 };
	s->n++;
}

static void put_record(struct textset *s, const struct record *r)
{
	if (s->what == TEXTSET_QUESTIONS) {
		for (size_t i = r->n_messages; i-- > 0;)
			if (r->messages[i].role == ROLE_USER) {
				put(s, &r->messages[i], r->line);
				return;
			}
		return;
	}
	for (size_t i = 0; i < r->n_messages; i++)
		if (r->messages[i].role == ROLE_ASSISTANT)
			put(s, &r->messages[i], r->line);
	if (r->is_preference)
		put(s, &r->chosen, r->line);
}

int textset_add(struct textset *s, const char *name, const char *dataset_dir, struct err *err)
{
	struct dataset_reader *r = NULL;
	struct dataset d;
	struct record rec;
	int rc = dataset_open(&d, name, dataset_dir, err);

	if (rc == 0 && !(r = dataset_reader_open(&d, err)))
		rc = -1;
	if (rc == 0) {
		const char *file = dataset_label(&d);

		s->files = mem_grow(s->files, s->n_files + 1, sizeof(*s->files));
		s->files[s->n_files++] = arena_strndup(&s->arena, file, strlen(file));
	}
	while (rc == 0 && s->n < TEXTSET_MAX && (rc = dataset_next(r, &rec, err)) == 1) {
		put_record(s, &rec);
		record_free(&rec);
		rc = 0;
	}
	if (rc == 0 && s->n >= TEXTSET_MAX)
		rc = err_set(err, "%s: more than %d texts to compare with; give a part of it", name,
			     TEXTSET_MAX);
	dataset_reader_close(r);
	dataset_close(&d);
	return rc < 0 ? -1 : 0;
}

size_t textset_find(const struct textset *s, const char *text, size_t n, const char **file)
{
	const struct slot *slot;

	if (!s->n)
		return 0;
	slot = slot_of(s, sketch_hash_words(text, n) | 1);
	if (!slot->hash)
		return 0;
	*file = s->files[slot->file];
	return slot->line;
}
