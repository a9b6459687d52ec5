/* SPDX-License-Identifier: Apache-2.0 */
/* A safetensors file; an input that begins with '{' is the index of a folder, then its one shard. Every
 * byte that the reader promises is read. */
#include "tests/fuzz/fuzz.h"

#include "format/safetensors.h"

static void read_tensors(const struct tensors *t)
{
	volatile unsigned char sink = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct tensor *one = &t->v[i];

		fuzz_must(tensors_find(t, one->name) == one, "a tensor is found by its name");
		for (size_t k = 0; k < one->bytes; k++)
			sink ^= one->data[k];
	}
	(void)sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct part rest = { data, size }, none = { NULL, 0 };
	struct tensors t;
	struct err err = { 0 };
	int rc;

	if (size && data[0] == '{') {
		fuzz_file("model.safetensors.index.json", fuzz_part(&rest));
		fuzz_file("model.safetensors", none);
		fuzz_file("a", rest);
		rc = safetensors_open_dir(&t, fuzz_dir(), &err);
	} else {
		rc = safetensors_open(&t, fuzz_file("model.safetensors", rest), &err);
	}
	if (rc < 0)
		fuzz_failed(&err);
	else
		read_tensors(&t);
	tensors_close(&t);
	return 0;
}
