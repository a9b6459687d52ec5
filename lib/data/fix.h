/* SPDX-License-Identifier: Apache-2.0 */
/* Rewrites what has one right answer: byte order mark, GBK, CRLF, commas behind the last element. */
#ifndef DATA_FIX_H
#define DATA_FIX_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct fixed {
	bool bom, gbk;
	size_t crlf, commas;
};

/* A new file `to`, whole or absent; one that is there is not overwritten. Texts inside strings stay. */
int fix_file(const char *from, const char *to, struct fixed *f, struct err *err);

#endif
