/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TAP for C tests: check() prints one line a test and goes on after a failure. A test's main
 * returns tap_done(). Files of a test are found below tests/golden with golden().
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_count, tap_failures;

__attribute__((format(printf, 2, 3), unused)) static bool check(bool ok, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", ok ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	if (!ok)
		tap_failures++;
	return ok;
}

/* A comment line: figures a reader wants to see. */
__attribute__((format(printf, 1, 2), unused)) static void note(const char *fmt, ...)
{
	va_list ap;

	fputs("# ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

__attribute__((unused)) static bool check_str(const char *got, const char *want, const char *what)
{
	bool ok = got && want ? !strcmp(got, want) : got == want;

	check(ok, "%s", what);
	if (!ok)
		note("got  '%s'\n# want '%s'", got ? got : "(null)", want ? want : "(null)");
	return ok;
}

__attribute__((unused)) static bool check_near(double got, double want, double rel,
					       const char *what)
{
	double bound = rel * fmax(fabs(want), 1e-30);
	bool ok = fabs(got - want) <= bound;

	check(ok, "%s", what);
	if (!ok)
		note("got %.12g, want %.12g, relative bound %g", got, want, rel);
	return ok;
}

/* Path of a fixture; the result stands until the fourth call after. */
__attribute__((unused)) static const char *golden(const char *name)
{
	static char path[4][512];
	static int turn;
	const char *root = getenv("TEST_ROOT");

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/tests/golden/%s", root ? root : ".", name);
	return path[turn];
}

static inline int tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failures ? 1 : 0;
}

#endif
