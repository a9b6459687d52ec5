/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of questions, all of which are read and checked before the first is answered. Its first line
 * that is not empty decides: begins it with '{', every line is a request as in request.h; else every
 * line is a prompt.
 */
#ifndef CHAT_REQUEST_FILE_H
#define CHAT_REQUEST_FILE_H

#include "chat/request.h"

struct request_file {
	const char *name; /* for messages; borrowed */
	bool json;
	struct request *v;
	size_t n;
};

/* "-": standard input. Faults as FILE:LINE:COLUMN. request_file_close in any case. */
int request_file_read(struct request_file *b, const char *path, const struct request_defaults *d,
		      struct err *err);
/* After engine_prepare: the ids, and whether they fit. */
int request_file_encode(struct request_file *b, const struct engine *e, struct err *err);
/* After engine_load: answers in order on standard output, as JSON lines or text. */
int request_file_answer(struct request_file *b, struct engine *e, int streams, bool json,
			struct err *err);
void request_file_close(struct request_file *b); /* fine on {0} */

#endif
