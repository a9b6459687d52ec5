/* SPDX-License-Identifier: Apache-2.0 */
/* A Ctrl-C is seen at the next wait, wherever it falls. */
#include "tests/tap.h"

#include "chat/await.h"

#include <pthread.h>
#include <unistd.h>

static volatile sig_atomic_t outside; /* Ctrl-Cs that came while no line was waited for */

static void count(int sig)
{
	(void)sig;
	outside++;
}

/* A signal that another thread is given, once the first one blocks it. */
static void *from_a_thread(void *arg)
{
	int *go = arg;

	if (read(go[0], &(char){ 0 }, 1) == 1)
		raise(SIGINT);
	return arg;
}

int main(void)
{
	struct sigaction act = { .sa_handler = count };
	struct await a = { .interrupted = &outside };
	pthread_t thread;
	int fds[2], go[2];

	if (pipe(fds) < 0 || pipe(go) < 0 || sigaction(SIGINT, &act, NULL) < 0)
		return 1;
	outside = 5;
	await_begin(&a);
	check(outside == 0, "what came before is forgotten");
	raise(SIGINT);
	check(!await_input(&a, fds[0]), "a Ctrl-C before the wait ends it");
	check(write(fds[1], "x", 1) == 1 && await_input(&a, fds[0]), "once");
	raise(SIGINT);
	check(!await_input(&a, fds[0]), "and goes before keys that are there already");
	check(await_input(&a, fds[0]), "which are not lost");
	check(read(fds[0], &(char){ 0 }, 1) == 1, "but read");
	await_end(&a);

	/* The thread is made while SIGINT is not blocked, and so takes it. */
	pthread_create(&thread, NULL, from_a_thread, go);
	await_begin(&a);
	check(write(go[1], "x", 1) == 1 && !await_input(&a, fds[0]),
	      "a Ctrl-C that another thread is given ends the wait");
	check(outside == 0, "and is not the handler's that was there before");
	pthread_join(thread, NULL);
	raise(SIGINT);
	check(outside == 0, "one after the last wait is held back");
	await_end(&a);
	check(outside == 1, "and goes to that handler in the end");
	raise(SIGINT);
	check(outside == 2, "as all do from then on");
	close(fds[1]);
	await_begin(&a);
	check(await_input(&a, fds[0]), "an end of file can be read");
	await_end(&a);
	return tap_done();
}
