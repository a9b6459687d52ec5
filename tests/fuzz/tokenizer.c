/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json, tokenizer_config.json, chat_template.jinja, then a text: encoded and decoded with it.
 * The tokenizer.json that we write of it has the same hash. */
#include "tests/fuzz/fuzz.h"

#include "base/utf8.h"
#include "token/token.h"

#include <string.h>

static void encode(const struct token *t, struct part text, int flags)
{
	struct ids ids = { 0 };
	struct buf back = { 0 };
	struct err err = { 0 };
	size_t n;

	if (token_encode(t, (const char *)text.p, text.n, flags, &ids, &err) < 0)
		fuzz_failed(&err);
	for (size_t i = 0; i < ids.n; i++)
		fuzz_must(token_bytes(t, ids.v[i], &n) != NULL, "ids that come out are known");
	token_decode(t, ids.v, ids.n, false, &back);
	fuzz_must(utf8_valid(back.p ? back.p : "", back.n) == back.n, "decoded text is UTF-8");
	buf_free(&back);
	ids_free(&ids);
}

static void write_again(const struct token *t)
{
	struct buf json = { 0 };
	struct token *again;
	struct err err = { 0 };

	token_write_json(t, &json);
	again = token_open(fuzz_file("again.json",
				     (struct part){ (const uint8_t *)json.p, json.n }),
			   &err);
	fuzz_must(again && !strcmp(token_hash(again), token_hash(t)),
		  "the tokenizer.json that we write is the same tokenizer");
	token_close(again);
	buf_free(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct part rest = { data, size };
	struct token *t;
	struct err err = { 0 };

	fuzz_file("tokenizer.json", fuzz_part(&rest));
	fuzz_file("tokenizer_config.json", fuzz_part(&rest));
	fuzz_file("chat_template.jinja", fuzz_part(&rest));
	t = token_open(fuzz_dir(), &err);
	if (!t) {
		fuzz_failed(&err);
		return 0;
	}
	encode(t, rest, TOKEN_PLAIN);
	encode(t, rest, TOKEN_SPECIAL);
	write_again(t);
	token_close(t);
	return 0;
}
