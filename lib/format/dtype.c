/* SPDX-License-Identifier: Apache-2.0 */
#include "format/dtype.h"

#include "base/mem.h"

#include <string.h>

const struct dtype_info dtype_info[DT_COUNT] = {
	[DT_F32] = { "F32", 1, 4, 0 },        [DT_F16] = { "F16", 1, 2, 1 },
	[DT_BF16] = { "BF16", 1, 2, 30 },     [DT_Q4_0] = { "Q4_0", 32, 18, 2 },
	[DT_Q4_1] = { "Q4_1", 32, 20, 3 },    [DT_Q5_0] = { "Q5_0", 32, 22, 6 },
	[DT_Q5_1] = { "Q5_1", 32, 24, 7 },    [DT_Q8_0] = { "Q8_0", 32, 34, 8 },
	[DT_Q4_K] = { "Q4_K", 256, 144, 12 }, [DT_Q5_K] = { "Q5_K", 256, 176, 13 },
	[DT_Q6_K] = { "Q6_K", 256, 210, 14 }, [DT_I32] = { "I32", 1, 4, 26 },
};

bool dtype_bytes(enum dtype t, uint64_t n, size_t *bytes)
{
	const struct dtype_info *d = &dtype_info[t];

	if (n % (uint64_t)d->block_elems)
		return false;
	return mul_ok(n / (uint64_t)d->block_elems, (size_t)d->block_bytes, bytes);
}

int dtype_from_ggml(uint32_t ggml_type)
{
	for (int i = 0; i < DT_COUNT; i++)
		if (dtype_info[i].ggml_type >= 0 && (uint32_t)dtype_info[i].ggml_type == ggml_type)
			return i;
	return -1;
}

int dtype_from_name(const char *name)
{
	for (int i = 0; i < DT_COUNT; i++)
		if (!strcmp(dtype_info[i].name, name))
			return i;
	return -1;
}

union bits {
	float f;
	uint32_t u;
};

uint16_t f32_to_f16(float f)
{
	union bits x = { .f = f };
	uint16_t sign = (uint16_t)(x.u >> 16 & 0x8000);
	uint32_t a = x.u & 0x7fffffff;

	if (a > 0x7f800000) /* NaN stays one: set the quiet bit, the payload's head may be 0 */
		return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x3ff));
	if (a >= 0x47800000) /* from 2^16 on; what lies just below rounds up to infinity by carry */
		return sign | 0x7c00;
	if (a >= 0x38800000) { /* from 2^-14 on: normal; rebias by 112 */
		uint32_t rounded = a + 0xfff + (a >> 13 & 1);

		return (uint16_t)(sign | (rounded - (112u << 23)) >> 13);
	}
	if (a >= 0x33000000) { /* from 2^-25 on: units of 2^-24; a tie goes to the even one */
		uint32_t shift = 126 - (a >> 23);
		uint32_t m = (a & 0x7fffff) | 0x800000;
		uint32_t unit = m >> shift, rest = m & ((1u << shift) - 1),
			 half = 1u << (shift - 1);

		if (rest > half || (rest == half && (unit & 1)))
			unit++;
		return (uint16_t)(sign | unit);
	}
	return sign;
}
