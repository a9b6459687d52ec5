/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include "base/mem.h"
#include "base/sigbus.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_stream(struct file *f, int fd, const char *name, struct err *err)
{
	struct buf b = { 0 };
	ssize_t n;

	do {
		buf_reserve(&b, 1 << 16);
		n = read(fd, b.p + b.n, 1 << 16);
		if (n > 0)
			b.n += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0) {
		buf_free(&b);
		return err_sys(err, "%s", name);
	}
	buf_reserve(&b, 1);
	f->p = (unsigned char *)b.p;
	f->n = b.n;
	return 0;
}

int file_open(struct file *f, const char *path, struct err *err)
{
	struct stat st;
	void *p;
	int fd;

	*f = (struct file){ 0 };
	if (!strcmp(path, "-"))
		return read_stream(f, STDIN_FILENO, "standard input", err);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "%s", path);
	if (fstat(fd, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode))) {
		close(fd);
		return err_set(err, "%s: is no file; a regular file or a pipe is needed", path);
	}
	if (!S_ISREG(st.st_mode) || st.st_size == 0) {
		int rc = read_stream(f, fd, path, err);

		close(fd);
		return rc;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return err_sys(err, "%s", path);
	f->p = p;
	f->n = (size_t)st.st_size;
	f->mapped = true;
	sigbus_watch(f->p, f->n, path);
	return 0;
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

int dir_make(const char *path, struct err *err)
{
	char *p = mem_strdup(path);
	int rc = 0;

	for (char *s = p + 1; rc == 0; s++) {
		char c = *s;

		if (c && c != '/')
			continue;
		*s = 0;
		if (mkdir(p, 0777) < 0 && errno != EEXIST)
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

/* "PATH.KIND.PID" from the heap; of a name near the system's limit of 255 bytes only the start. */
static char *name_beside(const char *path, const char *kind)
{
	int n = (int)strlen(path), base = (int)(path_base(path) - path);

	if (n - base > 220)
		n = base + 220;
	return mem_printf("%.*s.%s.%ld", n, path, kind, (long)getpid());
}

int out_open(struct out *o, const char *path, struct err *err)
{
	struct stat st;
	bool there;

	*o = (struct out){ 0 };
	if (!path || !strcmp(path, "-")) {
		o->f = stdout;
		return 0;
	}
	there = stat(path, &st) == 0;
	if (!there && errno != ENOENT) /* it could not be renamed into place either */
		return err_sys(err, "%s", path);
	if (there && S_ISDIR(st.st_mode))
		return err_set(err, "%s: is a folder; name a file", path);
	o->path = mem_strdup(path);
	if (there && !S_ISREG(st.st_mode)) { /* a pipe or a device takes what is written */
		o->f = fopen(path, "wb");
	} else {
		o->tmp = name_beside(path, "tmp");
		o->f = fopen(o->tmp, "wb");
	}
	if (o->f) {
		if (o->tmp)
			sigbus_remove(o->tmp);
		return 0;
	}
	err_sys(err, "%s", path);
	mem_free(o->tmp);
	o->tmp = NULL;
	out_abort(o);
	return -1;
}

/* What errno says about the output. */
static int out_fault(const struct out *o, struct err *err)
{
	bool unread = !o->path && errno == EPIPE;

	err_sys(err, "%s", o->path ? o->path : "standard output");
	if (unread)
		err->kind = ERR_UNREAD;
	return -1;
}

int out_write(struct out *o, const void *p, size_t n, struct err *err)
{
	return n == 0 || fwrite(p, 1, n, o->f) == n ? 0 : out_fault(o, err);
}

static void tmp_free(char *tmp)
{
	sigbus_forget(tmp);
	mem_free(tmp);
}

static void sync_dir(const char *path)
{
	char *dir = path_dir(path);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!fsync(fd);
		close(fd);
	}
	mem_free(dir);
}

int out_commit(struct out *o, struct err *err)
{
	int rc = 0;

	if (!o->path) {
		if (fflush(o->f))
			rc = out_fault(o, err);
		o->f = NULL;
		return rc;
	}
	if (fflush(o->f) || (o->tmp && fsync(fileno(o->f))))
		rc = out_fault(o, err);
	if (fclose(o->f) && rc == 0)
		rc = out_fault(o, err);
	o->f = NULL;
	if (rc == 0 && o->tmp && rename(o->tmp, o->path))
		rc = out_fault(o, err);
	if (rc == 0 && o->tmp) {
		sync_dir(o->path);
		tmp_free(o->tmp);
		o->tmp = NULL;
	}
	out_abort(o);
	return rc;
}

void out_abort(struct out *o)
{
	if (o->f && o->path)
		fclose(o->f);
	if (o->tmp)
		unlink(o->tmp);
	tmp_free(o->tmp);
	mem_free(o->path);
	*o = (struct out){ 0 };
}

int file_write(const char *path, const void *p, size_t n, struct err *err)
{
	struct out o;

	if (out_open(&o, path, err) < 0)
		return -1;
	if (out_write(&o, p, n, err) < 0) {
		out_abort(&o);
		return -1;
	}
	return out_commit(&o, err);
}

int dir_lock(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return fd; /* a file system without locks gives none */
	close(fd);
	return err_set(err, "%s: another run writes there; wait for it, or name another folder",
		       path);
}

void dir_remove(const char *path)
{
	struct dirent *e;
	DIR *d;

	if (unlink(path) == 0)
		return;
	d = opendir(path);
	while (d && (e = readdir(d))) {
		char *p;
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		p = path_join(path, e->d_name);
		if (lstat(p, &st) == 0 && S_ISDIR(st.st_mode))
			dir_remove(p);
		else
			unlink(p);
		mem_free(p);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

int outdir_open(struct outdir *o, const char *path, struct err *err)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	o->path = mem_strndup(path, n);
	o->tmp = name_beside(o->path, "tmp");
	sigbus_remove(o->tmp);
	dir_remove(o->tmp);
	if (dir_make(o->tmp, err) == 0)
		return 0;
	outdir_abort(o);
	return -1;
}

int outdir_commit(struct outdir *o, struct err *err)
{
	char *old = name_beside(o->path, "old");
	bool moved = file_exists(o->path);
	int rc = 0;

	if (moved && rename(o->path, old))
		rc = err_sys(err, "%s", o->path);
	else if (rename(o->tmp, o->path))
		rc = err_sys(err, "%s", o->path);
	if (rc == 0) {
		sync_dir(o->path);
		tmp_free(o->tmp);
		o->tmp = NULL;
		if (moved)
			dir_remove(old);
	} else if (moved && !file_exists(o->path)) {
		(void)!rename(old, o->path);
	}
	mem_free(old);
	outdir_abort(o);
	return rc;
}

void outdir_abort(struct outdir *o)
{
	if (o->tmp)
		dir_remove(o->tmp);
	tmp_free(o->tmp);
	mem_free(o->path);
	*o = (struct outdir){ 0 };
}
