/* SPDX-License-Identifier: Apache-2.0 */
/* Inner loops that the compiler vectorizes: to be inlined into CLONES functions. Sums run in LANES
 * parallel lanes that are folded in a fixed order, so the result is the same on every machine. */
#ifndef KERNELS_CPU_VEC_H
#define KERNELS_CPU_VEC_H

#include "kernels/ops.h"

#include <stdint.h>
#include <string.h>

#define LANES 16

static inline __attribute__((always_inline)) float fold(const float *lane)
{
	float s[LANES];

	memcpy(s, lane, sizeof(s));
	for (int w = LANES / 2; w; w /= 2)
		for (int l = 0; l < w; l++)
			s[l] += s[l + w];
	return s[0];
}

/* exp(x) for finite x; relative error below 2e-7; 0 below -87.3, clamped above 88; NaN
 * stays NaN. Cody-Waite
 * reduction by ln 2 in two parts, then a polynomial of degree 6 on [-ln2/2, ln2/2] (Cephes). */
static inline __attribute__((always_inline)) float exp_f32(float x)
{
	const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
	float c = x > -88 ? (x < 88 ? x : 88) : -88; /* NaN: -88 */
	float n = (c * 1.44269504088896341f + magic) - magic;
	float r = (c - n * 0.693359375f) + n * 2.12194440e-4f;
	float p = 1.9875691500e-4f;
	union {
		int32_t i;
		float f;
	} scale;

	p = p * r + 1.3981999507e-3f;
	p = p * r + 8.3334519073e-3f;
	p = p * r + 4.1665795894e-2f;
	p = p * r + 1.6666665459e-1f;
	p = p * r + 5.0000001201e-1f;
	p = p * r * r + r + 1.0f;
	scale.i = ((int32_t)n + 127) << 23;
	return x != x ? x : x < -87.3f ? 0 : p * scale.f;
}

static inline __attribute__((always_inline)) uint16_t to_bf16(float f)
{
	union {
		float f;
		uint32_t u;
	} x = { .f = f };
	uint32_t nan = (x.u & 0x7fffffffu) > 0x7f800000u;

	return (uint16_t)(nan ? x.u >> 16 | 0x40 : (x.u + 0x7fffu + (x.u >> 16 & 1)) >> 16);
}

static inline __attribute__((always_inline)) void load_row(float *y, const void *x, enum dtype t,
							   int64_t n)
{
	if (t == DT_BF16)
		for (int64_t j = 0; j < n; j++)
			y[j] = bf16_to_f32(((const uint16_t *)x)[j]);
	else
		memcpy(y, x, (size_t)n * sizeof(float));
}

static inline __attribute__((always_inline)) void store_row(void *y, enum dtype t, const float *x,
							    int64_t n)
{
	if (t == DT_BF16)
		for (int64_t j = 0; j < n; j++)
			((uint16_t *)y)[j] = to_bf16(x[j]);
	else
		memcpy(y, x, (size_t)n * sizeof(float));
}

/* rows.c: the same two, compiled for each instruction set. */
void row_load(float *y, const void *x, enum dtype t, int64_t n);
void row_store(void *y, enum dtype t, const float *x, int64_t n);
/* Elements [j, j + n) of row i of a matrix of any type; j begins a block of it. */
void row_widen(float *y, struct mat m, int64_t i, int64_t j, int64_t n);

#endif
