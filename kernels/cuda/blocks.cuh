/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eight neighbours of one GGUF block as floats, to the bit as kernels/quant.c has them: products and sums
 * are rounded one by one. Blocks are 2-byte aligned; e, a multiple of 8, is the place in the block.
 */
#ifndef KERNELS_CUDA_BLOCKS_CUH
#define KERNELS_CUDA_BLOCKS_CUH

#include "kernels/cuda/cuda.cuh"

__device__ __forceinline__ float half_widen(unsigned h)
{
	unsigned sign = (h & 0x8000) << 16, exponent = h >> 10 & 31, u;

	u = (exponent == 31 ? 255 : exponent + 127 - 15) << 23 | (h & 1023) << 13;
	if (exponent == 0)
		u = __float_as_uint((float)(h & 1023) * 0x1p-24f);
	return __uint_as_float(u | sign);
}

__device__ __forceinline__ float half_at(const unsigned char *p)
{
	return half_widen(*(const uint16_t *)p);
}

/* Eight bytes. */
__device__ __forceinline__ uint64_t bytes_at(const unsigned char *p)
{
	const uint16_t *h = (const uint16_t *)p;

	return h[0] | (uint64_t)h[1] << 16 | (uint64_t)h[2] << 32 | (uint64_t)h[3] << 48;
}

/* The same for a place that may be odd. */
__device__ __forceinline__ int byte_of(uint64_t x, int k)
{
	return (int)(x >> 8 * k & 255);
}

/* v[k] = q d + m; m = -0 changes nothing. */
__device__ __forceinline__ void scale8(float v[8], const int q[8], float d, float m)
{
#pragma unroll
	for (int k = 0; k < 8; k++)
		v[k] = __fadd_rn(__fmul_rn((float)q[k], d), m);
}

/* Bits e..e+7 of a block's fifth bits. */
__device__ __forceinline__ unsigned fifth_bits(const unsigned char *p, int e)
{
	const uint16_t *h = (const uint16_t *)p;

	return (h[0] | (unsigned)h[1] << 16) >> e & 255;
}

/* Types of 32: d, perhaps m, perhaps 32 fifth bits, and 16 bytes whose low nibbles come first. */
template <enum dtype T>
__device__ __forceinline__ void nibbles32(float v[8], const unsigned char *b, int e)
{
	const bool has_min = T == DT_Q4_1 || T == DT_Q5_1, fifth = T == DT_Q5_0 || T == DT_Q5_1;
	const int zero = T == DT_Q4_0 ? 8 : T == DT_Q5_0 ? 16 : 0;
	const unsigned char *high = b + (has_min ? 4 : 2);
	uint64_t x = bytes_at(high + (fifth ? 4 : 0) + e % 16) >> (e < 16 ? 0 : 4);
	unsigned h = fifth ? fifth_bits(high, e) : 0;
	int q[8];

#pragma unroll
	for (int k = 0; k < 8; k++)
		q[k] = (byte_of(x, k) & 15) - zero + (int)(h >> k & 1) * 16;
	scale8(v, q, half_at(b), has_min ? half_at(b + 2) : -0.0f);
}

__device__ __forceinline__ void q8_0(float v[8], const unsigned char *b, int e)
{
	uint64_t x = bytes_at(b + 2 + e);
	int q[8];

#pragma unroll
	for (int k = 0; k < 8; k++)
		q[k] = (int8_t)byte_of(x, k);
	scale8(v, q, half_at(b), -0.0f);
}

/* The 6-bit scale and minimum of sub-block j of Q4_K and Q5_K. */
__device__ __forceinline__ void scale_min(const unsigned char *s, int j, int *sc, int *m)
{
	if (j < 4) {
		*sc = s[j] & 63;
		*m = s[j + 4] & 63;
	} else {
		*sc = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
		*m = s[j + 4] >> 4 | (s[j] >> 6) << 4;
	}
}

/* Q4_K, and Q5_K with a bit more in 32 bytes before the nibbles. */
template <bool FIFTH>
__device__ __forceinline__ void q45_k(float v[8], const unsigned char *b, int e)
{
	int j = e / 32, l = e % 32, sc, m, q[8];
	uint64_t x = bytes_at(b + (FIFTH ? 48 : 16) + j / 2 * 32 + l) >> (j & 1 ? 4 : 0);
	uint64_t h = FIFTH ? bytes_at(b + 16 + l) >> j : 0;

	scale_min(b + 4, j, &sc, &m);
#pragma unroll
	for (int k = 0; k < 8; k++)
		q[k] = (byte_of(x, k) & 15) + (byte_of(h, k) & 1) * 16;
	scale8(v, q, __fmul_rn(half_at(b), (float)sc), -__fmul_rn(half_at(b + 2), (float)m));
}

/* Two halves of 128: 64 bytes of nibbles, 32 of two bits more for each quarter. */
__device__ __forceinline__ void q6_k(float v[8], const unsigned char *b, int e)
{
	int n = e / 128, p = e % 128 / 32, l = e % 32, q[8];
	uint64_t x = bytes_at(b + 64 * n + (p & 1) * 32 + l) >> (p < 2 ? 0 : 4);
	uint64_t h = bytes_at(b + 128 + 32 * n + l) >> 2 * p;
	float d = __fmul_rn(half_at(b + 208), (float)(int8_t)b[192 + 8 * n + 2 * p + l / 16]);

#pragma unroll
	for (int k = 0; k < 8; k++)
		q[k] = (byte_of(x, k) & 15) - 32 + (byte_of(h, k) & 3) * 16;
	scale8(v, q, d, -0.0f);
}

/* Elements [at, at + n), n <= 8, of a run of elements of type T that begins with a block; n = 8 and `at`
 * a multiple of 8 where blocks have more than one. */
template <enum dtype T>
__device__ __forceinline__ void expand(float v[8], const unsigned char *src, int64_t at, int n)
{
	if constexpr (T == DT_F32 || T == DT_F16 || T == DT_BF16) {
#pragma unroll
		for (int k = 0; k < 8; k++) {
			v[k] = 0;
			if (k >= n)
				continue;
			if constexpr (T == DT_F32)
				v[k] = ((const float *)src)[at + k];
			else if constexpr (T == DT_BF16)
				v[k] = bf16_widen(((const uint16_t *)src)[at + k]);
			else
				v[k] = half_widen(((const uint16_t *)src)[at + k]);
		}
	} else if constexpr (T == DT_Q8_0) {
		q8_0(v, src + at / 32 * 34, (int)(at % 32));
	} else if constexpr (T == DT_Q4_K || T == DT_Q5_K) {
		q45_k<T == DT_Q5_K>(v, src + at / 256 * (T == DT_Q4_K ? 144 : 176),
				    (int)(at % 256));
	} else if constexpr (T == DT_Q6_K) {
		q6_k(v, src + at / 256 * 210, (int)(at % 256));
	} else {
		const int bytes = T == DT_Q4_0 ? 18 : T == DT_Q4_1 ? 20 : T == DT_Q5_0 ? 22 : 24;

		nibbles32<T>(v, src + at / 32 * bytes, (int)(at % 32));
	}
}

/* X(TYPE) for every type of a frozen matrix. */
#define FILE_TYPES(X)                                                                              \
	X(DT_F32)                                                                                  \
	X(DT_F16)                                                                                  \
	X(DT_BF16)                                                                                 \
	X(DT_Q4_0) X(DT_Q4_1) X(DT_Q5_0) X(DT_Q5_1) X(DT_Q8_0) X(DT_Q4_K) X(DT_Q5_K) X(DT_Q6_K)

/* Bytes of n elements that are whole blocks. */
static inline size_t type_bytes(enum dtype t, int64_t n)
{
	switch (t) {
	case DT_F16:
	case DT_BF16:
		return (size_t)n * 2;
	case DT_Q4_0:
		return (size_t)n / 32 * 18;
	case DT_Q4_1:
		return (size_t)n / 32 * 20;
	case DT_Q5_0:
		return (size_t)n / 32 * 22;
	case DT_Q5_1:
		return (size_t)n / 32 * 24;
	case DT_Q8_0:
		return (size_t)n / 32 * 34;
	case DT_Q4_K:
		return (size_t)n / 256 * 144;
	case DT_Q5_K:
		return (size_t)n / 256 * 176;
	case DT_Q6_K:
		return (size_t)n / 256 * 210;
	default:
		return (size_t)n * 4;
	}
}

#endif
