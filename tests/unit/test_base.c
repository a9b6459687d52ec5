/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/tap.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/jsonw.h"
#include "base/line.h"
#include "base/rng.h"
#include "base/utf8.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_err(void)
{
	struct err err = { 0 };

	check(err_set(&err, "bad magic %08x", 0x1234u) == -1, "err_set returns -1");
	err_wrap(&err, "frame %d", 12);
	err_wrap(&err, "x.tok.zst");
	check_str(err.msg, "x.tok.zst: frame 12: bad magic 00001234",
		  "err_wrap puts context in front");
}

static void test_utf8(void)
{
	const char *good = "a\xC3\xA9\xE4\xBD\xA0\xF0\x9F\x98\x80";

	check(utf8_valid(good, strlen(good)) == strlen(good), "valid UTF-8 of every length");
	check(utf8_valid("ab\xC0\x80", 4) == 2, "overlong form is refused at its offset");
	check(utf8_valid("\xED\xA0\x80", 3) == 0, "surrogate is refused");
	check(utf8_valid("\xF4\x90\x80\x80", 4) == 0, "beyond U+10FFFF is refused");
	check(utf8_bad_length("\xE4\xBD", 2) == 2, "a cut character is one maximal subpart");
	check(utf8_bad_length("\xFF\x80", 2) == 1, "a stray byte is one subpart");
}

static void test_jsonw(void)
{
	struct buf b = { 0 };
	struct jsonw w = { .out = &b };

	jsonw_open(&w, '{');
	jsonw_kstr(&w, "a\"b", "x\ny\x01\xFF");
	jsonw_key(&w, "v");
	jsonw_open(&w, '[');
	jsonw_int(&w, -3);
	jsonw_num(&w, 0.5, 9);
	jsonw_num(&w, NAN, 9);
	jsonw_float(&w, 1e-5f);
	jsonw_open(&w, '{');
	jsonw_close(&w, '}');
	jsonw_close(&w, ']');
	jsonw_kbool(&w, "t", true);
	jsonw_close(&w, '}');
	check_str(b.p,
		  "{\"a\\\"b\": \"x\\ny\\u0001\xEF\xBF\xBD\", \"v\": [-3, 0.5, null, 1e-05, {}], "
		  "\"t\": "
		  "true}",
		  "JSON on one line");
	buf_free(&b);
	w = (struct jsonw){ .out = &b, .indent = 2 };
	jsonw_open(&w, '{');
	jsonw_key(&w, "v");
	jsonw_open(&w, '[');
	jsonw_int(&w, 1);
	jsonw_close(&w, ']');
	jsonw_kint(&w, "n", 2);
	jsonw_close(&w, '}');
	check_str(b.p, "{\n  \"v\": [\n    1\n  ],\n  \"n\": 2\n}", "JSON indented");
	buf_free(&b);
}

static void test_rng(void)
{
	uint32_t order[100], seen = 0;
	double sum = 0;

	/* Philox4x32-10 known answer (Random123's kat_vectors): counter 0, key 0. */
	check(rng_u32(0, 0, 0) == 0x6627e8d5u, "Philox known answer");
	rng_permutation(7, RNG_SHUFFLE, order, 100);
	for (int i = 0; i < 100; i++)
		seen += order[i];
	check(seen == 4950, "a permutation holds every index");
	for (int i = 0; i < 10000; i++)
		sum += rng_uniform(1, RNG_SAMPLE, (uint64_t)i);
	check(fabs(sum / 10000 - 0.5) < 0.01, "uniform numbers have mean 1/2");
}

static int entries(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void test_line(void)
{
	struct line l = { .in = tmpfile() };
	struct err err = { 0 };

	fwrite("a\n\nb\0c", 1, 6, l.in);
	rewind(l.in);
	check(line_next(&l, &err) == 1 && l.text.n == 2 && line_next(&l, &err) == 1 &&
		      l.text.n == 1,
	      "lines, an empty one too");
	check(line_next(&l, &err) == 1 && l.text.n == 3 && l.number == 3,
	      "the last without line end, a NUL inside");
	check(line_next(&l, &err) == 0, "and the end");
	fclose(l.in);
	line_free(&l);
}

/* Names that are hard to write to. */
static void test_names(void)
{
	char dir[] = "/tmp/anekdot-test-XXXXXX", name[300];
	struct err err = { 0 };
	struct stat st;
	char *path;

	check(mkdtemp(dir) != NULL, "scratch folder");
	memset(name, 'n', sizeof(name));
	name[255] = 0;
	path = path_join(dir, name);
	check(file_write(path, "x", 1, &err) == 0 && file_exists(path) && entries(dir) == 1,
	      "a name of 255 bytes");
	mem_free(path);
	check(file_write(dir, "x", 1, &err) == -1 && strstr(err.msg, "is a folder"),
	      "a folder is not written to");
	check(file_write("/dev/null", "x", 1, &err) == 0 && stat("/dev/null", &st) == 0 &&
		      S_ISCHR(st.st_mode),
	      "a device is written to, and not replaced");
	path = path_join(dir, "loop");
	check(symlink("loop", path) == 0 && file_write(path, "x", 1, &err) == -1 &&
		      strstr(err.msg, "symbolic links") && entries(dir) == 2,
	      "a link to itself is refused before anything is written");
	mem_free(path);
	dir_remove(dir);
}

static void test_lock(void)
{
	char dir[] = "/tmp/anekdot-test-XXXXXX";
	struct err err = { 0 };
	int fd;

	check(mkdtemp(dir) != NULL, "scratch folder");
	fd = dir_lock(dir, &err);
	check(fd >= 0 && dir_lock(dir, &err) == -1 && strstr(err.msg, "another run"),
	      "a folder is locked once");
	close(fd);
	fd = dir_lock(dir, &err);
	check(fd >= 0, "and can be again when it was let go");
	close(fd);
	dir_remove(dir);
}

/* A child maps a file, which is made shorter, and reads it with a file and a folder in the making. */
static void test_sigbus(void)
{
	char dir[] = "/tmp/anekdot-test-XXXXXX", line[256] = "";
	struct err err = { 0 };
	int status = 0, ends[2];
	char *path, *out, *folder;
	pid_t pid;

	check(mkdtemp(dir) != NULL && pipe(ends) == 0, "scratch folder");
	path = path_join(dir, "mapped\n");
	out = path_join(dir, "out");
	folder = path_join(dir, "folder");
	file_write(path, "hello", 5, &err);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct outdir od;
		struct file f;
		struct out o;

		dup2(ends[1], STDERR_FILENO);
		if (file_open(&f, path, &err) < 0 || out_open(&o, out, &err) < 0 ||
		    outdir_open(&od, folder, &err) < 0 || truncate(path, 0) < 0)
			_exit(3);
		_exit(*(volatile const unsigned char *)f.p);
	}
	waitpid(pid, &status, 0);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 2, "a file that shrinks: exit code 2");
	check(read(ends[0], line, sizeof(line) - 1) > 0 &&
		      strstr(line, "/mapped?: the file became shorter"),
	      "and a line that names it");
	check(entries(dir) == 1, "nothing in the making is left");
	close(ends[0]);
	close(ends[1]);
	mem_free(path);
	mem_free(out);
	mem_free(folder);
	dir_remove(dir);
}

static void test_file(void)
{
	char dir[] = "/tmp/anekdot-test-XXXXXX";
	struct err err = { 0 };
	struct outdir od;
	struct file f;
	struct out o;
	char *path, *inner;

	check(mkdtemp(dir) != NULL, "scratch folder");
	path = path_join(dir, "a/b");
	check(dir_make(path, &err) == 0 && file_is_dir(path), "dir_make makes parents");
	mem_free(path);
	path = path_join(dir, "x");
	check(out_open(&o, path, &err) == 0 && out_write(&o, "hello", 5, &err) == 0 &&
		      !file_exists(path),
	      "nothing stands under the final name before commit");
	check(out_commit(&o, &err) == 0 && file_open(&f, path, &err) == 0 && f.n == 5,
	      "after it, all of it");
	check_str(hash_bytes(f.p, f.n).s,
		  "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
		  "SHA-256 of hello");
	file_close(&f);
	check(outdir_open(&od, path, &err) == 0, "a folder may replace a file");
	inner = path_join(od.tmp, "f");
	file_write(inner, "1", 1, &err);
	check(outdir_commit(&od, &err) == 0 && file_is_dir(path), "folder committed");
	mem_free(inner);
	mem_free(path);
	check(entries(dir) == 2, "and of the file that it replaced nothing is left");
	dir_remove(dir);
	check(!file_exists(dir), "dir_remove removes a folder with what is in it");
	check(file_open(&f, "/nonexistent/x", &err) == -1 && strstr(err.msg, "No such file"),
	      "missing file");
}

/* In a process of its own: it exits with a file and a folder half made. */
static void exits_half_way(const char *file, const char *folder)
{
	struct err err;
	struct out o;
	struct outdir od;
	char *inner;

	if (fork()) {
		wait(NULL);
		return;
	}
	outdir_open(&od, folder, &err);
	inner = path_join(od.tmp, "inner");
	file_write(inner, "1", 1, &err);
	mem_free(inner);
	out_open(&o, file, &err);
	out_write(&o, "1", 1, &err);
	exit(0);
}

static void test_unfinished(void)
{
	char dir[] = "/tmp/test_base.XXXXXX", *file, *folder;
	struct err err;
	struct dirent **v;
	struct file f;
	int n;

	if (!mkdtemp(dir))
		return;
	file = path_join(dir, "file");
	folder = path_join(dir, "folder");
	exits_half_way(file, folder);
	n = scandir(dir, &v, NULL, NULL);
	check(n == 2, "what was half made is gone when the process has exited");
	while (n > 0)
		free(v[--n]);
	free(v);
	check(file_append(file, "ab", 2, &err) == 0 && file_append(file, "c", 1, &err) == 0 &&
		      file_open(&f, file, &err) == 0 && f.n == 3 && !memcmp(f.p, "abc", 3),
	      "file_append makes a file and adds to it");
	file_close(&f);
	check(file_append("/dev/full", "a", 1, &err) < 0 && strstr(err.msg, "No space left"),
	      "file_append says when there is no room");
	dir_remove(dir);
	mem_free(file);
	mem_free(folder);
}

int main(void)
{
	test_err();
	test_utf8();
	test_jsonw();
	test_rng();
	test_file();
	test_line();
	test_names();
	test_lock();
	test_sigbus();
	test_unfinished();
	return tap_done();
}
