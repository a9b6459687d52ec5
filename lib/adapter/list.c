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

int adapter_list_open(struct adapter_list *l, const char *names, const struct arch *arch,
		      struct err *err)
{
	memset(l, 0, sizeof(*l));
	while (names && *names) {
		size_t n = strcspn(names, ",");
		char *one;
		int rc;

		while (n && *names == ' ') {
			names++;
			n--;
		}
		one = mem_strndup(names, n);
		while (n && one[n - 1] == ' ')
			one[--n] = 0;
		l->v = mem_grow(l->v, l->n + 1, sizeof(*l->v));
		rc = *one ? adapter_open(&l->v[l->n], one, arch, err) : 0;
		if (rc == 0 && *one)
			l->n++;
		mem_free(one);
		if (rc < 0) {
			adapter_list_close(l);
			return -1;
		}
		names += strcspn(names, ",");
		names += *names == ',';
	}
	return 0;
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
