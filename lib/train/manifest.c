/* SPDX-License-Identifier: Apache-2.0 */
#include "train/manifest.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

#include <string.h>

#define HEX 64

int manifest_write(const char *dir, const char *const *names, struct err *err)
{
	char *path = path_join(dir, MANIFEST);
	struct buf text = { 0 };
	int rc = 0;

	for (int i = 0; names[i] && rc == 0; i++) {
		char *file = path_join(dir, names[i]);
		struct hash_hex h;

		rc = hash_path(&h, file, err);
		if (rc == 0)
			buf_printf(&text, "%s  %s\n", h.s, names[i]);
		mem_free(file);
	}
	if (rc == 0)
		rc = file_write(path, text.p, text.n, err);
	buf_free(&text);
	mem_free(path);
	return rc;
}

/* One line, "HASH  NAME": the file is what it says. */
static int verify_line(const char *dir, const char *line, size_t n, struct err *err)
{
	struct hash_hex h;
	char *name, *file;
	int rc;

	if (n < HEX + 3 || memcmp(line + HEX, "  ", 2) || memchr(line + HEX, '/', n - HEX) ||
	    memchr(line, 0, n))
		return err_set(err, "%s: its " MANIFEST " is damaged", dir);
	name = mem_strndup(line + HEX + 2, n - HEX - 2);
	file = path_join(dir, name);
	if (!file_exists(file))
		rc = err_set(err, "%s: %s is missing", dir, name);
	else
		rc = hash_path(&h, file, err);
	if (rc == 0 && memcmp(h.s, line, HEX))
		rc = err_set(err, "%s: %s is damaged: it is not what " MANIFEST " says", dir, name);
	mem_free(file);
	mem_free(name);
	return rc;
}

/* All lines; found[i]: names[i] was among them. */
static int verify_lines(const char *dir, const struct file *f, const char *const *names,
			bool *found, struct err *err)
{
	int rc = 0;

	for (size_t at = 0, n; at < f->n && rc == 0; at += n + 1) {
		const char *line = (const char *)f->p + at, *end = memchr(line, '\n', f->n - at);

		n = end ? (size_t)(end - line) : f->n - at;
		rc = verify_line(dir, line, n, err);
		for (int i = 0; names[i] && rc == 0; i++)
			if (strlen(names[i]) == n - HEX - 2 &&
			    !memcmp(names[i], line + HEX + 2, n - HEX - 2))
				found[i] = true;
	}
	return rc;
}

int manifest_verify(const char *dir, const char *const *names, struct err *err)
{
	char *path = path_join(dir, MANIFEST);
	bool found[16] = { false };
	struct file f = { 0 };
	int rc = 0;

	if (!file_is_dir(dir))
		rc = err_set(err, "%s: there is no such folder", dir);
	else if (!file_exists(path))
		rc = err_set(err, "%s: has no " MANIFEST " to verify it by", dir);
	if (rc == 0)
		rc = file_open(&f, path, err);
	if (rc == 0)
		rc = verify_lines(dir, &f, names, found, err);
	for (int i = 0; names[i] && rc == 0; i++)
		if (!found[i])
			rc = err_set(err, "%s: its " MANIFEST " is damaged: %s is not in it", dir,
				     names[i]);
	file_close(&f);
	mem_free(path);
	return rc;
}
