/* SPDX-License-Identifier: Apache-2.0 */
/* Expanding ggml's blocks: little-endian, d and m are halfs. Layouts: llama.cpp's ggml-common.h. */
#include "kernels/elem.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))
/* A loop that was unrolled whole would not be vectorized. */
#define ROLLED _Pragma("GCC unroll 1")

INLINE float half_at(const unsigned char *p)
{
	uint16_t h;

	memcpy(&h, p, 2);
	return f16_to_f32(h);
}

/* y[j] = q[j] d + m of 32 values; m = -0 changes nothing, not even the sign of a zero. */
INLINE void scale32(float *restrict y, const int8_t *restrict q, float d, float m)
{
	for (int j = 0; j < 32; j++)
		y[j] = (float)q[j] * d + m;
}

/* Bytes of two nibbles: n low ones, then n high ones. */
INLINE void unpack(int8_t *restrict q, const unsigned char *restrict qs, int n, int zero)
{
	ROLLED for (int j = 0; j < n; j++) q[j] = (int8_t)((qs[j] & 15) - zero);
	ROLLED for (int j = 0; j < n; j++) q[j + n] = (int8_t)((qs[j] >> 4) - zero);
}

/* 32 values without a fifth bit: low nibbles are 0..15, high nibbles 16..31. */
INLINE void nibbles(float *restrict y, const unsigned char *restrict qs, float d, float m, int zero)
{
	ROLLED for (int j = 0; j < 16; j++) y[j] = (float)((qs[j] & 15) - zero) * d + m;
	ROLLED for (int j = 0; j < 16; j++) y[j + 16] = (float)((qs[j] >> 4) - zero) * d + m;
}

/* The same with one: bit j of high is that of value j. */
INLINE void five_bits(float *y, const unsigned char *qs, uint32_t high, float d, float m, int zero)
{
	int8_t q[32];

	unpack(q, qs, 16, zero);
	for (int j = 0; j < 32; j++)
		q[j] = (int8_t)(q[j] + (int)(high >> j & 1) * 16);
	scale32(y, q, d, m);
}

INLINE void q8_0(float *y, const unsigned char *b)
{
	scale32(y, (const int8_t *)b + 2, half_at(b), -0.0f);
}

/* The 6-bit scale and minimum of sub-block j of Q4_K and Q5_K. */
INLINE void scale_min(const unsigned char *s, int j, int *sc, int *m)
{
	if (j < 4) {
		*sc = s[j] & 63;
		*m = s[j + 4] & 63;
	} else {
		*sc = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
		*m = s[j + 4] >> 4 | (s[j] >> 6) << 4;
	}
}

INLINE void q4_k(float *y, const unsigned char *b)
{
	float d = half_at(b), dmin = half_at(b + 2);

	for (int k = 0; k < 8; k += 2) {
		int8_t q[64];
		int sc, m;

		unpack(q, b + 16 + k * 16, 32, 0);
		for (int h = 0; h < 2; h++) {
			scale_min(b + 4, k + h, &sc, &m);
			scale32(y + 32 * (k + h), q + 32 * h, d * (float)sc, -(dmin * (float)m));
		}
	}
}

INLINE void q5_k(float *y, const unsigned char *b)
{
	float d = half_at(b), dmin = half_at(b + 2);
	const unsigned char *qh = b + 16, *qs = b + 48;

	for (int k = 0; k < 8; k++) {
		int sc, m, shift = k & 1 ? 4 : 0;
		float scale, min;

		scale_min(b + 4, k, &sc, &m);
		scale = d * (float)sc;
		min = dmin * (float)m;
		for (int l = 0; l < 32; l++) {
			int q = (qs[(k / 2) * 32 + l] >> shift & 15) + (qh[l] >> k & 1 ? 16 : 0);

			y[k * 32 + l] = scale * (float)q - min;
		}
	}
}

INLINE void scale16(float *restrict y, const int8_t *restrict q, float d)
{
	ROLLED for (int j = 0; j < 16; j++) y[j] = d * (float)q[j];
}

INLINE void q6_k(float *y, const unsigned char *b)
{
	const unsigned char *ql = b, *qh = b + 128;
	const int8_t *sc = (const int8_t *)(b + 192);
	float d = half_at(b + 208);

	for (int n = 0; n < 2; n++, ql += 64, qh += 32, sc += 8, y += 128) {
		int8_t q[128];

		unpack(q, ql, 64, 32);
		for (int p = 0; p < 4; p++) {
			for (int l = 0; l < 32; l++)
				q[32 * p + l] = (int8_t)(q[32 * p + l] + (qh[l] >> 2 * p & 3) * 16);
			for (int l = 0; l < 32; l += 16)
				scale16(y + 32 * p + l, q + 32 * p + l,
					d * (float)sc[2 * p + l / 16]);
		}
	}
}

/* A run of blocks of one type, compiled for several instruction sets. */
#define RUN(NAME, ELEMS, BYTES, CALL)                                                              \
	CLONES static void NAME(float *y, const unsigned char *b, int64_t n)                       \
	{                                                                                          \
		for (; n > 0; n -= (ELEMS), y += (ELEMS), b += (BYTES))                            \
			CALL;                                                                      \
	}

INLINE uint32_t fifth_bits(const unsigned char *b)
{
	uint32_t high;

	memcpy(&high, b, 4);
	return high;
}

RUN(run_q4_0, 32, 18, nibbles(y, b + 2, half_at(b), -0.0f, 8))
RUN(run_q4_1, 32, 20, nibbles(y, b + 4, half_at(b), half_at(b + 2), 0))
RUN(run_q5_0, 32, 22, five_bits(y, b + 6, fifth_bits(b + 2), half_at(b), -0.0f, 16))
RUN(run_q5_1, 32, 24, five_bits(y, b + 8, fifth_bits(b + 4), half_at(b), half_at(b + 2), 0))
RUN(run_q8_0, 32, 34, q8_0(y, b))
RUN(run_q4_k, 256, 144, q4_k(y, b))
RUN(run_q5_k, 256, 176, q5_k(y, b))
RUN(run_q6_k, 256, 210, q6_k(y, b))
RUN(run_f16, 1, 2, *y = half_at(b))
RUN(run_bf16, 1, 2, *y = bf16_to_f32((uint16_t)(b[0] | b[1] << 8)))

void dequant_run(float *dst, const unsigned char *src, enum dtype t, int64_t n)
{
	static void (*const run[DT_COUNT])(float *, const unsigned char *, int64_t) = {
		[DT_F16] = run_f16,   [DT_BF16] = run_bf16, [DT_Q4_0] = run_q4_0,
		[DT_Q4_1] = run_q4_1, [DT_Q5_0] = run_q5_0, [DT_Q5_1] = run_q5_1,
		[DT_Q8_0] = run_q8_0, [DT_Q4_K] = run_q4_k, [DT_Q5_K] = run_q5_k,
		[DT_Q6_K] = run_q6_k,
	};

	if (run[t])
		run[t](dst, src, n);
	else
		memcpy(dst, src, (size_t)n * sizeof(*dst));
}
