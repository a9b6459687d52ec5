/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the end of a JSON array or object by its structure alone: strings, escapes, depth. */
#ifndef DATA_SCAN_H
#define DATA_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCAN_DEPTH_MAX = 64 };

/* Starts as zeros with in_array and one_a_line set. */
struct scan {
	bool in_array; /* inside an array of records: a ']' without partner ends it */
	bool one_a_line; /* JSON lines: a line feed ends the record */
	size_t i; /* bytes looked at, from the start of the element */
	size_t depth, deep_at; /* deep_at: where it became too deep, if too_deep */
	uint64_t objects; /* bit d: container at depth d + 1 is an object */
	char prev; /* last byte outside strings that is not white space */
	bool string, escape, too_deep, done;
};

/*
 * Look at the element's bytes p[s->i..n); true when its end p + s->i was found. done says whether it
 * was closed there, or another record begins or the surrounding array ends. A line feed ends a
 * string (JSON allows none inside), so one missing quote does not turn the rest of the file inside
 * out; the parser will name the fault.
 */
bool scan_window(struct scan *s, const char *p, size_t n);

#endif
