/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files in, whole files out. Readers map a regular file (or read a pipe into memory);
 * writers work on "NAME.tmp.PID" in the same folder and rename when everything is on disk, so a
 * file or folder under its final name is complete. A tool that ends without having finished one,
 * as when there is no memory, removes the .tmp name; a killed one leaves it.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/err.h"
#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* A read-only view of a whole file. Starts as {0}; closing {0} is fine. */
struct file {
	const unsigned char *p;
	size_t n;
	bool mapped;
};

/* "-" is standard input. Folders and devices are refused with a clear message. */
int file_open(struct file *f, const char *path, struct err *err);
void file_close(struct file *f);
/* Whole pages of [p, p + n) that have been read need not stay in memory; they can be read again. */
void file_forget(const struct file *f, const void *p, size_t n);
/* The first n bytes, or fewer when there are no more or the file cannot be read. */
size_t file_peek(const char *path, void *p, size_t n);
/* Of a descriptor: at most n bytes, 0 at the end, -1 an error; all of n bytes. A signal in between does
 * not matter. name is for messages. */
ssize_t fd_read(int fd, void *p, size_t n, const char *name, struct err *err);
int fd_write(int fd, const void *p, size_t n, const char *name, struct err *err);

bool file_exists(const char *path);
bool file_is_dir(const char *path);
/* "dir/name" from the heap; dir may be "" or end in '/'. */
char *path_join(const char *dir, const char *name);
/* The part after the last '/', and what stands before it ("." when nothing) from the heap. */
const char *path_base(const char *path);
char *path_dir(const char *path);
/* The way from a folder (which need not stand yet) to a path that stands, from the heap: "../base". */
char *path_relative(const char *dir, const char *to);
/* mkdir -p. */
int dir_make(const char *path, struct err *err);
/* What happened to names in the folder that path lies in is on disk afterwards. */
int dir_sync(const char *path, struct err *err);
/* Makes the folder this process's own among those that ask, until the descriptor that it returns is
 * closed; -1 when another has it. */
int dir_lock(const char *path, struct err *err);
/* rm -rf of a folder or file; symbolic links are unlinked, not followed. */
void dir_remove(const char *path);

/* A file in the making. "-" or NULL writes to standard output, a pipe or a device is written to as it
 * is. */
struct out {
	int fd;
	struct buf buf; /* not written yet */
	char *tmp, *path; /* NULL for standard output; tmp also for a pipe or a device */
};

int out_open(struct out *o, const char *path, struct err *err);
int out_write(struct out *o, const void *p, size_t n, struct err *err);
/* Flush, fsync, rename. On failure the temporary file is gone. */
int out_commit(struct out *o, struct err *err);
/* Drop it, if out_commit was not reached; fine after commit and on {0}. */
void out_abort(struct out *o);
/* All of it at once. */
int file_write(const char *path, const void *p, size_t n, struct err *err);
/* To the end of a file, which is made when it is not there; all of it or nothing. */
int file_append(const char *path, const void *p, size_t n, struct err *err);
/* A descriptor of a file without a name, to write and to read; -1 an error. */
int scratch_open(struct err *err);

/* A folder in the making: files are written into o->tmp, dir_commit renames it to path. An older
 * folder of that name changes places with it, so that at any moment one of them is there, and is
 * removed after; other files in it are lost. */
struct outdir {
	char *tmp, *path;
};

int outdir_open(struct outdir *o, const char *path, struct err *err);
int outdir_commit(struct outdir *o, struct err *err);
void outdir_abort(struct outdir *o);
/* Removes all that is in the making; exit() does it, those who use _exit() have to. */
void unfinished_remove(void);
/* Removes what killed processes left in the making in a folder, of names that begin with prefix; for
 * those who know that nobody else writes there. */
void unfinished_sweep(const char *dir, const char *prefix);

#endif
