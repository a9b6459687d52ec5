/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of alpha_pattern against Python's re (tests/parity/make_patterns.py). */
#include "tests/tap.h"

#include "adapter/pattern.h"
#include "base/mem.h"

#include <jansson.h>
#include <time.h>

static struct err err;

/* Whether the key means what the row says; true when both refuse it. odd: true as well when only one
 * refuses it, as what Python refuses stands in no adapter. */
static bool agrees(const json_t *row, const json_t *names, bool odd)
{
	const char *key = json_string_value(json_object_get(row, "key"));
	const json_t *means = json_object_get(row, "means"), *name;
	char *text = mem_printf("(.*\\.)?(%s)$", key);
	struct pattern p;
	size_t i, next = 0;
	bool ok = true;

	if (pattern_compile(&p, text, &err) < 0) {
		mem_free(text);
		return odd || !means || strstr(key, "{,"); /* Python's {,n} is refused by name */
	}
	json_array_foreach(names, i, name)
	{
		bool want = json_integer_value(json_array_get(means, next)) == (json_int_t)i &&
			    next < json_array_size(means);

		ok = ok && pattern_matches(&p, json_string_value(name), &err) == want;
		next += want;
	}
	pattern_free(&p);
	mem_free(text);
	return means ? ok : odd;
}

static void test_golden(const char *list, bool odd)
{
	json_error_t je;
	json_t *doc = json_load_file(golden("patterns.json"), 0, &je), *row;
	const json_t *names = json_object_get(doc, "names");
	size_t i, good = 0;

	json_array_foreach(json_object_get(doc, list), i, row)
	{
		bool ok = agrees(row, names, odd);

		good += ok;
		if (!ok)
			note("'%s'", json_string_value(json_object_get(row, "key")));
	}
	check(i == 500 && good == i, "%s: %zu of %zu mean what Python says%s", list, good, i,
	      odd ? ", or are refused" : "");
	json_decref(doc);
}

/* What both could take, each for another thing, is refused; what looks like it is not. */
static void test_same(void)
{
	static const char *const bad[] = {
		"[[:alpha:]]q", "\\hq",    "q\\K",    "\\Qq.\\E", "q\\R",       "\\N",
		"\\X",          "\\Gq",    "\\x71",   "(q)\\1",   "\\pL",       "(*ACCEPT)",
		"(?R)",         "(?|q|k)", "(?<n>q)", "(?^:q)",   "(?x: q )",   "(?)",
		"q{,2}",        "q{1, 2}", "{",       "\xc3\xa9", "\\\xc3\xa9",
	};
	static const char *const good[] = {
		"\\Aq_proj\\Z", "[.]q",   "\\[:]",   "\\(?q\\)?", "\\(*",  "\\{x",
		"(?:q)",        "(?=q)q", "(?<!x)q", "(?i:Q)",    "q{1,}",
	};
	struct pattern p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		err = (struct err){ 0 };
		check(pattern_compile(&p, bad[i], &err) < 0 && *err.msg, "refused: %s: %s", bad[i],
		      err.msg);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		check(pattern_compile(&p, good[i], &err) == 0, "taken: %s", good[i]);
		pattern_free(&p);
	}
}

/* What could take for ever ends, and what is no pattern is refused. */
static void test_hostile(void)
{
	static const char *const bad[] = { "q(", "q)", "[q", "*", "q{2,1}", "(?<n" };
	static char longest[20001];
	clock_t begin = clock();
	struct pattern p;

	check(pattern_compile(&p, "(a|a|a)*[bc]$", &err) == 0 &&
		      pattern_matches(&p, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
				      &err) < 0,
	      "ambiguous repetitions are given up");
	check(strstr(err.msg, "takes too long") != NULL, "and that is said");
	check((double)(clock() - begin) / CLOCKS_PER_SEC < 1, "soon");
	pattern_free(&p);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		err = (struct err){ 0 };
		check(pattern_compile(&p, bad[i], &err) < 0 && *err.msg, "refused: %s: %s", bad[i],
		      err.msg);
	}
	memset(longest, 'q', 20000);
	check(pattern_compile(&p, longest, &err) < 0, "and one without end");
}

int main(void)
{
	test_golden("keys", false);
	test_golden("odd", true);
	test_same();
	test_hostile();
	return tap_done();
}
