/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer out of a GGUF file's metadata, and a text encoded with it. */
#include "tests/fuzz/fuzz.h"

#include "token/token.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char text[] = "Hello, World!  a\xC3\xA9\xE4\xBD\xA0 <s> 12345\n\n\tx";
	const char *path = fuzz_file("model.gguf", (struct part){ data, size });
	struct err err = { 0 };
	struct token *t;
	struct ids ids = { 0 };
	struct buf back = { 0 };

	if (size < 4 || memcmp(data, "GGUF", 4))
		return 0;
	t = token_open(path, &err);
	if (!t) {
		fuzz_failed(&err);
		return 0;
	}
	if (token_encode(t, text, sizeof(text) - 1, TOKEN_SPECIAL, &ids, &err) < 0)
		fuzz_failed(&err);
	token_decode(t, ids.v, ids.n, true, &back);
	token_write_json(t, &back);
	buf_free(&back);
	ids_free(&ids);
	token_close(t);
	return 0;
}
