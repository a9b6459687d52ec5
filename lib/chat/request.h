/* SPDX-License-Identifier: Apache-2.0 */
/* One line of JSON that asks for an answer, and the answer as lines of JSON. */
#ifndef CHAT_REQUEST_H
#define CHAT_REQUEST_H

#include "chat/messages.h"
#include "chat/text.h"

/* What a request has that does not say otherwise. */
struct request_defaults {
	const struct sampling *sampling;
	const struct opt_list *stops; /* NULL: none */
	bool stream, timings;
};

struct request {
	size_t line; /* where it stood, from 1; names the draws when it brought no seed */
	struct json_t *root; /* owns the messages' text */
	struct message *messages;
	size_t n_messages;
	struct sampling sampling;
	bool seeded; /* it brought its own seed */
	bool stream; /* its answer is to be written as it comes */
	bool timings; /* and how long it took */
	const struct opt_list *stops;
	struct opt_list own_stops;
	struct arena arena; /* of own_stops, and of a text's message */
	struct fit prompt;
	struct text text;
	struct buf answer;
	size_t told; /* answer[0..told) has been streamed */
};

/*
 * {"prompt": "..."} or {"messages": [{"role", "content"}...]}, and, each optional: "system", "stop" (a
 * string or several), "stream", and the settings of setting.h. *r need not be initialised, and is to
 * be closed even after an error. e is the line; *at: the byte of it where the fault is.
 */
int request_read(struct request *r, const struct request_defaults *d, const struct element *e,
		 size_t *at, struct err *err);
/* A question in plain text. */
void request_text(struct request *r, const struct request_defaults *d, const struct element *e);
/* The ids to be fed; needs of the engine what engine_prepare opens. */
int request_encode(struct request *r, const struct engine *e, struct err *err);
void request_close(struct request *r);
/* {"delta": "..."}: what was not told yet; nothing when that is empty. */
void request_write_delta(struct request *r, struct buf *out);
/* {"answer": "...", "tokens": n, "stopped": true, ...} and a newline. */
void request_write(const struct request *r, const struct answer *a, struct buf *out);

#endif
