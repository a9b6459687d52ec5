/* SPDX-License-Identifier: Apache-2.0 */
/* One line of JSON that asks for an answer, and the answer as a line of JSON. */
#ifndef CHAT_REQUEST_H
#define CHAT_REQUEST_H

#include "chat/engine.h"
#include "chat/text.h"

struct request {
	struct ids prompt;
	struct sampling sampling; /* the command line's, changed by the line */
	bool seeded; /* it brought its own seed */
	const struct opt_list *stops; /* NULL: none */
	struct opt_list own_stops;
	struct arena arena; /* of own_stops */
	struct text text;
	struct buf answer;
};

/*
 * {"prompt": "..."} or {"messages": [{"role", "content"}...]}, and, each optional: "system",
 * "max_new_tokens", "temperature", "top_k", "top_p", "repetition_penalty", "seed", "stop" (a string
 * or several). *r need not be initialised, and is to be closed even after an error.
 */
int request_read(struct request *r, const struct engine *e, const struct sampling *s,
		 const struct opt_list *stops, const char *line, size_t n, struct err *err);
void request_close(struct request *r);
/* {"answer": "...", "tokens": n, "stopped": true} and a newline. */
void request_write(const struct request *r, const struct answer *a, struct buf *out);

#endif
