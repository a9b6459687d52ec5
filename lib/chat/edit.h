/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines that a person types at a terminal: with libedit, where it was built in and the terminal can be
 * written to, else as the terminal hands them over.
 */
#ifndef CHAT_EDIT_H
#define CHAT_EDIT_H

#include "chat/lines.h"

struct edit;

/* Reads standard input; prompts and editing go to standard error. `interrupted`: as in struct await. */
struct edit *edit_open(volatile sig_atomic_t *interrupted);
void edit_close(struct edit *e); /* NULL is fine */
/* As lines_next; the line may hold \n where it was pasted. */
enum lines_result edit_next(struct edit *e, const char *prompt, char **line, size_t *n,
			    struct err *err);
/* What was said, whole: to be had again with the arrow keys, also another day. */
void edit_remember(struct edit *e, const char *text, size_t n);

#endif
