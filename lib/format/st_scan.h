/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scanner for the one shape of JSON that a safetensors header may have. It is not a general
 * JSON reader on purpose: depth is fixed by the grammar, memory stays below a small multiple of
 * the header's own length, integers are exact, and every complaint has its byte. Private to
 * format/.
 */
#ifndef FORMAT_ST_SCAN_H
#define FORMAT_ST_SCAN_H

#include "base/err.h"
#include "base/mem.h"

/* p[0..n) must be valid UTF-8. All functions return 0, or -1 with "header byte N: ..." in err. */
struct st_scan {
	const unsigned char *p;
	size_t at, n;
	struct buf text; /* the last string, decoded, without NUL; the caller frees it */
	struct err *err;
};

int st_scan_fault(struct st_scan *s, const char *what);
/* A string into s->text; what is the complaint when there is none. */
int st_scan_string(struct st_scan *s, const char *what);
/* "[1, 2]": at most max numbers, each 0 to 2^63-1. */
int st_scan_integers(struct st_scan *s, uint64_t *v, size_t max, size_t *n);
/* "{key: value, ...}": one() is called behind each colon with the key in s->text and reads the
 * value. */
int st_scan_members(struct st_scan *s, int (*one)(struct st_scan *s, void *arg), void *arg);

#endif
