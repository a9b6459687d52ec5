/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/await.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>

static const int taken[AWAIT_SIGNALS] = { SIGINT, SIGTSTP, SIGWINCH, SIGTERM, SIGHUP, SIGQUIT };

static volatile sig_atomic_t came[AWAIT_SIGNALS];
static pthread_t waiting;

/* A thread that does not block the signal may be given it in place of the one that waits. */
static void on_signal(int sig)
{
	if (!pthread_equal(pthread_self(), waiting)) {
		pthread_kill(waiting, sig);
		return;
	}
	for (int i = 0; i < AWAIT_SIGNALS; i++)
		if (taken[i] == sig)
			came[i] = 1;
}

static int n_taken(const struct await *a)
{
	return a->terminal ? AWAIT_SIGNALS : 1;
}

void await_begin(struct await *a)
{
	struct sigaction act = { .sa_handler = on_signal };
	sigset_t block;

	waiting = pthread_self();
	sigemptyset(&block);
	for (int i = 0; i < n_taken(a); i++)
		sigaddset(&block, taken[i]);
	pthread_sigmask(SIG_BLOCK, &block, &a->outside);
	if (a->interrupted)
		*a->interrupted = 0;
	for (int i = 0; i < n_taken(a); i++) {
		came[i] = 0;
		sigaction(taken[i], &act, &a->before[i]);
		if (a->before[i].sa_handler == SIG_IGN)
			sigaction(taken[i], &a->before[i], NULL);
	}
}

void await_end(struct await *a)
{
	for (int i = 0; i < n_taken(a); i++)
		sigaction(taken[i], &a->before[i], NULL);
	pthread_sigmask(SIG_SETMASK, &a->outside, NULL);
}

/* What the i-th signal does to a program that does not take it, on a terminal as it was. */
static void let(struct await *a, int i)
{
	struct sigaction own;
	sigset_t one;

	a->terminal(a->arg, AWAIT_LEAVE);
	sigaction(taken[i], &a->before[i], &own);
	sigemptyset(&one);
	sigaddset(&one, taken[i]);
	raise(taken[i]);
	pthread_sigmask(SIG_UNBLOCK, &one, NULL); /* it stops or ends here */
	pthread_sigmask(SIG_BLOCK, &one, NULL);
	sigaction(taken[i], &own, NULL);
	a->terminal(a->arg, AWAIT_BACK);
}

/* False: SIGINT was among what came. */
static bool heed(struct await *a)
{
	for (int i = 1; i < n_taken(a); i++) {
		if (!came[i])
			continue;
		came[i] = 0;
		if (taken[i] == SIGWINCH)
			a->terminal(a->arg, AWAIT_RESIZED);
		else
			let(a, i);
	}
	return !came[0];
}

bool await_input(struct await *a, int fd)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	sigset_t inside = a->outside, all_blocked;
	int rc = -1, why = EINTR;

	for (int i = 0; i < n_taken(a); i++)
		sigdelset(&inside, taken[i]);
	/* ppoll would see the keys that came after a signal before the signal. */
	pthread_sigmask(SIG_SETMASK, &inside, &all_blocked);
	pthread_sigmask(SIG_SETMASK, &all_blocked, NULL);
	while (heed(a)) {
		if (rc >= 0 || why != EINTR)
			return true;
		rc = ppoll(&ready, 1, NULL, &inside);
		why = errno;
	}
	came[0] = 0;
	return false;
}
