/* SPDX-License-Identifier: Apache-2.0 */
/* adapter_config.json, then adapter_model.safetensors, for a small model: what is accepted becomes LoRA
 * parameters. */
#include "tests/fuzz/fuzz.h"

#include "tests/fuzz/tiny.h"

#include "adapter/adapter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct part rest = { data, size };

	fuzz_file("adapter_config.json", fuzz_part(&rest));
	fuzz_file("adapter_model.safetensors", rest);
	tiny_adapter(fuzz_dir());
	return 0;
}
