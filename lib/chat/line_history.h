/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was typed in earlier conversations: $XDG_STATE_HOME/anekdot/history (~/.local/state/...), a
 * JSON string a line, mode 0600. Lines are appended one at a time, so two conversations at once do not
 * lose each other's; a line that cannot be read is passed over.
 */
#ifndef CHAT_LINE_HISTORY_H
#define CHAT_LINE_HISTORY_H

#include "base/err.h"
#include "base/mem.h"

struct line_history {
	char *path; /* NULL: there is nowhere to keep it */
	char **v; /* from the oldest */
	size_t n;
};

/* An error (the file cannot be read or written) leaves an empty one that works. */
int line_history_open(struct line_history *r, struct err *err);
/* Not what is the same as the last, nor what is empty or very long. */
void line_history_add(struct line_history *r, const char *text, size_t n);
void line_history_close(struct line_history *r);

#endif
