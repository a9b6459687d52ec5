/* SPDX-License-Identifier: Apache-2.0 */
/* Element types of tensors, in files and on devices. Block types are GGUF's (ggml) layouts. */
#ifndef FORMAT_DTYPE_H
#define FORMAT_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dtype {
	DT_F32,
	DT_F16,
	DT_BF16,
	DT_Q4_0,
	DT_Q4_1,
	DT_Q5_0,
	DT_Q5_1,
	DT_Q8_0,
	DT_Q4_K,
	DT_Q5_K,
	DT_Q6_K,
	DT_I32,
	DT_COUNT,
};

/* A block is block_elems elements in block_bytes bytes (1 element for the plain types). */
struct dtype_info {
	const char *name; /* "BF16": safetensors' and ggml's spelling */
	int block_elems, block_bytes;
	int ggml_type; /* number in a GGUF file, -1: none */
};

extern const struct dtype_info dtype_info[DT_COUNT];

/* Bytes of n elements; false when n is no multiple of the block or it overflows. */
bool dtype_bytes(enum dtype t, uint64_t n, size_t *bytes);
/* -1 when unknown. */
int dtype_from_ggml(uint32_t ggml_type);
int dtype_from_name(const char *name);

/* IEEE half and bfloat16, round to nearest even; NaN stays NaN. */
uint16_t f32_to_f16(float f);
static inline float f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31;
	union {
		uint32_t u;
		float f;
	} x = { .u = (exponent == 31 ? 255 : exponent + 127 - 15) << 23 | (uint32_t)(h & 1023)
										  << 13 };

	if (exponent ==
	    0) /* zero and denormals count units of 2^-24, which a float holds exactly */
		x.f = (float)(h & 1023) * 0x1p-24f;
	x.u |= sign;
	return x.f;
}

static inline float bf16_to_f32(uint16_t h)
{
	union {
		uint32_t u;
		float f;
	} x = { .u = (uint32_t)h << 16 };

	return x.f;
}

static inline uint16_t f32_to_bf16(float f)
{
	union {
		float f;
		uint32_t u;
	} x = { .f = f };

	if ((x.u & 0x7fffffffu) > 0x7f800000u)
		return (uint16_t)(x.u >> 16 | 0x40);
	return (uint16_t)((x.u + 0x7fffu + (x.u >> 16 & 1)) >> 16);
}

#endif
