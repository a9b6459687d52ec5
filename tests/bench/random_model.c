/* SPDX-License-Identifier: Apache-2.0 */
/* random_model SHAPE FOLDER: a model of a known shape with random weights, for benches. Shards for it
 * come from `ds-tokenize --from-ids`. */
#include "tests/random_model.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
	const struct {
		const char *name;
		struct arch a;
	} shapes[] = {
		{ "smollm2-135m", random_arch("llama", 576, 1536, 30, 9, 3, 64, 49152) },
		{ "qwen2.5-0.5b", random_arch("qwen2", 896, 4864, 24, 14, 2, 64, 151936) },
		{ "qwen2.5-1.5b", random_arch("qwen2", 1536, 8960, 28, 12, 2, 128, 151936) },
	};
	struct err err = { 0 };

	for (size_t i = 0; argc == 3 && i < sizeof(shapes) / sizeof(*shapes); i++) {
		if (strcmp(argv[1], shapes[i].name))
			continue;
		if (dir_make(argv[2], &err) == 0 && random_model(argv[2], &shapes[i].a, &err) == 0)
			return 0;
		fprintf(stderr, "random_model: %s\n", err.msg);
		return 2;
	}
	fprintf(stderr, "usage: random_model SHAPE FOLDER; shapes:");
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		fprintf(stderr, " %s", shapes[i].name);
	fprintf(stderr, "\n");
	return 2;
}
