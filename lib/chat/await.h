/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for the keys of a terminal so that a signal is seen whenever it comes: between begin and end
 * the signals below are blocked but for the wait itself, so that none falls between two reads, to be
 * seen with the next key only.
 *
 * SIGINT ends the wait. With `terminal`, which puts a terminal that is edited on back as it was, also
 * SIGTSTP, SIGTERM, SIGHUP, SIGQUIT (then what they do by themselves) and SIGWINCH are taken.
 */
#ifndef CHAT_AWAIT_H
#define CHAT_AWAIT_H

#include <signal.h>
#include <stdbool.h>

enum await_event {
	AWAIT_LEAVE, /* the process is about to stop, or to end */
	AWAIT_BACK, /* it goes on */
	AWAIT_RESIZED,
};

#define AWAIT_SIGNALS 6

struct await {
	void (*terminal)(void *arg, enum await_event event); /* NULL: only SIGINT is taken */
	void *arg;
	/* NULL, or what the handler before begin sets: cleared as soon as no SIGINT can set it. */
	volatile sig_atomic_t *interrupted;
	sigset_t outside; /* what was blocked before */
	struct sigaction before[AWAIT_SIGNALS];
};

void await_begin(struct await *a);
/* True: fd can be read, has ended or failed. False: SIGINT came. */
bool await_input(struct await *a, int fd);
/* A SIGINT that came after the last wait now goes to the handler that was there before begin. */
void await_end(struct await *a);

#endif
