/* SPDX-License-Identifier: Apache-2.0 */
/* What ft-chat --json reads: lines, each a request, with a small tokenizer and every template in turn;
 * and the text of a prompt made fit for a terminal. */
#include "tests/fuzz/fuzz.h"

#include "chat/lines.h"
#include "chat/request.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The letters, and the markers that the templates need. */
static struct token *small_tokenizer(void)
{
	struct buf json = { 0 };
	struct token *t;
	struct err err = { 0 };

	buf_str(&json, "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"<|im_end|>\": 0, "
		       "\"<|im_start|>\": 1, \"<|endoftext|>\": 2");
	for (int i = 0; i < 94; i++)
		buf_printf(&json, ", \"\\u%04x\": %d", '!' + i, 3 + i);
	buf_str(&json,
		", \"\\u0120\": 97, \"\\u010a\": 98, \"th\": 99}, \"merges\": [\"t h\"]}, "
		"\"added_tokens\": [{\"id\": 0, \"content\": \"<|im_end|>\", \"special\": true}, "
		"{\"id\": 1, \"content\": \"<|im_start|>\", \"special\": true}, "
		"{\"id\": 2, \"content\": \"<|endoftext|>\", \"special\": true}], "
		"\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, "
		"\"use_regex\": true}, \"decoder\": {\"type\": \"ByteLevel\"}}");
	t = token_open(fuzz_file("small.json", (struct part){ (const uint8_t *)json.p, json.n }),
		       &err);
	fuzz_must(t != NULL, err.msg);
	buf_free(&json);
	return t;
}

static const struct engine *small_engine(void)
{
	static struct engine e;
	struct err err = { 0 };

	if (!e.tok) {
		e.tok = small_tokenizer();
		e.model.n_positions = 4096;
		e.settings.cutoff_len = UINT32_MAX;
		e.settings.template = template_find("chatml", &err);
		fuzz_must(e.settings.template != NULL, err.msg);
	}
	return &e;
}

static void one_line(const char *line, size_t n)
{
	struct request r;
	struct answer a = { .stopped = true };
	struct buf out = { 0 };
	struct err err = { 0 };
	bool more = true;

	if (request_read(&r, small_engine(), &sampling_default, NULL, line, n, &err) < 0) {
		fuzz_failed(&err);
	} else {
		fuzz_must(r.prompt.n > 0 && r.sampling.max_new_tokens >= 1,
			  "a request asks for something");
		for (size_t i = 0; i < r.prompt.n && more; i++)
			more = text_add(&r.text, r.prompt.v[i], &r.answer);
		if (more)
			text_end(&r.text, &r.answer);
		request_write(&r, &a, &out);
		fuzz_must(memchr(out.p, '\n', out.n) == out.p + out.n - 1, "an answer is one line");
	}
	request_close(&r);
	buf_free(&out);
}

static void show(const uint8_t *p, size_t n)
{
	struct buf out = { 0 };

	text_harmless((const char *)p, n, &out);
	for (size_t i = 0; i < out.n; i++) {
		unsigned char c = (unsigned char)out.p[i];

		fuzz_must((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t',
			  "no control character reaches the terminal");
	}
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = open(fuzz_file("lines", (struct part){ data, size }), O_RDONLY | O_CLOEXEC);
	struct lines l = { .fd = fd };
	struct err err = { 0 };
	char *line;
	size_t n, lines = 0;

	while (lines_next(&l, true, &line, &n, &err) == LINES_ONE) {
		one_line(line, n);
		fuzz_must(l.number == ++lines, "lines are counted");
	}
	lines_close(&l);
	close(fd);
	show(data, size);
	return 0;
}
