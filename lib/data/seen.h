/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records that a check has seen, as far as others are compared with them: the last SEEN_MAX of
 * them, in 112 MiB at most, whatever the file's size. They are found by hashes of question and answer and
 * by bands of their sketches (locality-sensitive hashing); a slot keeps the newest record alone.
 */
#ifndef DATA_SEEN_H
#define DATA_SEEN_H

#include "data/sketch.h"

enum { SEEN_MAX = 1 << 20 };

struct seen;

/* What is known of a new record. Lines are 0 where there is none. */
struct seen_like {
	uint64_t same, near; /* an earlier record like it, word for word or nearly */
	uint64_t conflict; /* the same question with another answer, told for the first time */
	bool asked; /* its answer was seen before, with another question */
};

struct seen *seen_new(void);
/* Begin to look for records like it: memory is asked for what seen_add will need, a while later. */
void seen_look(struct seen *s, const struct sketch *k);
/* Compare the record of the last seen_look with what was seen, and remember it. */
void seen_add(struct seen *s, const struct sketch *k, uint64_t line, struct seen_like *like);
void seen_free(struct seen *s);

#endif
