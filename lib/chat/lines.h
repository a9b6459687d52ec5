/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a file descriptor, and whether more of them are there without waiting: a program at the
 * other end of a pipe gets its answer before it sends the next line, a file is taken many lines at
 * a time.
 */
#ifndef CHAT_LINES_H
#define CHAT_LINES_H

#include "base/err.h"
#include "base/mem.h"
#include "chat/await.h"

struct lines {
	int fd;
	struct await *await; /* NULL, or how to wait for a terminal */
	struct buf buf;
	size_t at; /* where the next line begins in it */
	size_t number; /* of the line given last, from 1 */
	bool ended;
};

enum lines_result {
	LINES_ERROR = -1,
	LINES_END,
	LINES_ONE,
	LINES_NONE_YET, /* only when told not to wait */
	LINES_SIGNAL, /* interrupted by a signal */
};

/* *line (n bytes, without its \n or \r\n, a 0 after them) stands until the next call. */
enum lines_result lines_next(struct lines *l, bool wait, char **line, size_t *n, struct err *err);
void lines_close(struct lines *l); /* leaves fd open */

#endif
