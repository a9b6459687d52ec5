/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"

#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[256];

struct part fuzz_part(struct part *rest)
{
	struct part all = *rest;
	const uint8_t *nul = all.n ? memchr(all.p, 0, all.n) : NULL;

	*rest = (struct part){ NULL, 0 };
	if (nul) {
		size_t n = (size_t)(nul - all.p);

		*rest = (struct part){ nul + 1, all.n - n - 1 };
		all.n = n;
	}
	return all;
}

static void remove_dir(void)
{
	dir_remove(dir);
}

const char *fuzz_dir(void)
{
	const char *in = getenv("TMPDIR");

	if (*dir)
		return dir;
	if (!in)
		in = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(dir, sizeof(dir), "%s/fuzz.XXXXXX", in);
	if (!mkdtemp(dir)) {
		perror(dir);
		exit(2);
	}
	atexit(remove_dir);
	return dir;
}

const char *fuzz_file(const char *name, struct part content)
{
	static char path[4][320];
	static int turn;
	char *at = path[turn = (turn + 1) % 4];
	int fd;

	snprintf(at, sizeof(path[0]), "%s/%s", fuzz_dir(), name);
	unlink(at);
	if (!content.p)
		return at;
	fd = open(at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, content.p, content.n) != (ssize_t)content.n) {
		perror(at);
		exit(2);
	}
	close(fd);
	return at;
}

void fuzz_must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "must hold: %s\n", what);
	abort();
}

void fuzz_failed(const struct err *err)
{
	fuzz_must(err->kind != ERR_NONE && err->msg[0] && !strchr(err->msg, '\n'),
		  "a failure has its message, on one line");
}
