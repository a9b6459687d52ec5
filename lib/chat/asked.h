/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of questions, all of which are read and checked before the first is answered. Its first line
 * that is not empty decides: begins it with '{', every line is a request as in request.h; else every
 * line is a prompt.
 */
#ifndef CHAT_ASKED_H
#define CHAT_ASKED_H

#include "chat/request.h"

struct asked {
	const char *name; /* for messages; borrowed */
	bool json;
	struct request *v;
	size_t n;
};

/* "-": standard input. Faults as FILE:LINE:COLUMN. asked_close in any case. */
int asked_read(struct asked *b, const char *path, const struct request_defaults *d,
	       struct err *err);
/* After engine_prepare: the ids, and whether they fit. */
int asked_encode(struct asked *b, const struct engine *e, struct err *err);
/* After engine_load: answers in order on standard output, as JSON lines or text. */
int asked_answer(struct asked *b, struct engine *e, int streams, bool json, struct err *err);
void asked_close(struct asked *b); /* fine on {0} */

#endif
