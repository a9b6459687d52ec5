/* SPDX-License-Identifier: Apache-2.0 */
/* Several adapters in order: merged into weights as these are read. */
#include "adapter/adapter.h"

#include "base/mem.h"

#include <string.h>

char *adapter_names_split(const char *names, const char **last)
{
	const char *comma = names ? strrchr(names, ',') : NULL;

	*last = comma ? comma + 1 : names;
	while (*last && **last == ' ')
		++*last;
	return mem_strndup(names ? names : "", comma ? (size_t)(comma - names) : 0);
}

char *adapter_names_next(const char **names)
{
	while (*names && **names) {
		const char *s = *names;
		size_t n = strcspn(s, ",");

		*names = s + n + (s[n] == ',');
		while (n && *s == ' ') {
			s++;
			n--;
		}
		while (n && s[n - 1] == ' ')
			n--;
		if (n)
			return mem_strndup(s, n);
	}
	return NULL;
}

int adapter_list_open(struct adapter_list *l, const char *names, const struct arch *arch,
		      struct err *err)
{
	char *one;
	int rc = 0;

	memset(l, 0, sizeof(*l));
	while (rc == 0 && (one = adapter_names_next(&names))) {
		l->v = mem_grow(l->v, l->n + 1, sizeof(*l->v));
		rc = adapter_open(&l->v[l->n], one, arch, err);
		l->n += rc == 0;
		mem_free(one);
	}
	if (rc < 0)
		adapter_list_close(l);
	return rc;
}

int adapter_names_hash(struct hash_hex *hex, const char *names, struct err *err)
{
	static const char *const files[] = { "adapter_config.json", "adapter_model.safetensors" };
	struct hash *h = hash_new();
	char *one;
	int rc = 0;

	while (rc == 0 && (one = adapter_names_next(&names))) {
		int n = file_is_dir(one) ? 2 : 1; /* a GGUF file is itself all of it */

		for (int i = 0; rc == 0 && i < n; i++) {
			char *path = n == 1 ? mem_strdup(one) : path_join(one, files[i]);
			struct hash_hex part;

			rc = hash_path(&part, path, err);
			if (rc == 0)
				hash_add(h, part.s, 64);
			mem_free(path);
		}
		mem_free(one);
	}
	*hex = hash_end(h);
	return rc;
}

void adapter_list_close(struct adapter_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		adapter_close(&l->v[i]);
	mem_free(l->v);
	memset(l, 0, sizeof(*l));
}

static int apply_all(void *arg, struct dev *dev, const char *name, struct mat w, struct err *err)
{
	const struct adapter_list *l = arg;

	for (size_t i = 0; i < l->n; i++)
		if (adapter_apply(&l->v[i], dev, name, w, err) < 0)
			return -1;
	return 0;
}

struct weight_hook adapter_list_hook(struct adapter_list *l)
{
	return (struct weight_hook){ apply_all, l };
}
