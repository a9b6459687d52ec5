/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a stream, for filters. A line has a limit: a file without line ends is refused there,
 * and neither read to its end nor kept.
 */
#ifndef BASE_LINE_H
#define BASE_LINE_H

#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>

#define LINE_BYTES_MAX ((size_t)64 << 20)

/* Starts as { .in = stream }. */
struct line {
	FILE *in;
	struct buf text; /* the line with its '\n', when it has one, and a 0 after it */
	size_t number; /* from 1 */
};

/* 1: the next line, 0: the end, -1: trouble. Messages call the stream standard input. */
int line_next(struct line *l, struct err *err);
void line_free(struct line *l); /* leaves the stream open */

#endif
