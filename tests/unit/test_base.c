/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/tap.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/jsonw.h"
#include "base/rng.h"
#include "base/utf8.h"

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
	dir_remove(dir);
	check(!file_exists(dir), "dir_remove removes a folder with what is in it");
	check(file_open(&f, "/nonexistent/x", &err) == -1 && strstr(err.msg, "No such file"),
	      "missing file");
}

int main(void)
{
	test_err();
	test_utf8();
	test_jsonw();
	test_rng();
	test_file();
	return tap_done();
}
