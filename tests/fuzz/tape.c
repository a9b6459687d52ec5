/* SPDX-License-Identifier: Apache-2.0 */
/* The tape against jansson: both take the same texts, and find the same values in them. And the end of a
 * record, found in windows of any size as in one. */
#include "tests/fuzz/fuzz.h"

#include "base/utf8.h"
#include "data/scan.h"
#include "data/tape.h"

#include <jansson.h>
#include <string.h>

static void same(struct tape *t, uint32_t v, const json_t *json)
{
	static const enum tape_type types[] = {
		[JSON_OBJECT] = TAPE_OBJECT, [JSON_ARRAY] = TAPE_ARRAY,
		[JSON_STRING] = TAPE_STRING, [JSON_INTEGER] = TAPE_NUMBER,
		[JSON_REAL] = TAPE_NUMBER,   [JSON_TRUE] = TAPE_TRUE,
		[JSON_FALSE] = TAPE_FALSE,   [JSON_NULL] = TAPE_NULL,
	};
	void *at = json_object_iter((json_t *)json);
	uint32_t k = 0;
	size_t i = 0, n;

	fuzz_must(json && tape_type(t, v) == types[json_typeof(json)], "a value has its type");
	if (json_is_string(json)) {
		const char *s = tape_string(t, v, &n);

		fuzz_must(n == json_string_length(json) && !memcmp(s, json_string_value(json), n),
			  "a string is the same");
	}
	while (json_is_array(json) && (k = tape_element(t, v, k)))
		same(t, k, json_array_get(json, i++));
	fuzz_must(i == json_array_size(json), "an array has as many elements");
	for (i = 0; json_is_object(json) && (k = tape_key(t, v, k)); i++) {
		const char *key = json_object_iter_key(at);

		fuzz_must(at && tape_is(t, k, key), "keys come in order, each once");
		same(t, tape_get(t, v, key), json_object_iter_value(at));
		at = json_object_iter_next((json_t *)json, at);
	}
	fuzz_must(i == json_object_size(json), "an object has as many members");
}

static size_t depth(const char *p, size_t n)
{
	size_t d = 0, most = 0;

	for (size_t i = 0; i < n; i++) {
		d += p[i] == '[' || p[i] == '{';
		most = d > most ? d : most;
	}
	return most;
}

static void windows(const char *p, size_t n, size_t step)
{
	struct scan one = { .in_array = true }, many = { .in_array = true };
	bool end = scan_window(&one, p, n), found = false;

	for (size_t m = step; !found && m < n; m += step)
		found = scan_window(&many, p, m);
	found = found || scan_window(&many, p, n);
	fuzz_must(found == end && many.i == one.i && many.done == one.done,
		  "a record ends where it ends, whatever the window");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;
	const char *p = (const char *)data;
	struct tape t = { 0 };
	json_error_t err;
	json_t *json;
	bool whole;

	for (size_t step = 1; step < 40 && size; step += 12)
		windows(p, size, step);
	if (utf8_valid(p, size) < size || depth(p, size) > SCAN_DEPTH_MAX)
		return 0; /* the reader refuses these before */
	whole = tape_read(&t, p, size);
	json = json_loadb(p, size, flags, &err);
	fuzz_must(whole || !json || memchr(p, 0, size), "what jansson takes the tape takes");
	fuzz_must(json || !whole || t.doubt,
		  "what the tape takes and has no doubts of jansson takes");
	t.twice |= t.doubt; /* as those do who ask jansson then */
	if (json && whole)
		same(&t, 0, json);
	json_decref(json);
	json = json_loadb(p, size, flags | JSON_REJECT_DUPLICATES, &err);
	if (whole && !t.doubt)
		fuzz_must(!json == t.twice, "keys that stand twice are found");
	json_decref(json);
	tape_free(&t);
	return 0;
}
