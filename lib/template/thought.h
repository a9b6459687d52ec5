/* SPDX-License-Identifier: Apache-2.0 */
/* Thoughts in answers: "<think>\n", the thought, "\n</think>\n\n". */
#ifndef TEMPLATE_THOUGHT_H
#define TEMPLATE_THOUGHT_H

#include "base/mem.h"
#include "data/record.h"

/* A thought of no words, as slot text. */
#define THOUGHT_EMPTY "<think>\n\n</think>\n\n"

/* Bytes of a thought at the beginning of the text, with its </think>; 0: there is none. */
size_t thought_length(const char *s, size_t n);
/* Neither <think> nor </think> stands anywhere in it. */
bool thought_absent(const struct message *m);
/* The message without its thoughts and the line feeds that then begin it; in *room if it had any. */
struct message thought_removed(const struct message *m, struct buf *room);

#endif
