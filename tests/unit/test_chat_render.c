/* SPDX-License-Identifier: Apache-2.0 */
/* 132 conversations rendered by the models' own Jinja templates; tests/golden/chat. */
#include "tests/tap.h"

#include "base/file.h"
#include "template/chat_render.h"
#include "template/pyjson.h"

#include <jansson.h>
#include <zstd.h>

static void unpack(const char *path, struct buf *out)
{
	struct err err = { 0 };
	struct file f;
	unsigned long long n;

	if (file_open(&f, path, &err) < 0)
		return;
	n = ZSTD_getFrameContentSize(f.p, f.n);
	buf_reserve(out, (size_t)n);
	out->n = ZSTD_decompress(out->p, (size_t)n, f.p, f.n);
	out->p[out->n] = 0;
	file_close(&f);
}

static void test_goldens(void)
{
	struct buf all = { 0 }, text = { 0 };
	int n = 0, same = 0;

	unpack(golden("chat/chat_golden.jsonl.zst"), &all);
	for (char *p = all.p, *end; p && (end = strchr(p, '\n')); p = end + 1) {
		json_t *o = json_loadb(p, (size_t)(end - p), 0, NULL);
		const char *want = json_string_value(json_object_get(o, "text"));
		const char *family = json_string_value(json_object_get(o, "template"));
		struct err err = { 0 };
		bool ok;

		buf_reset(&text);
		ok = chat_render(family, p, (size_t)(end - p), &text, &err) == 0 &&
		     !strcmp(text.p, want);
		if (!ok)
			note("case %d (%s): got '%s' %s\n# want '%s'", n, family,
			     text.p ? text.p : "", err.msg, want);
		same += ok;
		n++;
		json_decref(o);
	}
	check(n == 132, "all cases are there");
	check(n == same, "%d of %d texts are the same", same, n);
	buf_free(&all);
	buf_free(&text);
}

static void test_refusals(void)
{
	static const char *const cases[][3] = {
		{ "qwen9", "{}", "there are qwen2_5" },
		{ "qwen3", "{", "column" },
		{ "qwen3", "[]", "no JSON object" },
		{ "qwen3", "{\"messages\": []}", "not empty" },
		{ "qwen3", "{\"messages\": [{\"role\": \"user\"}]}", "\"content\"" },
		{ "qwen3", "{\"messages\": [{\"role\": \"x\", \"content\": \"\"}]}", "\"role\"" },
		{ "qwen3", "{\"messages\": [1]}", "\"role\"" },
		{ "qwen3",
		  "{\"messages\": [{\"role\": \"assistant\", \"content\": null, \"tool_calls\": "
		  "[{}]}]}",
		  "tool call" },
		{ "qwen3",
		  "{\"messages\": [{\"role\": \"user\", \"content\": \"\"}], \"tools\": {}}",
		  "\"tools\"" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf text = { 0 };
		struct err err = { 0 };

		check(chat_render(cases[i][0], cases[i][1], strlen(cases[i][1]), &text, &err) < 0 &&
			      strstr(err.msg, cases[i][2]),
		      "refused: %s", err.msg);
		buf_free(&text);
	}
}

/* Values are those of Python's json.dumps(json.loads(text), ensure_ascii=False). */
static void test_pyjson(void)
{
	static const char *const cases[][2] = {
		{ "[1.0, 0.1, 1e16, 1e15, 1e-5, 0.0001, 1.5e300, -0.0]",
		  "[1.0, 0.1, 1e+16, 1000000000000000.0, 1e-05, 0.0001, 1.5e+300, -0.0]" },
		{ "[123456789.25, 5e-324, 1.7976931348623157e308, 100.0]",
		  "[123456789.25, 5e-324, 1.7976931348623157e+308, 100.0]" },
		{ "{\"b\":1,\"a\":[true,false,null,{}]}",
		  "{\"b\": 1, \"a\": [true, false, null, {}]}" },
		{ "\"\\u4f60\\/\\b\\f\\u0001\\u007f\\\"\\\\\"",
		  "\"你/\\b\\f\\u0001\x7f\\\"\\\\\"" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *v = json_loads(cases[i][0], JSON_DECODE_ANY, NULL);
		struct buf out = { 0 };

		pyjson_dump(v, &out);
		check_str(out.p, cases[i][1], "as Python writes it");
		buf_free(&out);
		json_decref(v);
	}
}

int main(void)
{
	test_goldens();
	test_refusals();
	test_pyjson();
	return tap_done();
}
