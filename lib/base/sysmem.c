/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sysmem.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

/* A small file as text in out; false when it cannot be read. */
static bool read_text(const char *path, char *out, size_t n)
{
	size_t got = file_peek(path, out, n - 1);

	out[got] = 0;
	return got > 0;
}

/* The number behind "key" at the beginning of a line, times unit. */
static bool number_of(const char *text, const char *key, size_t unit, size_t *v)
{
	size_t n = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, n) && strspn(line + n, " \t")) {
			*v = (size_t)strtoull(line + n, NULL, 10) * unit;
			return true;
		}
	}
	return false;
}

static size_t status_kb(const char *key)
{
	char text[4096];
	size_t v = 0;

	if (read_text("/proc/self/status", text, sizeof(text)))
		number_of(text, key, 1024, &v);
	return v;
}

size_t sysmem_resident(void)
{
	return status_kb("VmRSS:");
}

size_t sysmem_peak(void)
{
	return status_kb("VmHWM:");
}

/* How the two versions of control groups call things. */
struct cgroup_names {
	const char *mount, *limit, *usage, *reclaimable;
};

static const struct cgroup_names v1 = { "/sys/fs/cgroup/memory", "memory.limit_in_bytes",
					"memory.usage_in_bytes", "total_inactive_file" };
static const struct cgroup_names v2 = { "/sys/fs/cgroup", "memory.max", "memory.current",
					"inactive_file" };

static bool group_text(const char *root, const struct cgroup_names *names, const char *path,
		       const char *file, char *out, size_t n)
{
	char *whole = mem_printf("%s%s%s/%s", root, names->mount, path, file);
	bool there = read_text(whole, out, n);

	mem_free(whole);
	return there;
}

/* *most falls to what one group leaves. "max", and v1's huge number, are no limit. */
static void group_leaves(const char *root, const struct cgroup_names *names, const char *path,
			 size_t *most)
{
	char text[8192];
	size_t limit, used, cached = 0;

	if (!group_text(root, names, path, names->limit, text, sizeof(text)) || text[0] < '0' ||
	    text[0] > '9')
		return;
	limit = (size_t)strtoull(text, NULL, 10);
	if (!group_text(root, names, path, names->usage, text, sizeof(text)))
		return;
	used = (size_t)strtoull(text, NULL, 10);
	if (group_text(root, names, path, "memory.stat", text, sizeof(text)))
		number_of(text, names->reclaimable, 1, &cached);
	used -= cached < used ? cached : used;
	limit = limit > used ? limit - used : 0;
	*most = limit < *most ? limit : *most;
}

/* A group and all above it. Within a container the paths may be those of outside: what stands at the
 * mount is asked, too. */
static void groups_leave(const char *root, const struct cgroup_names *names, const char *path,
			 size_t n, size_t *most)
{
	char *own = mem_strndup(path, n), *slash;

	while ((slash = strrchr(own, '/'))) {
		if (slash[1])
			group_leaves(root, names, own, most);
		*slash = 0;
	}
	group_leaves(root, names, "", most);
	mem_free(own);
}

size_t sysmem_available(const char *root)
{
	char text[8192], *path = mem_printf("%s/proc/meminfo", root);
	size_t most = mem_physical();

	if (read_text(path, text, sizeof(text)))
		number_of(text, "MemAvailable:", 1024, &most);
	mem_free(path);
	path = mem_printf("%s/proc/self/cgroup", root);
	if (!read_text(path, text, sizeof(text)))
		text[0] = 0;
	mem_free(path);
	/* Lines "4:memory:/path" and "0::/path". */
	for (const char *line = text; *line;) {
		const char *names = strchr(line, ':'), *own = names ? strchr(names + 1, ':') : NULL;
		size_t n = own ? strcspn(own + 1, "\n") : 0;

		if (own == names + 1)
			groups_leave(root, &v2, own + 1, n, &most);
		else if (own && !strncmp(names, ":memory:", 8))
			groups_leave(root, &v1, own + 1, n, &most);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return most;
}
