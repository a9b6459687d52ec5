/* SPDX-License-Identifier: Apache-2.0 */
/* A conversation as ds-tokenize --chat takes it (JSON with messages and tools), through each family's
 * renderer, and as lines through the filter. */
#include "tests/fuzz/fuzz.h"

#include "base/utf8.h"
#include "template/chat_filter.h"
#include "template/chat_render.h"

#include <string.h>

static void filter(const char *family, struct part lines)
{
	FILE *in = fopen(fuzz_file("lines", lines), "rb");
	struct out out;
	struct err err = { 0 };
	const char *path = fuzz_file("rendered", (struct part){ NULL, 0 });

	fuzz_must(in && out_open(&out, path, &err) == 0, "files open");
	if (chat_filter(family, in, &out, &err) < 0)
		fuzz_failed(&err);
	out_abort(&out);
	fclose(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const families[] = { "qwen2_5", "qwen3", "smollm2" };

	for (int i = 0; i < 3; i++) {
		struct buf out = { 0 };
		struct err err = { 0 };

		if (chat_render(families[i], (const char *)data, size, &out, &err) < 0)
			fuzz_failed(&err);
		else
			fuzz_must(utf8_valid(out.p, out.n) == out.n, "what is rendered is UTF-8");
		buf_free(&out);
	}
	filter(families[size % 3], (struct part){ data, size });
	return 0;
}
