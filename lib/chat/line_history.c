/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/line_history.h"

#include "base/file.h"
#include "base/jsonw.h"
#include "base/sys.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 1000, TEXT_MAX = 1 << 16 };

/* NULL: no home. The XDG specification wants relative paths ignored. */
static char *state_folder(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (state && *state == '/')
		return path_join(state, "anekdot");
	return home && *home == '/' ? path_join(home, ".local/state/anekdot") : NULL;
}

static void keep(struct line_history *r, const char *text, size_t n)
{
	r->v = mem_grow(r->v, r->n + 1, sizeof(*r->v));
	r->v[r->n++] = mem_strndup(text, n);
}

static void add_line(struct buf *out, const char *text, size_t n)
{
	struct jsonw w = { .out = out };

	jsonw_str(&w, text, n);
	buf_char(out, '\n');
}

static void forget_oldest(struct line_history *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mem_free(r->v[i]);
	r->n -= n;
	memmove(r->v, r->v + n, r->n * sizeof(*r->v));
}

/* Writes the file anew when it has become twice as long as what is read of it. */
static int trim(const struct line_history *r, struct err *err)
{
	struct buf text = { 0 };
	struct out o;
	int rc;

	for (size_t i = 0; i < r->n; i++)
		add_line(&text, r->v[i], strlen(r->v[i]));
	rc = out_open(&o, r->path, err);
	if (rc == 0 && fchmod(o.fd, 0600) < 0)
		rc = err_sys(err, "%s", r->path);
	if (rc == 0)
		rc = out_write(&o, text.p, text.n, err);
	rc = rc == 0 ? out_commit(&o, err) : rc;
	out_abort(&o);
	buf_free(&text);
	return rc;
}

static int read_file(struct line_history *r, struct err *err)
{
	struct file f;
	size_t lines = 0;

	if (!file_exists(r->path))
		return 0;
	if (file_open(&f, r->path, err) < 0)
		return -1;
	for (const char *p = (const char *)f.p, *end = p + f.n; p < end; lines++) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((stop ? stop : end) - p);
		json_t *text = n ? json_loadb(p, n, JSON_DECODE_ANY, NULL) : NULL;

		if (json_string_length(text))
			keep(r, json_string_value(text), json_string_length(text));
		json_decref(text);
		p += n + (stop != NULL);
	}
	file_close(&f);
	if (r->n > KEPT)
		forget_oldest(r, r->n - KEPT);
	return lines > 2 * KEPT ? trim(r, err) : 0;
}

int line_history_open(struct line_history *r, struct err *err)
{
	char *folder = state_folder();
	int rc = 0;

	*r = (struct line_history){ 0 };
	if (!folder)
		return 0;
	rc = dir_make(folder, err);
	r->path = path_join(folder, "history");
	if (rc == 0)
		rc = read_file(r, err);
	if (rc < 0) {
		mem_free(r->path);
		r->path = NULL;
	}
	mem_free(folder);
	return rc;
}

void line_history_add(struct line_history *r, const char *text, size_t n)
{
	struct buf line = { 0 };
	struct err ignored;
	int fd;

	if (!n || n > TEXT_MAX || memchr(text, 0, n) ||
	    (r->n && strlen(r->v[r->n - 1]) == n && !memcmp(r->v[r->n - 1], text, n)))
		return;
	keep(r, text, n);
	fd = r->path ? sys_open(r->path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
	if (fd < 0)
		return;
	add_line(&line, text, n);
	/* A history that cannot be written is no reason to disturb a conversation. */
	(void)!fchmod(fd, 0600);
	(void)!fd_write(fd, line.p, line.n, r->path, &ignored);
	close(fd);
	buf_free(&line);
}

void line_history_close(struct line_history *r)
{
	for (size_t i = 0; i < r->n; i++)
		mem_free(r->v[i]);
	mem_free(r->v);
	mem_free(r->path);
	*r = (struct line_history){ 0 };
}
