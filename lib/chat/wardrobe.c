/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/wardrobe.h"

#include "base/file.h"
#include "base/mem.h"

#include <string.h>

/* The last part of a path, without slashes at its end. */
static bool is_called(const char *path, const char *name)
{
	size_t n = strlen(path), from;

	while (n > 1 && path[n - 1] == '/')
		n--;
	for (from = n; from > 0 && path[from - 1] != '/';)
		from--;
	return strlen(name) == n - from && !memcmp(path + from, name, n - from);
}

/* By path, else by the path's last part; -1: not here, -2: two have this name. */
static long find(const struct engine *e, const char *name)
{
	long found = -1;

	for (size_t i = 0; i < e->n_worn; i++)
		if (!strcmp(e->worn[i].adapter.path, name))
			return (long)i;
	for (size_t i = 0; i < e->n_worn; i++)
		if (is_called(e->worn[i].adapter.path, name))
			found = found == -1 ? (long)i : -2;
	return found;
}

static int add(struct engine *e, const char *path, struct err *err)
{
	e->worn = mem_grow(e->worn, e->n_worn + 1, sizeof(*e->worn));
	e->worn[e->n_worn] = (struct worn){ .on = 0 };
	if (adapter_open(&e->worn[e->n_worn].adapter, path, &e->source.arch, err) < 0)
		return -1;
	e->n_worn++;
	return 0;
}

/* Those beyond the first n. */
static void drop(struct engine *e, size_t n)
{
	while (e->n_worn > n)
		adapter_close(&e->worn[--e->n_worn].adapter);
}

int wardrobe_open(struct engine *e, const char *names, struct err *err)
{
	char *one;
	int rc = 0;

	while (rc == 0 && names && (one = adapter_names_next(&names))) {
		rc = find(e, one) < 0 ? add(e, one, err) : 0;
		mem_free(one);
	}
	return rc;
}

void wardrobe_close(struct engine *e)
{
	drop(e, 0);
	mem_free(e->worn);
	e->worn = NULL;
}

/* The adapters of these names in their order (again when named again), opened where they are new. */
static int choose(struct engine *e, const char *names, size_t **chosen, size_t *n, struct err *err)
{
	char *one;
	int rc = 0;

	while (rc == 0 && (one = adapter_names_next(&names))) {
		long i = find(e, one);

		if (i == -2)
			rc = err_set(err, "two adapters are called '%s'; give the path", one);
		else if (i == -1 && (rc = add(e, one, err)) == 0)
			i = (long)e->n_worn - 1;
		if (rc == 0) {
			*chosen = mem_grow(*chosen, *n + 1, sizeof(**chosen));
			(*chosen)[(*n)++] = (size_t)i;
		}
		mem_free(one);
	}
	return rc;
}

int engine_wear(struct engine *e, const char *names, struct err *err)
{
	size_t *chosen = NULL, n = 0, before = e->n_worn;
	const struct adapter **v = NULL;
	struct lora lora = { 0 };
	int rc = choose(e, names, &chosen, &n, err);

	if (rc == 0 && n) {
		v = mem_new(n, sizeof(*v));
		for (size_t i = 0; i < n; i++)
			v[i] = &e->worn[chosen[i]].adapter;
		rc = adapters_to_lora(v, n, &lora, e->dev, e->model.act, err);
	}
	if (rc == 0) {
		if (e->has_lora)
			lora_close(&e->lora);
		e->lora = lora;
		e->has_lora = n > 0;
		for (size_t i = 0; i < e->n_worn; i++)
			e->worn[i].on = 0;
		for (size_t i = 0; i < n; i++)
			e->worn[chosen[i]].on++;
	} else {
		drop(e, before);
	}
	mem_free(v);
	mem_free(chosen);
	return rc;
}

char *engine_wears(const struct engine *e)
{
	struct buf names = { 0 };

	buf_str(&names, "");
	for (size_t i = 0; i < e->n_worn; i++)
		for (int k = 0; k < e->worn[i].on; k++)
			buf_printf(&names, "%s%s", names.n ? "," : "", e->worn[i].adapter.path);
	return names.p;
}
