/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls to the system that readers and writers rest on. They are the calls of the same name, but
 * for a test's wish that one of them fail (base/fault.h). lib/ makes them through these, and
 * mostly through base/file.h.
 */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include "base/fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The call of this number fails: with EIO. path: NULL for those of a descriptor. */
static inline bool sys_fails(const char *call, const char *path)
{
	fault_point(call, path);
	if (!fault_due(FAULT_IO))
		return false;
	errno = EIO;
	return true;
}

/* A read or write of this number is interrupted, or stops after a byte: *n becomes 1. */
static inline bool sys_interrupted(size_t *n)
{
	if (fault_due(FAULT_SHORT) && *n > 1)
		*n = 1;
	if (!fault_due(FAULT_EINTR))
		return false;
	errno = EINTR;
	return true;
}

static inline int sys_open(const char *path, int flags, mode_t mode)
{
	return sys_fails("open", path) ? -1 : open(path, flags | O_CLOEXEC, mode);
}

static inline ssize_t sys_read(int fd, void *p, size_t n)
{
	return sys_fails("read", NULL) || sys_interrupted(&n) ? -1 : read(fd, p, n);
}

static inline ssize_t sys_write(int fd, const void *p, size_t n)
{
	return sys_fails("write", NULL) || sys_interrupted(&n) ? -1 : write(fd, p, n);
}

static inline int sys_fstat(int fd, struct stat *st)
{
	return sys_fails("fstat", NULL) ? -1 : fstat(fd, st);
}

/* A whole file to be read. */
static inline void *sys_map(int fd, size_t n)
{
	return sys_fails("map", NULL) ? MAP_FAILED : mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
}

static inline int sys_fsync(int fd)
{
	return sys_fails("fsync", NULL) ? -1 : fsync(fd);
}

/* The descriptor is closed either way. */
static inline int sys_close(int fd)
{
	int rc = close(fd);

	return sys_fails("close", NULL) ? -1 : rc;
}

static inline int sys_rename(const char *from, const char *to)
{
	return sys_fails("rename", to) ? -1 : rename(from, to);
}

/* Both names stand, and what they name changes places at once; ENOSYS where that cannot be had. */
static inline int sys_exchange(const char *a, const char *b)
{
	if (sys_fails("exchange", b))
		return -1;
#ifdef RENAME_EXCHANGE
	return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
#else
	(void)a;
	errno = ENOSYS;
	return -1;
#endif
}

static inline int sys_mkdir(const char *path)
{
	return sys_fails("mkdir", path) ? -1 : mkdir(path, 0777);
}

static inline ssize_t sys_getline(char **line, size_t *cap, FILE *in)
{
	return sys_fails("getline", NULL) ? -1 : getline(line, cap, in);
}

static inline int sys_scandir(const char *path, struct dirent ***names)
{
	return sys_fails("scandir", path) ? -1 : scandir(path, names, NULL, alphasort);
}

#endif
