/* SPDX-License-Identifier: Apache-2.0 */
#include "format/tensors.h"

#include "base/utf8.h"
#include "format/tensors_build.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

const struct tensor *tensors_find(const struct tensors *t, const char *name)
{
	struct tensor key = { .name = name };

	if (!t->n)
		return NULL;
	return bsearch(&key, t->v, t->n, sizeof(*t->v), by_name);
}

int tensors_rename(struct tensors *t, void (*rename)(const char *name, char *out, size_t n),
		   struct err *err)
{
	const char *twice;
	char name[256];

	for (size_t i = 0; i < t->n; i++) {
		rename(t->v[i].name, name, sizeof(name));
		t->v[i].name = arena_strndup(tensors_arena(t), name, strlen(name));
	}
	twice = tensors_sort(t);
	return twice ? err_set(err, "tensor '%s' stands twice", twice) : 0;
}

void tensors_close(struct tensors *t)
{
	for (size_t i = 0; i < t->n_files; i++)
		file_close(&t->files[i]);
	mem_free(t->files);
	mem_free(t->v);
	if (t->private_data)
		arena_free(t->private_data);
	mem_free(t->private_data);
	*t = (struct tensors){ 0 };
}

struct arena *tensors_arena(struct tensors *t)
{
	if (!t->private_data)
		t->private_data = mem_new(1, sizeof(struct arena));
	return t->private_data;
}

const char *tensors_sort(struct tensors *t)
{
	if (t->n)
		qsort(t->v, t->n, sizeof(*t->v), by_name);
	for (size_t i = 1; i < t->n; i++)
		if (!strcmp(t->v[i - 1].name, t->v[i].name))
			return t->v[i].name;
	return NULL;
}

bool name_ok(const char *s, size_t n, size_t max)
{
	if (n < 1 || n > max || utf8_valid(s, n) != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20 || c == 0x7f)
			return false;
		/* U+0080 to U+009F: a terminal takes them for control sequences. */
		if (c == 0xC2 && (unsigned char)s[i + 1] < 0xA0)
			return false;
	}
	return true;
}

bool tensor_entry_count(const struct tensor_entry *e, uint64_t *n)
{
	*n = 1;
	for (int i = 0; i < e->n_dims; i++)
		if (__builtin_mul_overflow(*n, e->dims[i], n))
			return false;
	return true;
}

void tensors_forget(const struct tensors *t, const void *data, size_t bytes)
{
	for (size_t i = 0; i < t->n_files; i++) {
		const struct file *f = &t->files[i];

		if ((const unsigned char *)data >= f->p &&
		    (const unsigned char *)data < f->p + f->n)
			file_forget(f, data, bytes);
	}
}
