/* SPDX-License-Identifier: Apache-2.0 */
/* What ft-chat is asked by programs: lines, each a request, one by one and as a file, encoded with a small
 * tokenizer; and text made fit for a terminal. */
#include "tests/fuzz/fuzz.h"

#include "base/utf8.h"
#include "chat/request_file.h"
#include "chat/harmless.h"
#include "chat/lines.h"

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

static void answer(struct request *r)
{
	const struct engine *e = small_engine();
	struct answer a = { .stopped = true };
	struct buf out = { 0 };
	struct err err = { 0 };
	bool more = true;

	if (request_encode(r, e, &err) < 0) {
		fuzz_failed(&err);
		return;
	}
	fuzz_must(r->prompt.ids.n > 0 && r->sampling.max_new_tokens >= 1,
		  "a request asks for something");
	for (size_t i = 0; i < r->prompt.ids.n && more; i++)
		more = text_add(&r->text, r->prompt.ids.v[i], &r->answer);
	if (more)
		text_end(&r->text, &r->answer);
	request_write_delta(r, &out);
	buf_reset(&out);
	request_write(r, &a, &out);
	fuzz_must(memchr(out.p, '\n', out.n) == out.p + out.n - 1, "an answer is one line");
	buf_free(&out);
}

static const struct request_defaults defaults = { .sampling = &sampling_default };

/* As they come through a pipe. */
static void one_by_one(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct lines l = { .fd = fd };
	struct err err = { 0 };
	char *line;
	size_t n, lines = 0, at;

	while (lines_next(&l, true, &line, &n, &err) == LINES_ONE) {
		struct element e = { .p = line, .n = n, .line = l.number, .column = 1 };
		struct request r;

		fuzz_must(l.number == ++lines, "lines are counted");
		if (request_read(&r, &defaults, &e, &at, &err) < 0) {
			fuzz_failed(&err);
			fuzz_must(at <= n, "the fault stands in the line");
		} else {
			answer(&r);
		}
		request_close(&r);
	}
	lines_close(&l);
	close(fd);
}

/* As a file. */
static void together(const char *path)
{
	struct request_file b;
	struct err err = { 0 };

	if (request_file_read(&b, path, &defaults, &err) < 0 ||
	    request_file_encode(&b, small_engine(), &err) < 0)
		fuzz_failed(&err);
	request_file_close(&b);
}

static void show(const uint8_t *p, size_t n)
{
	struct buf out = { 0 };

	harmless((const char *)p, n, &out);
	fuzz_must(utf8_valid(out.n ? out.p : "", out.n) == out.n, "what is shown is UTF-8");
	for (size_t i = 0; i < out.n; i++) {
		unsigned char c = (unsigned char)out.p[i];

		fuzz_must((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t',
			  "no control character reaches the terminal");
	}
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path;

	small_engine(); /* before the path: it writes a file, too */
	path = fuzz_file("lines", (struct part){ data, size });
	one_by_one(path);
	together(path);
	show(data, size);
	return 0;
}
