/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/engine_adapters.h"

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

	for (size_t i = 0; i < e->n_loaded; i++)
		if (!strcmp(e->loaded[i].adapter.path, name))
			return (long)i;
	for (size_t i = 0; i < e->n_loaded; i++)
		if (is_called(e->loaded[i].adapter.path, name))
			found = found == -1 ? (long)i : -2;
	return found;
}

static int add(struct engine *e, const char *path, struct err *err)
{
	e->loaded = mem_grow(e->loaded, e->n_loaded + 1, sizeof(*e->loaded));
	e->loaded[e->n_loaded] = (struct loaded_adapter){ .on = 0 };
	if (adapter_open(&e->loaded[e->n_loaded].adapter, path, &e->source.arch, err) < 0)
		return -1;
	e->n_loaded++;
	return 0;
}

/* Those beyond the first n. */
static void drop(struct engine *e, size_t n)
{
	while (e->n_loaded > n)
		adapter_close(&e->loaded[--e->n_loaded].adapter);
}

int engine_adapters_open(struct engine *e, const char *names, struct err *err)
{
	char *one;
	int rc = 0;

	while (rc == 0 && names && (one = adapter_names_next(&names))) {
		rc = find(e, one) < 0 ? add(e, one, err) : 0;
		mem_free(one);
	}
	return rc;
}

void engine_adapters_close(struct engine *e)
{
	drop(e, 0);
	mem_free(e->loaded);
	e->loaded = NULL;
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
			i = (long)e->n_loaded - 1;
		if (rc == 0) {
			*chosen = mem_grow(*chosen, *n + 1, sizeof(**chosen));
			(*chosen)[(*n)++] = (size_t)i;
		}
		mem_free(one);
	}
	return rc;
}

int engine_set_adapters(struct engine *e, const char *names, struct err *err)
{
	size_t *chosen = NULL, n = 0, before = e->n_loaded;
	const struct adapter **v = NULL;
	struct lora lora = { 0 };
	int rc = choose(e, names, &chosen, &n, err);

	if (rc == 0 && n) {
		v = mem_new(n, sizeof(*v));
		for (size_t i = 0; i < n; i++)
			v[i] = &e->loaded[chosen[i]].adapter;
		rc = adapters_to_lora(v, n, &lora, e->dev, e->model.act, err);
	}
	if (rc == 0) {
		if (e->has_lora)
			lora_close(&e->lora);
		e->lora = lora;
		e->has_lora = n > 0;
		for (size_t i = 0; i < e->n_loaded; i++)
			e->loaded[i].on = 0;
		for (size_t i = 0; i < n; i++)
			e->loaded[chosen[i]].on++;
	} else {
		drop(e, before);
	}
	mem_free(v);
	mem_free(chosen);
	return rc;
}

char *engine_active_adapters(const struct engine *e)
{
	struct buf names = { 0 };

	buf_str(&names, "");
	for (size_t i = 0; i < e->n_loaded; i++)
		for (int k = 0; k < e->loaded[i].on; k++)
			buf_printf(&names, "%s%s", names.n ? "," : "", e->loaded[i].adapter.path);
	return names.p;
}
