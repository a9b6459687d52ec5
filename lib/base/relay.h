/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row of items through three hands: fill and drain have one item at a time, in order; work is done on
 * several threads. What comes out, and which error, is the same for any number of them. At most two
 * batches of items exist.
 */
#ifndef BASE_RELAY_H
#define BASE_RELAY_H

#include "base/err.h"

#include <stddef.h>

struct relay {
	void *arg;
	size_t size; /* of an item: zeros at first; it is used again as drain left it */
	int threads;
	/* 1: filled, with *bytes of input; 0: the end; -1: an error, told when all before was drained.
	 * The second item is filled when work on the first one is done: it may teach about the others. */
	int (*fill)(void *arg, void *item, size_t *bytes, struct err *err);
	void (*work)(void *arg, void *item); /* keeps its error for drain */
	int (*drain)(void *arg, void *item, struct err *err);
	void (*release)(void *item); /* gives back what it holds; zeros are left */
};

int relay_run(const struct relay *r, struct err *err);

#endif
