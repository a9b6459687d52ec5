/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include "base/mem.h"
#include "base/sigbus.h"
#include "base/sys.h"

#include <stdlib.h>
#include <string.h>

ssize_t fd_read(int fd, void *p, size_t n, const char *name, struct err *err)
{
	ssize_t got;

	do
		got = sys_read(fd, p, n);
	while (got < 0 && errno == EINTR);
	return got < 0 ? err_sys(err, "%s", name) : got;
}

int fd_write(int fd, const void *p, size_t n, const char *name, struct err *err)
{
	for (size_t done = 0; done < n;) {
		ssize_t put = sys_write(fd, (const char *)p + done, n - done);

		if (put < 0 && errno != EINTR)
			return err_sys(err, "%s", name);
		done += put < 0 ? 0 : (size_t)put;
	}
	return 0;
}

static int read_stream(struct file *f, int fd, const char *name, struct err *err)
{
	struct buf b = { 0 };
	ssize_t n;

	do {
		buf_reserve(&b, 1 << 16);
		n = fd_read(fd, b.p + b.n, 1 << 16, name, err);
		if (n > 0)
			b.n += (size_t)n;
	} while (n > 0);
	if (n < 0) {
		buf_free(&b);
		return -1;
	}
	buf_reserve(&b, 1);
	f->p = (unsigned char *)b.p;
	f->n = b.n;
	return 0;
}

static int map(struct file *f, int fd, const char *path, struct err *err)
{
	struct stat st;
	void *p;

	if (sys_fstat(fd, &st) < 0)
		return err_sys(err, "%s", path);
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
		return err_set(err, "%s: is no file; a regular file or a pipe is needed", path);
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return read_stream(f, fd, path, err);
	p = sys_map(fd, (size_t)st.st_size);
	if (p == MAP_FAILED)
		return err_sys(err, "%s", path);
	f->p = p;
	f->n = (size_t)st.st_size;
	f->mapped = true;
	sigbus_watch(f->p, f->n, path);
	return 0;
}

int file_open(struct file *f, const char *path, struct err *err)
{
	int fd, rc;

	*f = (struct file){ 0 };
	if (!strcmp(path, "-"))
		return read_stream(f, STDIN_FILENO, "standard input", err);
	fd = sys_open(path, O_RDONLY, 0);
	if (fd < 0)
		return err_sys(err, "%s", path);
	rc = map(f, fd, path, err);
	close(fd);
	return rc;
}

size_t file_peek(const char *path, void *p, size_t n)
{
	struct err err;
	int fd = sys_open(path, O_RDONLY, 0);
	ssize_t got = fd < 0 ? 0 : fd_read(fd, p, n, path, &err);

	if (fd >= 0)
		close(fd);
	return got < 0 ? 0 : (size_t)got;
}

void file_close(struct file *f)
{
	if (f->mapped) {
		sigbus_forget(f->p);
		munmap((void *)f->p, f->n);
	} else {
		mem_free((void *)f->p);
	}
	*f = (struct file){ 0 };
}

void file_forget(const struct file *f, const void *p, size_t n)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGE_SIZE), from = (uintptr_t)p, to = from + n;

	if (!f->mapped) /* the heap has no other copy */
		return;
	if (to == (uintptr_t)f->p + f->n)
		to += page - 1;
	if (from != (uintptr_t)f->p)
		from += page - 1;
	from &= ~(page - 1);
	to &= ~(page - 1);
	if (from < to)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

bool file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

bool file_is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *path_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);

	return mem_printf("%s%s%s", dir, n && dir[n - 1] != '/' ? "/" : "", name);
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *path_dir(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return mem_strdup(".");
	return mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* An absolute path without links, of something whose folder stands; from the heap. */
static char *path_real(const char *path)
{
	char *real = realpath(path, NULL), *name, *dir, *out;

	if (real) {
		out = mem_strdup(real);
	} else {
		name = mem_strdup(path);
		for (size_t n = strlen(name); n > 1 && name[n - 1] == '/'; n--)
			name[n - 1] = 0;
		dir = path_dir(name);
		real = realpath(dir, NULL);
		out = real ? path_join(real, path_base(name)) : mem_strdup(name);
		mem_free(dir);
		mem_free(name);
	}
	free(real);
	return out;
}

char *path_relative(const char *dir, const char *to)
{
	char *a = path_real(dir), *b = path_real(to);
	struct buf text = { 0 };
	size_t same = 0;

	for (size_t i = 0; a[i] && a[i] == b[i];) { /* as far as whole names are the same */
		i++;
		if ((a[i] == '/' || !a[i]) && (b[i] == '/' || !b[i]))
			same = i;
	}
	for (const char *p = a + same; *p; p++)
		if (*p == '/')
			buf_str(&text, "../");
	buf_str(&text, b + same + (b[same] == '/'));
	if (!text.n)
		buf_char(&text, '.');
	mem_free(a);
	mem_free(b);
	return text.p;
}

int dir_sync(const char *path, struct err *err)
{
	char *dir = path_dir(path);
	int fd = sys_open(dir, O_RDONLY | O_DIRECTORY, 0), rc = 0;

	/* A folder may be written to and not read, and a file system know no such thing. */
	if (fd >= 0 && sys_fsync(fd) < 0 && errno != EINVAL && errno != ENOTSUP)
		rc = err_sys(err, "%s", dir);
	if (fd >= 0)
		close(fd);
	mem_free(dir);
	return rc;
}

int dir_make(const char *path, struct err *err)
{
	char *p = mem_strdup(path);
	int rc = 0;

	for (char *s = p + 1; rc == 0; s++) {
		char c = *s;

		if (c && c != '/')
			continue;
		*s = 0;
		if (sys_mkdir(p) == 0)
			rc = dir_sync(p, err);
		else if (errno != EEXIST)
			rc = err_sys(err, "%s", p);
		*s = c;
		if (!c)
			break;
	}
	if (rc == 0 && !file_is_dir(path))
		rc = err_set(err, "%s: is not a folder", path);
	mem_free(p);
	return rc;
}
