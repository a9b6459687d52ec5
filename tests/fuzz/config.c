/* SPDX-License-Identifier: Apache-2.0 */
/* The YAML of a run, read for one use or another; the values that came out are within their ranges. */
#include "tests/fuzz/fuzz.h"

#include "config/config.h"

#include <string.h>

static void load(const char *path, enum config_use use)
{
	struct buf problems = { 0 }, json = { 0 };
	struct config c;
	struct err err = { 0 };
	int rc = config_load(&c, use, path, NULL, 0, &problems, &err);

	if (rc < 0) {
		fuzz_must(problems.n ? problems.p[problems.n - 1] == '\n' : err.kind != ERR_NONE,
			  "a failure has its lines or its message");
	} else {
		const char *rest = c.lora_target;
		size_t n;

		while (config_list_next(&rest, &n))
			fuzz_must(n > 0, "items of a list are not empty");
		config_write_json(&c, use, &json);
		fuzz_must(c.lora_rank >= 1 && c.cutoff_len >= 1, "numbers are in their ranges");
		fuzz_must(config_warmup(&c, 1000) >= 0 && config_interval(c.save_steps, 1000) >= 1,
			  "so are those that depend on the run");
	}
	buf_free(&problems);
	buf_free(&json);
	config_close(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum config_use uses[] = { CONFIG_SFT, CONFIG_DPO, CONFIG_TOKENIZE,
						CONFIG_CHAT, CONFIG_EXPORT };
	const char *path = fuzz_file("run.yaml", (struct part){ data, size });

	load(path, uses[size % 5]);
	return 0;
}
