/* SPDX-License-Identifier: Apache-2.0 */
/* A GGUF file as a LoRA adapter of a small model. */
#include "tests/fuzz/fuzz.h"

#include "tests/fuzz/tiny.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= 4 && !memcmp(data, "GGUF", 4))
		tiny_adapter(fuzz_file("lora.gguf", (struct part){ data, size }));
	return 0;
}
