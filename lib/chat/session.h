/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One conversation: its messages, and the ids whose keys and values are in the cache. A turn feeds
 * only what is new: where the ids of the whole conversation (encoded as training encodes them) first
 * differ from those in the cache.
 */
#ifndef CHAT_SESSION_H
#define CHAT_SESSION_H

#include "chat/messages.h"
#include "chat/text.h"

enum session_end {
	SESSION_STOPPED, /* by a stop id or a stop string: the answer is whole */
	SESSION_LIMIT, /* max_new_tokens */
	SESSION_FULL, /* no position is left */
	SESSION_BROKEN_OFF, /* the listener wanted no more */
};

struct session {
	struct engine *e; /* borrowed */
	const struct sampling *sampling; /* borrowed */
	const struct opt_list *stops; /* borrowed; NULL: none */
	struct message *messages; /* texts are owned; the system prompt is none of them */
	size_t n;
	char *system; /* of this conversation; NULL: the engine's; "": none */
	size_t first; /* messages before this one no longer fit */
	size_t n_dropped; /* turns that the last answer did without and the one before had */
	uint32_t stream; /* of the draws: above 0 when a question is asked again */
	struct ids cache; /* tokens in slot 0, in order */
	size_t n_prompt; /* tokens of the last answer's prompt */
	size_t n_fed; /* tokens that the last turn fed before its answer */
	size_t n_answer; /* tokens of the last answer */
	struct kv kv;
	struct pass pass;
	struct batch batch;
	float *logits;
	struct sampler sampler;
};

/* Called with every new piece of an answer, and with n = 0 while nothing is certain; false ends the
 * answer. */
typedef bool (*text_fn)(void *arg, const char *s, size_t n);

int session_open(struct session *s, struct engine *e, const struct sampling *sampling,
		 const struct opt_list *stops, struct err *err);
void session_close(struct session *s); /* fine on {0} */
/* The user says text[0..n); the answer goes to fn and into the conversation. What no longer fits is
 * left out (see fit_messages), not forgotten. After an error (text that is not UTF-8, too long a
 * message) the conversation is as it was before. */
int session_say(struct session *s, const char *text, size_t n, text_fn fn, void *arg,
		enum session_end *end, struct err *err);
/* The last question is answered once more, with other draws; the answer takes the other's place when
 * there is one. */
int session_again(struct session *s, text_fn fn, void *arg, enum session_end *end, struct err *err);
/* Takes the last question and its answer back; false: there is none. */
bool session_undo(struct session *s);
/* Begins anew; the system prompt stays. */
void session_clear(struct session *s);
/* NULL: the engine's own; "": none. What was said stays, and is read under it from now on. */
void session_set_system(struct session *s, const char *text);
/* The system prompt that holds: the session's, the engine's or the template's; "" when none. */
const char *session_system(const struct session *s);
/* Other adapters (see engine_set_adapters). */
int session_set_adapters(struct session *s, const char *names, struct err *err);
/* Another conversation; texts are copied. User's and assistant's messages must take turns. */
void session_adopt(struct session *s, const struct message *m, size_t n);
size_t session_turns(const struct session *s);

#endif
