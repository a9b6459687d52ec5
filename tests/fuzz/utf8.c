/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as text: what is UTF-8, what else it may be, and what the measures make of it. */
#include "tests/fuzz/fuzz.h"

#include "base/utf8.h"
#include "data/encoding.h"
#include "eval/metrics.h"

#include <string.h>

static void walk(const char *s, size_t n)
{
	const char *end = s + n;
	size_t at = utf8_valid(s, n);

	fuzz_must(at == n || (utf8_check(s + at, n - at) == 0 && utf8_bad_length(s + at, n - at)),
		  "the first bad byte is one");
	end = s + at;
	while (s < end) {
		const char *was = s;
		uint32_t c = utf8_next(&s);
		char out[4];
		size_t k = utf8_put(out, c);

		fuzz_must(k == (size_t)(s - was) && !memcmp(out, was, k), "there and back");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data;
	struct text t = text_of(s, size);
	struct chrf sum = { 0 };

	walk(s, size);
	encoding_utf16(data, size);
	encoding_is_gbk(data, size);
	text_is_cjk(&t);
	text_repeats(&t);
	chrf_add(&sum, &t, &t);
	fuzz_must(chrf_score(&sum) >= 0 && chrf_score(&sum) <= 100 + 1e-9, "a score is a score");
	text_free(&t);
	return 0;
}
