/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of the tape, reading and looking up, share. */
#ifndef DATA_TAPE_PARTS_H
#define DATA_TAPE_PARTS_H

#include "data/tape.h"

/* Forget the last text; a block of the usual size and values of the usual number are kept. */
void tape_forget(struct tape *t);
/* Bytes of the escape at p ('\\' and on, n of them), and its character; 0 when it is none. */
size_t tape_escape(const char *p, size_t n, uint32_t *c);
bool tape_same_key(const struct tape *t, uint32_t a, uint32_t b);

/* What stands behind a key and its value. */
static inline uint32_t tape_behind_key(const struct tape *t, uint32_t key)
{
	return t->v[key + 1].next;
}

#endif
