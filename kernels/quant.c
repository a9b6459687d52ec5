/* SPDX-License-Identifier: Apache-2.0 */
/* Expanding ggml's blocks: little-endian, d and m are halfs. Layouts: llama.cpp's ggml-common.h. */
#include "kernels/elem.h"

#include <string.h>

static float half_at(const unsigned char *p)
{
	uint16_t h;

	memcpy(&h, p, 2);
	return f16_to_f32(h);
}

/* 32 values: low nibbles are 0..15, high nibbles 16..31; bit j of high is the fifth bit of j. Types
 * without a minimum pass m = -0: adding it changes nothing, not even the sign of a zero. */
static void nibbles(float *y, const unsigned char *qs, uint32_t high, float d, float m, int zero)
{
	for (int j = 0; j < 16; j++) {
		int lo = (qs[j] & 15) | (int)(high >> j & 1) << 4;
		int hi = qs[j] >> 4 | (int)(high >> (j + 16) & 1) << 4;

		y[j] = (float)(lo - zero) * d + m;
		y[j + 16] = (float)(hi - zero) * d + m;
	}
}

static void q8_0(float *y, const unsigned char *b)
{
	float d = half_at(b);

	for (int j = 0; j < 32; j++)
		y[j] = (float)(int8_t)b[2 + j] * d;
}

/* The 6-bit scale and minimum of sub-block j of Q4_K and Q5_K. */
static void scale_min(const unsigned char *s, int j, int *sc, int *m)
{
	if (j < 4) {
		*sc = s[j] & 63;
		*m = s[j + 4] & 63;
	} else {
		*sc = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
		*m = s[j + 4] >> 4 | (s[j] >> 6) << 4;
	}
}

static void q45_k(float *y, const unsigned char *b, bool five)
{
	float d = half_at(b), dmin = half_at(b + 2);
	const unsigned char *qh = b + 16, *qs = five ? b + 48 : b + 16;

	for (int k = 0; k < 8; k++) {
		int sc, m, shift = k & 1 ? 4 : 0;
		float scale, min;

		scale_min(b + 4, k, &sc, &m);
		scale = d * (float)sc;
		min = dmin * (float)m;
		for (int l = 0; l < 32; l++) {
			int q = qs[(k / 2) * 32 + l] >> shift & 15;

			if (five)
				q += qh[l] >> k & 1 ? 16 : 0;
			y[k * 32 + l] = scale * (float)q - min;
		}
	}
}

static void q6_k(float *y, const unsigned char *b)
{
	const unsigned char *ql = b, *qh = b + 128;
	const int8_t *sc = (const int8_t *)(b + 192);
	float d = half_at(b + 208);

	for (int n = 0; n < 2; n++, ql += 64, qh += 32, sc += 8, y += 128) {
		for (int l = 0; l < 32; l++) {
			int is = l / 16;
			int q1 = ((ql[l] & 15) | (qh[l] & 3) << 4) - 32;
			int q2 = ((ql[l + 32] & 15) | (qh[l] >> 2 & 3) << 4) - 32;
			int q3 = (ql[l] >> 4 | (qh[l] >> 4 & 3) << 4) - 32;
			int q4 = (ql[l + 32] >> 4 | (qh[l] >> 6 & 3) << 4) - 32;

			y[l] = d * (float)sc[is] * (float)q1;
			y[l + 32] = d * (float)sc[is + 2] * (float)q2;
			y[l + 64] = d * (float)sc[is + 4] * (float)q3;
			y[l + 96] = d * (float)sc[is + 6] * (float)q4;
		}
	}
}

static void block(float *y, const unsigned char *b, enum dtype t)
{
	uint32_t high = 0;

	switch (t) {
	case DT_Q4_0:
		nibbles(y, b + 2, 0, half_at(b), -0.0f, 8);
		break;
	case DT_Q4_1:
		nibbles(y, b + 4, 0, half_at(b), half_at(b + 2), 0);
		break;
	case DT_Q5_0:
		memcpy(&high, b + 2, 4);
		nibbles(y, b + 6, high, half_at(b), -0.0f, 16);
		break;
	case DT_Q5_1:
		memcpy(&high, b + 4, 4);
		nibbles(y, b + 8, high, half_at(b), half_at(b + 2), 0);
		break;
	case DT_Q8_0:
		q8_0(y, b);
		break;
	case DT_Q4_K:
		q45_k(y, b, false);
		break;
	case DT_Q5_K:
		q45_k(y, b, true);
		break;
	case DT_Q6_K:
		q6_k(y, b);
		break;
	case DT_F16:
		*y = half_at(b);
		break;
	case DT_BF16:
		*y = bf16_to_f32((uint16_t)(b[0] | b[1] << 8));
		break;
	default:
		memcpy(y, b, 4);
	}
}

void dequant_run(float *dst, const unsigned char *src, enum dtype t, int64_t n)
{
	const struct dtype_info *info = &dtype_info[t];

	for (int64_t i = 0; i < n; i += info->block_elems, src += info->block_bytes)
		block(dst + i, src, t);
}
