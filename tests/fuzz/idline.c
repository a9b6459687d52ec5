/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of ready-made ids (ds-tokenize --from-ids): one parsed, written and parsed again; all of them
 * into a shard, which then opens. */
#include "tests/fuzz/fuzz.h"

#include "shard/from_ids.h"
#include "shard/idline.h"

#include <string.h>

static void there_and_back(const uint8_t *data, size_t size)
{
	struct idline l = { 0 }, again = { 0 };
	struct buf text = { 0 };
	struct err err = { 0 };

	if (idline_parse(&l, (const char *)data, size, &err) < 0) {
		fuzz_failed(&err);
	} else if (!shard_example_fault(&l.e, l.stage, 0)) {
		idline_write(&l.e, l.stage, NULL, 0, &text);
		fuzz_must(idline_parse(&again, text.p, text.n, &err) == 0, "what we wrote parses");
		fuzz_must(again.stage == l.stage && again.e.n_ids == l.e.n_ids &&
				  !memcmp(again.e.ids, l.e.ids, 4 * (size_t)l.e.n_ids) &&
				  again.e.n_spans == l.e.n_spans &&
				  again.e.n_prompt == l.e.n_prompt,
			  "and is the same example");
	}
	buf_free(&text);
	idline_free(&l);
	idline_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *lines = fuzz_file("lines", (struct part){ data, size });
	const char *path = fuzz_file("made.tok.zst", (struct part){ NULL, 0 });
	struct shard_info info = { 0 };
	struct shard s;
	struct err err = { 0 };
	FILE *in = fopen(lines, "rb");

	there_and_back(data, size);
	if (shard_from_ids(in, path, NULL, &info, &err) < 0) {
		fuzz_failed(&err);
	} else {
		fuzz_must(shard_open(&s, path, &err) == 0, "the shard that was written opens");
		fuzz_must(s.n == info.n_examples, "with as many examples as were counted");
		shard_close(&s);
	}
	fclose(in);
	return 0;
}
