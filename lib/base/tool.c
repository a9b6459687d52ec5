/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tool.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <omp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stop;
static bool progress_shown;

static void *json_memory(size_t n)
{
	return mem_grow(NULL, n, 1);
}

void tool_start(void)
{
	/* The next file that is opened would get the number of a closed one, and what is printed
	 * would go into it. Opened the wrong way round, so that using it stays an error. */
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", fd ? O_RDONLY : O_WRONLY);
	signal(SIGPIPE, SIG_IGN);
	json_set_alloc_funcs(json_memory, mem_free);
}

void tool_start_threads(char **argv)
{
	tool_start();
	if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY"))
		return;
	if (setenv("GOMP_SPINCOUNT", "1000", 1) == 0)
		execv("/proc/self/exe",
		      argv); /* where that cannot be had, waiting stays as it is */
}

int tool_threads(long asked)
{
	return asked ? (int)asked : omp_get_max_threads();
}

static void on_stop(int sig)
{
	stop = sig;
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
}

volatile sig_atomic_t *tool_stop_flag(void)
{
	signal(SIGINT, on_stop);
	signal(SIGTERM, on_stop);
	return &stop;
}

int tool_fail(const struct cmd *cmd, const struct err *err)
{
	progress_end();
	fflush(stdout);
	if (err->kind == ERR_UNREAD)
		return 0;
	fprintf(stderr, "%s: %s\n", cmd->name, err->msg);
	return err->kind ? (int)err->kind : 2;
}

/* The other end of the pipe is closed: `head` has seen enough. */
static bool nobody_reads(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

int tool_done(const struct cmd *cmd, int code)
{
	bool unread = nobody_reads();

	progress_end();
	if (ferror(stdout) || fclose(stdout)) {
		if (unread || errno == EPIPE)
			return code;
		fprintf(stderr, "%s: standard output: %s\n", cmd->name, strerror(errno));
		return 2;
	}
	return code;
}

static void say(const char *who, const char *fmt, va_list ap)
{
	char text[1200];

	progress_end();
	vsnprintf(text, sizeof(text), fmt, ap);
	fprintf(stderr, "%s: %s\n", who, err_printable(text));
}

void tool_say(const char *who, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(who, fmt, ap);
	va_end(ap);
}

void tool_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("note", fmt, ap);
	va_end(ap);
}

void progress(const char *fmt, ...)
{
	va_list ap;

	if (!isatty(STDERR_FILENO))
		return;
	fputs("\r\033[K", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fflush(stderr);
	progress_shown = true;
}

void progress_end(void)
{
	if (progress_shown)
		fputs("\r\033[K", stderr);
	progress_shown = false;
}

double clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
