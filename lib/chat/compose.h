/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message out of the lines that a person types or pastes. One line is one message, except that
 *   - a line that ends in a backslash goes on with the next one;
 *   - a line that begins with """ opens a block that ends where a line ends in """;
 *   - what a terminal marks as pasted (between ESC [200~ and ESC [201~) is one piece.
 */
#ifndef CHAT_COMPOSE_H
#define CHAT_COMPOSE_H

#include "base/mem.h"

#define PASTE_BEGIN "\033[200~"
#define PASTE_END   "\033[201~"

struct compose {
	struct buf text; /* the message, once compose_line said that it is whole */
	bool more; /* text is the beginning of a message */
	bool block; /* inside """ */
	bool pasting; /* inside a pasted piece */
	bool literal; /* of several lines or a block: never a command */
};

/* Adds a line; one with \n in it was pasted into a line editor. True: the message is whole. */
bool compose_line(struct compose *c, const char *line, size_t n);
/* Forgets what is there. */
void compose_reset(struct compose *c);
void compose_close(struct compose *c);

#endif
