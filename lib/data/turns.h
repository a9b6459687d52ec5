/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conversation of one JSON record in one shape, whichever formatting it came in: what the rules
 * look at and what becomes a struct record. Text is the tape's, and not ended by a NUL.
 */
#ifndef DATA_TURNS_H
#define DATA_TURNS_H

#include "data/dataset.h"
#include "data/rules.h"

/* Where in the record something stands: column, index in it (-1: none), member (NULL: none). */
struct where {
	const char *key;
	long index;
	const char *inner;
};

struct turn {
	enum role role;
	const char *text;
	size_t n;
	struct where where;
};

/* Starts as {0}; may be used again and again. why: what is wrong, "" when all is well. */
struct turns {
	struct turn *v;
	size_t n, cap;
	struct turn system, tools; /* text NULL: none; tools: JSON */
	struct turn chosen, rejected; /* if the data set ranks */
	enum verdict verdict;
	enum rule_id rule;
	struct where where;
	char why[320];
};

struct tape;

/* The turns of the object on the tape, as far as it comes. Returns 0, or -1 with rule, where and why. */
int turns_read(struct turns *t, const struct dataset *d, struct tape *tape);
void turns_free(struct turns *t);

/* The member's value if it is there and not null, else 0. column NULL: not mapped. */
uint32_t column_value(const struct tape *tape, const char *column);
/* Text that is empty or white space. */
bool text_blank(const char *s, size_t n);

#endif
