/* SPDX-License-Identifier: Apache-2.0 */
/* How far a name is from another: for "did you mean". */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

#define NAME_MAX_BYTES 48

/* Edit distance in which two neighbours that changed places count once; SIZE_MAX when a name is
 * longer than NAME_MAX_BYTES. */
size_t name_distance(const char *a, const char *b);

/* The nearest of the names that are tried: { .name = what was written }. A third of its letters wrong
 * is still a slip, more is another word. */
struct nearest {
	const char *name;
	const char *best; /* NULL: none is near */
	size_t distance;
};

void nearest_try(struct nearest *n, const char *candidate);

#endif
