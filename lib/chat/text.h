/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of an answer while it grows: whole characters only (invalid UTF-8 becomes U+FFFD, as in
 * token_decode), no special tokens, and nothing from a stop string on. Text that may be the
 * beginning of a stop string is held back until that is known.
 */
#ifndef CHAT_TEXT_H
#define CHAT_TEXT_H

#include "base/opt.h"
#include "token/token.h"

struct text {
	const struct token *tok;
	const struct opt_list *stops; /* none of them empty */
	struct buf raw; /* bytes of all tokens so far */
	size_t given; /* raw[0..given) has been handed out */
	bool stopped; /* a stop string came */
};

/* tok and stops (NULL: none) are borrowed. */
void text_open(struct text *t, const struct token *tok, const struct opt_list *stops);
void text_close(struct text *t); /* fine on {0} */
/* Appends to *out what the token makes certain. False: a stop string came, the answer is over. */
bool text_add(struct text *t, uint32_t id, struct buf *out);
/* Appends what was held back, when the answer ended otherwise. */
void text_end(struct text *t, struct buf *out);

#endif
