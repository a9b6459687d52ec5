/* SPDX-License-Identifier: Apache-2.0 */
/* The ids of a word in linear time, for tokenizers over bytes. */
#ifndef TOKEN_GREEDY_H
#define TOKEN_GREEDY_H

#include "token/vocab.h"

/* When merges and ranks are there: fills t->greedy, where `works` says whether it can be used. */
void greedy_build(struct token *t);
/* Append the ids of s[0..n), n > 0. */
void greedy_word(struct bpe *b, const char *s, size_t n);
void greedy_free(struct greedy *g);

#endif
