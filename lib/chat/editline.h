/* SPDX-License-Identifier: Apache-2.0 */
/* libedit behind edit.h; without it nothing here does anything. */
#ifndef CHAT_EDITLINE_H
#define CHAT_EDITLINE_H

#include "chat/await.h"
#include "chat/lines.h"

struct editline;

/* NULL: not built in, or no locale with UTF-8. Keys are waited for with `a`, whose terminal it becomes. */
struct editline *editline_open(struct await *a);
void editline_close(struct editline *e); /* NULL is fine */
/* Between await_begin and await_end: LINES_ONE, LINES_END or LINES_SIGNAL; the line stands until the next call. */
enum lines_result editline_next(struct editline *e, const char *prompt, char **line, size_t *n);
void editline_remember(struct editline *e, const char *text);

#endif
