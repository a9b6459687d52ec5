/* SPDX-License-Identifier: Apache-2.0 */
/* What stands around a conversation: messages out of lines, harmless text, settings, files. */
#include "tests/tap.h"

#include "chat/compose.h"
#include "chat/harmless.h"
#include "chat/setting.h"
#include "chat/transcript.h"

#include <unistd.h>

static struct err err;

/* The messages that these lines make, each followed by '|' ('!': it may not be a command). */
static const char *composed(const char *const *lines)
{
	static struct buf out;
	struct compose c = { 0 };

	buf_reset(&out);
	for (; *lines; lines++)
		if (compose_line(&c, *lines, strlen(*lines))) {
			buf_printf(&out, "%s%s|", c.text.p, c.literal ? "!" : "");
			compose_reset(&c);
		}
	compose_close(&c);
	return out.p;
}

#define COMPOSED(want, name, ...)                                                                  \
	check_str(composed((const char *const[]){ __VA_ARGS__, NULL }), want, name)

static void test_compose(void)
{
	COMPOSED("a||/b|", "a line is a message", "a", "", "/b");
	COMPOSED("a\nb\nc!|d|", "a backslash goes on", "a\\", "b\\", "c", "d");
	COMPOSED("a\\\\|b|", "two of them are themselves", "a\\\\", "b");
	COMPOSED("a\n\n b!|", "a block", "\"\"\"a", "", " b\"\"\"");
	COMPOSED("a\nb!|", "with fences on lines of their own", "\"\"\"", "a", "b", "\"\"\"");
	COMPOSED("a\\\nb!|c|", "where a backslash means nothing", "\"\"\"a\\", "b\"\"\"", "c");
	COMPOSED("a!|", "on one line", "\"\"\"a\"\"\"");
	COMPOSED("a\n\nb!|c|", "marked as pasted", PASTE_BEGIN "a", "", "b" PASTE_END, "c");
	COMPOSED("x a\nb y!|", "within a line", "x " PASTE_BEGIN "a", "b" PASTE_END " y");
	COMPOSED("\"\"\"a\nb\\!|", "where nothing has a meaning", PASTE_BEGIN "\"\"\"a",
		 "b\\" PASTE_END);
	COMPOSED("a\nb\\!|c|", "pasted into an editor", "a\nb\\", "c");
	COMPOSED("a\nb!|", "line feeds at its end go", "a\nb\n\n");
	COMPOSED("/a|", "a pasted line is a line", "/a");
}

static void test_harmless(void)
{
	struct buf b = { 0 };
	static const char evil[] = "a\033]0;x\a\n\t\r\177\xc2\x9b\xc3\xa9\xe2\x80\xae\xe2\x81\xa6"
				   "\xe4\xbd\xa0\xff\xe4\xbd";

	harmless(evil, sizeof(evil) - 1, &b);
	check_str(b.p,
		  "a\\x1b]0;x\\x07\n\t\\x0d\\x7f\\x9b\xc3\xa9\\u202e\\u2066\xe4\xbd\xa0"
		  "\xef\xbf\xbd\xef\xbf\xbd",
		  "a terminal gets no control characters and whole characters only");
	buf_reset(&b);
	harmless_json("\"\\u001b\xc2\x9b\xe2\x80\xae\xc3\xa9\"", 15, &b);
	check_str(b.p, "\"\\u001b\\u009b\\u202e\xc3\xa9\"", "JSON has escapes of its own for them");
	buf_free(&b);
}

static void test_settings(void)
{
	static const char *const bad[] = { "",    "x",   "nan", "inf",   "-1",
					   "101", "0x1", "1 1", "1e999", "0.5x" };
	struct sampling s = sampling_default;
	bool refused = true;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refused =
			refused && setting_parse(setting_find("temperature"), &s, bad[i], &err) < 0;
	check(refused && s.temperature == 0, "what is no number in range is refused");
	check(setting_parse(setting_find("temperature"), &s, "0.5", &err) == 0 &&
		      s.temperature == 0.5,
	      "a number is taken");
	check(setting_parse(setting_find("seed"), &s, "9000000000000000", &err) == 0 &&
		      s.seed == 9000000000000000u && setting_get(setting_find("seed"), &s) == 9e15,
	      "the largest seed");
	check(setting_parse(setting_find("top_k"), &s, "1.5", &err) < 0 && strstr(err.msg, "whole"),
	      "half a token is refused");
	check(strstr(setting_hint("max_tokens"), "max_new_tokens"), "the nearest name");
	check(strstr(setting_hint("zzz"), "temperature, top_k"), "or all of them");
}

static char *file_with(const char *text)
{
	static char path[] = "/tmp/anekdot-talk-XXXXXX";
	static bool made;
	int fd = made ? -1 : mkstemp(path);
	FILE *f = fopen(path, "w");

	if (fd >= 0)
		close(fd);
	made = true;
	if (f) {
		fputs(text, f);
		fclose(f);
	}
	return path;
}

static void test_transcripts(void)
{
	static const struct {
		const char *text, *fault;
	} bad[] = {
		{ "", ":1:1: " },
		{ "{\"messages\": [\n  {\"role\": }]}", ":2:12: " },
		{ "[]", ":1:1: a conversation is an object" },
		{ "{}", "\"messages\" must be there" },
		{ "{\"messages\": 3}", ":1:14: " },
		{ "{\"messages\": [],\n \"mesages\": 1}", ":2:2: a conversation has no key" },
		{ "{\"messages\": [1]}", ":1:15: message 1 must have" },
		{ "{\"messages\": [{\"role\": \"king\", \"content\": \"\"}]}", ":1:24: " },
		{ "{\"messages\": [{\"role\": \"user\", \"content\": \"\", \"x\": 1}]}",
		  ":1:47: " },
		{ "{\"messages\": [{\"role\": \"assistant\", \"content\": \"\"}]}", "take turns" },
		{ "{\"messages\": [], \"settings\": {\"top_p\": 2}}", ":1:31: 'top_p' is 2" },
		{ "{\"messages\": [], \"settings\": {\"temprature\": 2}}",
		  "did you mean 'temperature'" },
		{ "{\"messages\": [], \"settings\": []}", "must be an object" },
		{ "{\"messages\": [], \"stop\": [\"\"]}", ":1:27: " },
		{ "{\"messages\": [], \"adapters\": [\"a,b\"]}", "no comma" },
		{ "{\"messages\": [], \"model\": 1}", "must be text" },
		{ "{\"messages\": [], \"messages\": []}", "duplicate" },
		{ "{\"messages\": [\"\xff\"]}", ":1:16: byte 0xFF is not UTF-8" },
	};
	struct sampling now = sampling_default;
	struct transcript t;
	bool all = true;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		bool ok = transcript_read(&t, file_with(bad[i].text), &now, &err) < 0 &&
			  strstr(err.msg, bad[i].fault);

		if (!ok)
			note("%s: %s, want %s", bad[i].text, err.msg, bad[i].fault);
		all = all && ok;
		transcript_close(&t);
	}
	check(all, "what is wrong with a conversation is said with its place");
	now.top_k = 7;
	check(transcript_read(&t,
			      file_with(
				      "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, "
				      "{\"role\": \"user\", \"content\": \"a\\u0000b\"}], "
				      "\"settings\": {\"temperature\": 1}, \"stop\": [\"x\"]}"),
			      &now, &err) == 0 &&
		      t.n == 1 && t.messages[0].n == 3 && !strcmp(t.system, "s") &&
		      t.sampling.temperature == 1 && t.sampling.top_k == 7 && t.stops.n == 1 &&
		      !t.has_adapters,
	      "a sound one, and what it does not say stays");
	transcript_close(&t);
	unlink(file_with(""));
}

int main(void)
{
	test_compose();
	test_harmless();
	test_settings();
	test_transcripts();
	return tap_done();
}
