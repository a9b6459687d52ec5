/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that are answered together, several at a time, and written to standard output in their
 * order: each answer as soon as it and those before it are whole, or piece by piece when it is to be
 * streamed and its turn has come.
 */
#ifndef CHAT_ANSWERS_H
#define CHAT_ANSWERS_H

#include "chat/request.h"

/* Encoded requests; closes them. Text: the answers alone, each followed by a newline. After an error
 * (NaN) the answers that were whole before it are written. */
int answers_write(struct engine *e, struct request *v, size_t n, int streams, bool text,
		  struct err *err);

#endif
