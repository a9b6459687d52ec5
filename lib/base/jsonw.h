/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes JSON text into a buf, in the order of the calls; commas are its business. Strings may be
 * any bytes: invalid UTF-8 becomes U+FFFD, control characters are escaped. Numbers never depend on
 * the locale; non-finite numbers are written as null.
 */
#ifndef BASE_JSONW_H
#define BASE_JSONW_H

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>

struct jsonw {
	struct buf *out;
	bool more; /* a value stands before: a comma is due */
	int indent; /* spaces a level; 0: all on one line with ", " and ": " */
	int depth;
};

void jsonw_open(struct jsonw *w, char bracket); /* '{' or '[' */
void jsonw_close(struct jsonw *w, char bracket); /* '}' or ']' */
void jsonw_key(struct jsonw *w, const char *key);
void jsonw_str(struct jsonw *w, const char *s, size_t n);
void jsonw_num(struct jsonw *w, double x, int digits); /* %.*g */
void jsonw_float(struct jsonw *w, float x); /* the fewest digits that read back as x */
void jsonw_int(struct jsonw *w, int64_t x);
void jsonw_bool(struct jsonw *w, bool x);
void jsonw_null(struct jsonw *w);
/* JSON text that is ready. */
void jsonw_raw(struct jsonw *w, const char *json);

/* key and value at once; s NULL writes null */
void jsonw_kstr(struct jsonw *w, const char *key, const char *s);
void jsonw_knum(struct jsonw *w, const char *key, double x, int digits);
void jsonw_kint(struct jsonw *w, const char *key, int64_t x);
void jsonw_kbool(struct jsonw *w, const char *key, bool x);

#endif
