/* SPDX-License-Identifier: Apache-2.0 */
/* lib/data: conversion of every kind of record, places, the registry, truncation at every byte. */
#include "tests/tap.h"

#include "base/file.h"
#include "data/dataset.h"
#include "data/reader.h"

#include <unistd.h>

static char dir[] = "/tmp/anekdot-test-XXXXXX";

static char *put(const char *name, const char *text, size_t n)
{
	char *path = path_join(dir, name);
	struct err err;

	if (file_write(path, text, n, &err) < 0) {
		printf("Bail out! %s\n", err.msg);
		exit(1);
	}
	return path;
}

static void clean(void)
{
	static const char *const names[] = { "d.jsonl", "dataset_info.json", "r.json", "t.json",
					     "w.jsonl" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *path = path_join(dir, names[i]);

		unlink(path);
		mem_free(path);
	}
	rmdir(dir);
}

static void show_message(struct buf *b, const char *tag, const struct message *m)
{
	if (!m->text)
		return;
	buf_printf(b, "%s%s:", b->n ? " " : "", tag);
	buf_add(b, m->text, m->n);
}

/* "s:system u:text a:text | c:chosen r:rejected", or the error without its path. */
static void show(struct buf *b, struct dataset *d)
{
	static const char *const tags[] = { "s", "u", "a", "o", "f" };
	struct dataset_reader *r;
	struct record rec;
	struct err err;
	int rc;

	r = dataset_reader_open(d, &err);
	while ((rc = dataset_next(r, &rec, &err)) > 0) {
		if (b->n)
			buf_str(b, " /");
		show_message(b, "s", &rec.system);
		for (size_t i = 0; i < rec.n_messages; i++)
			show_message(b, tags[rec.messages[i].role], &rec.messages[i]);
		show_message(b, "c", &rec.chosen);
		show_message(b, "r", &rec.rejected);
		record_free(&rec);
	}
	if (rc < 0)
		buf_printf(b, "%s! %s", b->n ? " " : "", err.msg + strlen(dataset_label(d)) + 1);
	dataset_reader_close(r);
}

/* entry: what dataset_info.json says besides file_name; NULL: a bare file. */
static void converts(const char *entry, const char *text, const char *want, const char *what)
{
	struct buf got = { 0 }, info = { 0 };
	char *path = put("d.jsonl", text, strlen(text)), *index;
	struct dataset d;
	struct err err;

	buf_printf(&info, "{\"x\": {\"file_name\": \"d.jsonl\"%s%s}}", entry ? ", " : "",
		   entry ? entry : "");
	index = put("dataset_info.json", info.p, info.n);
	if (dataset_open(&d, entry ? "x" : path, dir, &err) < 0)
		buf_printf(&got, "! %s", err.msg);
	else
		show(&got, &d);
	check_str(got.p ? got.p : "", want, what);
	dataset_close(&d);
	buf_free(&got);
	buf_free(&info);
	mem_free(path);
	mem_free(index);
}

static void test_alpaca(void)
{
	converts("\"formatting\": \"alpaca\"",
		 "{\"instruction\":\"a\",\"input\":\"b\",\"output\":\"c\"}", "u:a\nb a:c",
		 "instruction and input with a line feed between");
	converts("\"formatting\": \"alpaca\"",
		 "{\"instruction\":\"a\",\"input\":\"\",\"output\":\"c\"}\n"
		 "{\"instruction\":\"\",\"input\":\"b\",\"output\":\"c\"}\n"
		 "{\"instruction\":\" a \",\"input\":null,\"output\":\" c\\n\"}",
		 "u:a a:c / u:b a:c / u: a  a: c\n", "a lone part has none; nothing is stripped");
	converts("\"formatting\": \"alpaca\"",
		 "{\"instruction\":\"a\",\"output\":\"c\",\"system\":\"s\",\"history\":[[\"x\","
		 "\"y\"]]}",
		 "u:a a:c", "without columns neither system nor history is mapped");
	converts("\"columns\": {\"prompt\":\"q\",\"response\":\"r\",\"system\":\"s\",\"history\":"
		 "\"h\"}",
		 "{\"q\":\"a\",\"r\":\"b\",\"s\":\"S\",\"h\":[[\"1\",\"2\"],[\"3\",\"4\"]],"
		 "\"input\":\"no\"}",
		 "s:S u:1 a:2 u:3 a:4 u:a a:b", "columns, history, system; input is not mapped");
	converts("\"columns\": {\"prompt\":\"instruction\",\"query\":\"\",\"response\":\"output\"}",
		 "{\"instruction\":\"a\",\"input\":\"b\",\"output\":\"c\"}", "u:a a:c",
		 "an empty column name is none");
	converts("\"columns\": {\"prompt\":\"instruction\"}",
		 "{\"instruction\":\"a\",\"output\":\"c\"}",
		 "! 1:1: no column is mapped to \"response\" [missing-field]",
		 "columns that name no response leave it out");
	converts(NULL, "{\"instruction\":\"a\",\"output\":\"c\",\"system\":\"\"}", "u:a a:c",
		 "an empty system prompt is none");
}

static void test_sharegpt(void)
{
	const char *fmt = "\"formatting\": \"sharegpt\"";

	converts(fmt,
		 "{\"conversations\":[{\"from\":\"system\",\"value\":\"s\"},{\"from\":\"human\","
		 "\"value\":\"a\"},{\"from\":\"gpt\",\"value\":\"b\"}]}",
		 "s:s u:a a:b", "a leading system message is the system prompt");
	converts("\"formatting\": \"sharegpt\", \"columns\": "
		 "{\"messages\":\"m\",\"system\":\"sys\"}",
		 "{\"sys\":\"S\",\"m\":[{\"from\":\"system\",\"value\":\"s\"},{\"from\":\"human\","
		 "\"value\":\"a\"},{\"from\":\"gpt\",\"value\":\"b\"}]}\n"
		 "{\"sys\":\"S\",\"m\":[{\"from\":\"human\",\"value\":\"a\"},{\"from\":\"gpt\","
		 "\"value\":\"b\"}]}",
		 "s:s u:a a:b / s:S u:a a:b", "and goes before the system column");
	converts(fmt,
		 "{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},{\"from\":"
		 "\"function_call\",\"value\":\"f\"},{\"from\":\"observation\",\"value\":\"o\"},{"
		 "\"from\":\"gpt\",\"value\":\"b\"}]}",
		 "u:a f:f o:o a:b", "function call and observation");
	converts(fmt, "{\"conversations\":[{\"from\":\"gpt\",\"value\":\"b\"}]}",
		 "! 1:27: message 1 is from assistant where the user is due [malformed-history]",
		 "a wrong order is refused with its place");
	converts(
		"\"formatting\": \"sharegpt\", \"tags\": {\"role_tag\":\"r\",\"content_tag\":\"c\","
		"\"user_tag\":\"u\",\"assistant_tag\":\"a\"}",
		"{\"conversations\":[{\"r\":\"u\",\"c\":\"1\"},{\"r\":\"a\",\"c\":\"2\"}]}\n"
		"{\"conversations\":[{\"r\":\"system\",\"c\":\"0\"},{\"r\":\"u\",\"c\":\"1\"},{"
		"\"r\":\"a\",\"c\":\"2\"}]}",
		"u:1 a:2 ! 2:24: role \"system\" is not known; the tags are \"u\" and \"a\" "
		"[malformed-history]",
		"tags that are given leave the un-named ones out");
	converts(NULL,
		 "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\","
		 "\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{}"
		 "\"}}]},{\"role\":\"tool\",\"content\":\"1\"},{\"role\":\"tool\",\"content\":"
		 "\"2\"},{\"role\":\"assistant\",\"content\":\"b\"}]}",
		 "u:a f:[{\"name\": \"f\", \"arguments\": \"{}\"}] o:1\n</tool_response>\n"
		 "<tool_response>\n2 a:b",
		 "openai: tool calls as JSON, tool results joined");
}

static void test_preference(void)
{
	const char *entry = "\"ranking\": true, \"columns\": {\"prompt\":\"prompt\","
			    "\"chosen\":\"chosen\",\"rejected\":\"rejected\"}";

	converts(entry, "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}", "u:a c:b r:c",
		 "prompt, chosen, rejected");
	converts(NULL, "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\",\"system\":\"s\"}",
		 "s:s u:a c:b r:c", "the same, told from the file");
	converts(entry, "{\"prompt\":\"a\",\"chosen\":{\"value\":\"b\"},\"rejected\":\"c\"}",
		 "! 1:24: \"chosen\" is an object, a string is needed [wrong-type]",
		 "alpaca: a candidate is a string");
	converts(NULL,
		 "{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"}],\"chosen\":{\"from\":"
		 "\"gpt\",\"value\":\"b\"},\"rejected\":{\"from\":\"gpt\",\"value\":\"c\"}}",
		 "u:a c:b r:c", "sharegpt: candidates are messages");
	converts(NULL,
		 "{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"},{\"from\":\"gpt\","
		 "\"value\":\"x\"}],\"chosen\":{\"from\":\"gpt\",\"value\":\"b\"},\"rejected\":{"
		 "\"from\":\"gpt\",\"value\":\"c\"}}",
		 "! 1:70: the last message is not the user's; chosen and rejected answer the user "
		 "[malformed-history]",
		 "sharegpt: they answer the user");
	converts(NULL,
		 "{\"conversations\":[{\"from\":\"human\",\"value\":\"a\"}],\"chosen\":\"b\","
		 "\"rejected\":\"c\"}",
		 "! 1:58: \"chosen\" is a string, a message {\"from\": ..., \"value\": ...} is "
		 "needed [wrong-type]",
		 "sharegpt: a string is no candidate");
}

static void test_reader(void)
{
	static const struct {
		const char *text, *want; /* line:column of each record, '!' for a fault */
	} cases[] = {
		{ "", "" },
		{ " \n\t", "" },
		{ "[]", "" },
		{ "\xEF\xBB\xBF[ ]\n", "" },
		{ "[{},{}]", "1:2 1:5" },
		{ "[\n {\"a\": [1,\n2]},\n\n  {}\n]", "2:2 5:3" },
		{ "{}\n{}\r\n\n {}", "1:1 2:1 4:2" },
		{ "{\"\xE4\xBD\xA0\":1} {}", "1:1 1:9" },
		{ "[{\"a\":\"]}\\\"\"},{}]", "1:2 1:15" },
		{ "[{\"a\":\"x\n},{}]", "1:2 2:3" },
		{ "[{\"a\":1,{\"b\":2}]", "1:2 1:9" },
		{ "[{} {}]", "1:2 1:5! 1:5" },
		{ "[{},]", "1:2 1:5!" },
		{ "[{}", "1:2 1:4!" },
		{ "[{}] x", "1:2 1:6!" },
		{ "[[}, {}]", "1:2 1:3! 1:6" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *path = put("r.json", cases[i].text, strlen(cases[i].text));
		struct buf got = { 0 };
		struct element e;
		struct err err;
		struct reader *r = reader_open(path, &err);

		buf_str(&got, "");
		while (reader_next(r, &e, &err) > 0)
			buf_printf(&got, "%s%zu:%zu%s", got.n ? " " : "", e.line, e.column,
				   e.fault[0] ? "!" : "");
		check_str(got.p, cases[i].want, "places of records");
		reader_close(r);
		buf_free(&got);
		mem_free(path);
	}
}

/* Every prefix of a good file: no crash, and never more records than the whole has. */
static void test_truncation(const char *text, const char *what)
{
	size_t n = strlen(text), wrong = 0;

	for (size_t i = 0; i < n; i++) {
		char *path = put("t.json", text, i);
		struct dataset_reader *r;
		struct record rec;
		struct dataset d;
		struct err err = { 0 };
		size_t records = 0;
		int rc;

		if (dataset_open(&d, path, dir, &err) == 0) {
			r = dataset_reader_open(&d, &err);
			while ((rc = dataset_next(r, &rec, &err)) > 0) {
				records++;
				record_free(&rec);
			}
			/* Only between records does a JSON lines file end well. */
			wrong += rc == 0 ? text[0] == '[' && i > 0 : err.msg[0] == 0;
			wrong += records > 2;
			dataset_reader_close(r);
		} else {
			wrong++;
		}
		dataset_close(&d);
		mem_free(path);
	}
	check(wrong == 0, "%s: each of %zu prefixes is refused or whole", what, n);
}

static void test_twice(void)
{
	char *path = put("w.jsonl", "{\"instruction\":\"a\",\"output\":\"b\"}", 32);
	struct buf a = { 0 }, b = { 0 };
	struct dataset d;
	struct err err;

	check(dataset_open(&d, path, dir, &err) == 0, "a bare path opens");
	show(&a, &d);
	show(&b, &d);
	check_str(a.p, "u:a a:b", "first pass");
	check_str(b.p, "u:a a:b", "a data set can be read again");
	check(dataset_fits(&d, false, &err) == 0 && dataset_fits(&d, true, &err) == -1,
	      "instructions fit sft and not dpo");
	dataset_close(&d);
	check(dataset_open(&d, "nope", dir, &err) == -1 && strstr(err.msg, "known names: x"),
	      "an unknown name lists the known ones");
	dataset_close(&d);
	buf_free(&a);
	buf_free(&b);
	mem_free(path);
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	test_alpaca();
	test_sharegpt();
	test_preference();
	test_reader();
	test_twice();
	test_truncation(
		"[\n  {\"instruction\": \"\xE4\xBD\xA0\", \"output\": \"b\\n\"},\n"
		"  {\"instruction\": \"c\", \"history\": [[\"x\", \"y\"]], \"output\": \"d\"}\n]",
		"array");
	test_truncation("{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"\\u4f60\"}\n"
			"{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n",
			"lines");
	test_truncation("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, "
			"{\"role\": \"assistant\", \"content\": \"b\"}]}",
			"messages");
	clean();
	return tap_done();
}
