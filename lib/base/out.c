/* SPDX-License-Identifier: Apache-2.0 */
/* Files and folders in the making. What is not finished when the process exits, for want of memory for
 * instance, is removed then. */
#include "base/file.h"

#include "base/mem.h"
#include "base/sys.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#define BUFFER 65536

/* A name that has to go, and what stands there, unless it is dropped from this list. */
struct temp {
	struct temp *next;
	char path[];
};

static struct temp *temps;

static struct temp *temp_of(char *path)
{
	return (struct temp *)(path - offsetof(struct temp, path));
}

void unfinished_remove(void)
{
	for (; temps; temps = temps->next)
		dir_remove(temps->path);
}

/* "PATH.KIND.PID" from the heap, not in the list yet; of a name near the system's limit of 255 bytes only
 * the start. */
static char *temp_new(const char *path, const char *kind)
{
	int n = (int)strlen(path), base = (int)(path_base(path) - path);
	size_t size = (size_t)n + strlen(kind) + 24;
	struct temp *t = mem_new(1, sizeof(*t) + size);

	if (n - base > 220)
		n = base + 220;
	snprintf(t->path, size, "%.*s.%s.%ld", n, path, kind, (long)getpid());
	return t->path;
}

static void temp_add(char *path)
{
	static bool asked;

	if (!asked)
		atexit(unfinished_remove);
	asked = true;
	temp_of(path)->next = temps;
	temps = temp_of(path);
}

/* Out of the list and freed; NULL is fine. */
static void temp_drop(char *path)
{
	struct temp **at = &temps;

	if (!path)
		return;
	while (*at && *at != temp_of(path))
		at = &(*at)->next;
	if (*at)
		*at = temp_of(path)->next;
	mem_free(temp_of(path));
}

int out_open(struct out *o, const char *path, struct err *err)
{
	struct stat st;
	bool there;

	*o = (struct out){ .fd = STDOUT_FILENO };
	if (!path || !strcmp(path, "-")) {
		fflush(stdout); /* what was printed before comes before */
		return 0;
	}
	there = stat(path, &st) == 0;
	if (!there && errno != ENOENT) /* it could not be renamed into place either */
		return err_sys(err, "%s", path);
	if (there && S_ISDIR(st.st_mode))
		return err_set(err, "%s: is a folder; name a file", path);
	o->path = mem_strdup(path);
	if (there && !S_ISREG(st.st_mode)) { /* a pipe or a device takes what is written */
		o->fd = sys_open(path, O_WRONLY, 0);
	} else {
		o->tmp = temp_new(path, "tmp");
		temp_add(o->tmp);
		o->fd = sys_open(o->tmp, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	}
	if (o->fd >= 0)
		return 0;
	err_sys(err, "%s", path);
	out_abort(o);
	return -1;
}

static int put(struct out *o, const void *p, size_t n, struct err *err)
{
	int rc = fd_write(o->fd, p, n, o->path ? o->path : "standard output", err);

	if (rc < 0 && !o->path && errno == EPIPE)
		err->kind = ERR_UNREAD;
	return rc;
}

static int flush(struct out *o, struct err *err)
{
	int rc = put(o, o->buf.p, o->buf.n, err);

	buf_reset(&o->buf);
	return rc;
}

int out_write(struct out *o, const void *p, size_t n, struct err *err)
{
	if (o->buf.n + n > BUFFER && flush(o, err) < 0)
		return -1;
	if (n > BUFFER)
		return put(o, p, n, err);
	buf_add(&o->buf, p, n);
	return 0;
}

int out_commit(struct out *o, struct err *err)
{
	int rc = flush(o, err);

	if (o->path) {
		if (rc == 0 && o->tmp && sys_fsync(o->fd) < 0)
			rc = err_sys(err, "%s", o->path);
		if (sys_close(o->fd) < 0 && rc == 0)
			rc = err_sys(err, "%s", o->path);
		o->fd = -1;
	}
	if (rc == 0 && o->tmp && sys_rename(o->tmp, o->path) < 0)
		rc = err_sys(err, "%s", o->path);
	if (rc == 0 && o->tmp) {
		temp_drop(o->tmp);
		o->tmp = NULL;
		rc = dir_sync(o->path, err);
	}
	out_abort(o);
	return rc;
}

void out_abort(struct out *o)
{
	if (o->path && o->fd >= 0)
		close(o->fd);
	if (o->tmp)
		unlink(o->tmp);
	temp_drop(o->tmp);
	buf_free(&o->buf);
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

int file_append(const char *path, const void *p, size_t n, struct err *err)
{
	int fd = sys_open(path, O_WRONLY | O_CREAT | O_APPEND, 0666), rc;
	off_t end;

	if (fd < 0)
		return err_sys(err, "%s", path);
	end = lseek(fd, 0, SEEK_END);
	rc = fd_write(fd, p, n, path, err);
	if (rc < 0 && end >= 0)
		(void)!ftruncate(fd, end);
	if (sys_close(fd) < 0 && rc == 0)
		rc = err_sys(err, "%s", path);
	return rc;
}

int scratch_open(struct err *err)
{
	const char *dir = getenv("TMPDIR");
	char *path = path_join(dir && *dir ? dir : "/tmp", "anekdot.XXXXXX");
	int fd = sys_fails("mkostemp", path) ? -1 : mkostemp(path, O_CLOEXEC);

	if (fd < 0)
		err_sys(err, "temporary file %s", path);
	else
		unlink(path);
	mem_free(path);
	return fd;
}

int dir_lock(const char *path, struct err *err)
{
	int fd = sys_open(path, O_RDONLY | O_DIRECTORY, 0);

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
	char p[PATH_MAX]; /* no memory is asked for: there may be none */
	struct dirent *e;
	DIR *d;

	fault_point("remove", path);
	if (unlink(path) == 0)
		return;
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (snprintf(p, sizeof(p), "%s/%s", path, e->d_name) < (int)sizeof(p))
			dir_remove(p);
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
	o->tmp = temp_new(o->path, "tmp");
	dir_remove(o->tmp);
	temp_add(o->tmp);
	if (dir_make(o->tmp, err) == 0)
		return 0;
	outdir_abort(o);
	return -1;
}

/* Where two names cannot change places at once, there is a moment without one; who is killed in it
 * leaves PATH.old.PID, which unfinished_sweep puts back. */
static int replace_in_steps(struct outdir *o, struct err *err)
{
	char *old = temp_new(o->path, "old");
	int rc = 0;

	if (sys_rename(o->path, old) < 0) {
		rc = err_sys(err, "%s", o->path);
	} else if (sys_rename(o->tmp, o->path) < 0) {
		rc = err_sys(err, "%s", o->path);
		(void)!rename(old, o->path);
	} else if (rename(old, o->tmp) < 0) { /* what is under the .tmp name goes */
		dir_remove(old);
	}
	temp_drop(old);
	return rc;
}

int outdir_commit(struct outdir *o, struct err *err)
{
	int rc = 0;

	if (!file_exists(o->path)) {
		if (sys_rename(o->tmp, o->path) < 0)
			rc = err_sys(err, "%s", o->path);
	} else if (sys_exchange(o->tmp, o->path) < 0) {
		rc = errno == EIO ? err_sys(err, "%s", o->path) : replace_in_steps(o, err);
	}
	if (rc == 0)
		rc = dir_sync(o->path, err);
	outdir_abort(o); /* what was replaced is under the .tmp name now */
	return rc;
}

/* The process that NAME.KIND.PID belongs to; -1: the name is of another form. *stem: characters of NAME. */
static long owner_of(const char *name, const char *kind, size_t *stem)
{
	size_t n = strlen(kind);
	const char *dot = strrchr(name, '.');
	char *end;
	long pid = dot ? strtol(dot + 1, &end, 10) : -1;

	if (pid <= 0 || *end || (size_t)(dot - name) <= n || strncmp(dot - n, kind, n))
		return -1;
	*stem = (size_t)(dot - name) - n;
	return pid;
}

static bool is_gone(long pid)
{
	return pid > 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

static void sweep_one(const char *dir, const char *name)
{
	char *path = path_join(dir, name), *whole;
	size_t stem;

	if (is_gone(owner_of(name, ".tmp", &stem))) {
		dir_remove(path);
	} else if (is_gone(owner_of(name, ".old", &stem))) {
		whole = mem_strndup(path, strlen(path) - strlen(name) + stem);
		if (file_exists(whole) || rename(path, whole) < 0)
			dir_remove(path);
		mem_free(whole);
	}
	mem_free(path);
}

void unfinished_sweep(const char *dir, const char *prefix)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		if (!strncmp(names[i]->d_name, prefix, strlen(prefix)))
			sweep_one(dir, names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

void outdir_abort(struct outdir *o)
{
	if (o->tmp)
		dir_remove(o->tmp);
	temp_drop(o->tmp);
	mem_free(o->path);
	*o = (struct outdir){ 0 };
}
