/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that a terminal may be given. A model's answer, a conversation from a file or a system prompt
 * from a stranger's adapter must not move the cursor, set the window's title or turn the reading
 * direction round.
 */
#ifndef CHAT_HARMLESS_H
#define CHAT_HARMLESS_H

#include "base/mem.h"

#include <stdio.h>

/*
 * Appends s[0..n): control characters but \n and \t become \xHH (also those of U+0080..U+009F),
 * characters that turn the direction of writing (U+202A..U+202E, U+2066..U+2069) \uHHHH, and what is
 * not UTF-8 becomes U+FFFD. Characters must not be cut in two between calls.
 */
void harmless(const char *s, size_t n, struct buf *out);
/* The same of a string to a stream. */
void harmless_print(FILE *f, const char *s, size_t n);
/* Of a line of JSON, which escapes the others by itself: those characters as \uHHHH. */
void harmless_json(const char *s, size_t n, struct buf *out);

#endif
