/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a target over files and over the files of folders: its corpus, tests/fuzz/corpus/TARGET,
 * when none is named. Whatever a target finds ends the process. */
#include "tests/fuzz/fuzz.h"

#include "tests/tap.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>

static void replay(const char *path)
{
	struct err err = { 0 };
	struct file f = { 0 };
	struct buf copy = { 0 };
	uint8_t *exact;

	if (file_open(&f, path, &err) < 0) {
		check(false, "%s", err.msg);
		return;
	}
	buf_add(&copy, f.p, f.n);
	exact = mem_new(copy.n, 1); /* so that a sanitizer sees a byte too far */
	memcpy(exact, copy.p, copy.n);
	LLVMFuzzerTestOneInput(exact, copy.n);
	check(true, "%s", path_base(path));
	mem_free(exact);
	buf_free(&copy);
	file_close(&f);
}

static int no_dots(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static void replay_all(const char *path)
{
	struct dirent **v = NULL;
	int n;

	if (!file_is_dir(path)) {
		replay(path);
		return;
	}
	n = scandir(path, &v, no_dots, alphasort);
	check(n > 0, "%s holds inputs", path);
	for (int i = 0; i < n; i++) {
		char *name = path_join(path, v[i]->d_name);

		replay(name);
		mem_free(name);
		free(v[i]);
	}
	free(v);
}

int main(int argc, char **argv)
{
	const char *root = getenv("TEST_ROOT");
	char *corpus = mem_printf("%s/tests/fuzz/corpus/%s", root ? root : ".", path_base(argv[0]));

	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	check(true, "no bytes at all");
	if (argc < 2)
		replay_all(corpus);
	for (int i = 1; i < argc; i++)
		replay_all(argv[i]);
	mem_free(corpus);
	return tap_done();
}
