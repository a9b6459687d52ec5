/* SPDX-License-Identifier: Apache-2.0 */
/* Which entries a text can begin with, longest first: for greedy.c. */
#ifndef TOKEN_MATCH_H
#define TOKEN_MATCH_H

#include "token/vocab.h"

/* Fills t->greedy.match from the entries ids[0..n), and their prefix. False: there are too many. */
bool match_build(struct token *t, const uint32_t *ids, size_t n);
/* The longest entry at the beginning of s[0..n), and its length; TOKEN_NONE: none. */
uint32_t match_longest(const struct match *m, const char *s, size_t n, size_t *len);
void match_free(struct match *m);

#endif
