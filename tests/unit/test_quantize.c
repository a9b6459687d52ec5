/* SPDX-License-Identifier: Apache-2.0 */
/* Quantised blocks against ggml's own (tests/golden/quant), byte for byte. */
#include "tests/tap.h"

#include "base/file.h"
#include "base/mem.h"
#include "format/quantize.h"

static struct err err;

static void test_type(const char *name, enum dtype t, const struct file *in)
{
	size_t n = in->n / sizeof(float), bytes = 0, same = 0, block;
	float *x = mem_new(n, sizeof(*x));
	unsigned char *got;
	struct file want = { 0 };
	char path[64];

	memcpy(x, in->p, in->n);
	snprintf(path, sizeof(path), "quant/%s.bin", name);
	check(dtype_bytes(t, n, &bytes) && file_open(&want, golden(path), &err) == 0 &&
		      want.n == bytes,
	      "%s: as many bytes as the blocks take", name);
	got = mem_new(bytes, 1);
	quantize(t, x, n, got);
	block = (size_t)dtype_info[t].block_bytes;
	for (size_t i = 0; i < bytes / block; i++)
		same += !memcmp(got + i * block, want.p + i * block, block);
	check(same == bytes / block, "%s: blocks as ggml makes them", name);
	note("%zu of %zu", same, bytes / block);
	file_close(&want);
	mem_free(got);
	mem_free(x);
}

/* Blocks that a search could trip over. */
static void test_odd(void)
{
	static const enum dtype types[] = { DT_Q4_0, DT_Q4_1, DT_Q5_0, DT_Q5_1,
					    DT_Q8_0, DT_Q4_K, DT_Q5_K, DT_Q6_K };
	static const float values[] = { 0, 1, -1, 1e-30f, 1e-42f, 60000, 1e30f };
	unsigned char a[272], b[272];
	float x[256];

	for (size_t t = 0; t < sizeof(types) / sizeof(*types); t++) {
		bool same = true;

		for (size_t v = 0; v < sizeof(values) / sizeof(*values); v++) {
			for (int i = 0; i < 256; i++)
				x[i] = values[v];
			memset(a, 1, sizeof(a));
			memset(b, 2, sizeof(b));
			quantize(types[t], x, 256, a);
			quantize(types[t], x, 256, b);
			same &= !memcmp(a, b, (size_t)dtype_info[types[t]].block_bytes);
		}
		check(same, "%s: every byte of a flat block is written", dtype_info[types[t]].name);
	}
}

int main(void)
{
	static const struct {
		const char *name;
		enum dtype type;
	} types[] = { { "f16", DT_F16 },   { "bf16", DT_BF16 }, { "q4_0", DT_Q4_0 },
		      { "q4_1", DT_Q4_1 }, { "q5_0", DT_Q5_0 }, { "q5_1", DT_Q5_1 },
		      { "q8_0", DT_Q8_0 }, { "q4_K", DT_Q4_K }, { "q5_K", DT_Q5_K },
		      { "q6_K", DT_Q6_K } };
	struct file in = { 0 };

	check(file_open(&in, golden("quant/input.f32"), &err) == 0, "the numbers");
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		test_type(types[i].name, types[i].type, &in);
	test_odd();
	file_close(&in);
	return tap_done();
}
