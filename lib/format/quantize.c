/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block quantisers. A block's numbers are q * d or q * d + m; the plain types take d (and m) from
 * the largest (and smallest) number. The K types search: for each group of numbers several scales
 * are tried, the one of least weighted squared error is kept, and the groups' scales become
 * integers themselves, times one half-precision number a block.
 */
#include "format/quantize.h"

#include <math.h>
#include <string.h>

#define SUPER 256 /* numbers of a K block */

/* Nearest integer, ties to even: the sum's last bits are the integer. |x| < 2^22. */
static int nearest(float x)
{
	union {
		float f;
		int32_t i;
	} u = { .f = x + 12582912.0f };

	return (u.i & 0x7fffff) - 0x400000;
}

static int clamp(int q, int low, int high)
{
	return q < low ? low : q > high ? high : q;
}

static void put16(unsigned char *p, uint16_t v)
{
	p[0] = (unsigned char)v;
	p[1] = (unsigned char)(v >> 8);
}

/* Stores a half and returns what it stands for. */
static float put_half(unsigned char *p, float f)
{
	put16(p, f32_to_f16(f));
	return f16_to_f32(f32_to_f16(f));
}

/* 0 where there is none that a float holds: the half of such a d is 0, too. */
static float inverse(float d)
{
	return d != 0 && isfinite(1 / d) ? 1 / d : 0;
}

/* The number of largest size, with its sign; of equals the first. */
static float extreme(const float *x, int n)
{
	float size = 0, value = 0;

	for (int i = 0; i < n; i++) {
		if (fabsf(x[i]) > size) {
			size = fabsf(x[i]);
			value = x[i];
		}
	}
	return value;
}

static void range(const float *x, int n, float *low, float *high)
{
	*low = *high = x[0];
	for (int i = 1; i < n; i++) {
		*low = x[i] < *low ? x[i] : *low;
		*high = x[i] > *high ? x[i] : *high;
	}
}

/* Numbers j and j + 16 share a byte. */
static void put_nibbles(unsigned char *out, const int *q)
{
	for (int j = 0; j < 16; j++)
		out[j] = (unsigned char)((q[j] & 15) | (q[j + 16] & 15) << 4);
}

static void put_fifth_bits(unsigned char *out, const int *q)
{
	uint32_t bits = 0;

	for (int j = 0; j < 32; j++)
		bits |= (uint32_t)(q[j] >> 4 & 1) << j;
	put16(out, (uint16_t)bits);
	put16(out + 2, (uint16_t)(bits >> 16));
}

/* q = trunc(x / d + half): the extreme becomes the lowest of 2 * half levels, less a half. */
static void centred(const float *x, float d, int half, int *q)
{
	float id = inverse(d);

	for (int j = 0; j < 32; j++)
		q[j] = clamp((int)(x[j] * id + ((float)half + 0.5f)), 0, 2 * half - 1);
}

static void q4_0(const float *x, unsigned char *out)
{
	float d = extreme(x, 32) / -8;
	int q[32];

	centred(x, d, 8, q);
	put_half(out, d);
	put_nibbles(out + 2, q);
}

static void q5_0(const float *x, unsigned char *out)
{
	float d = extreme(x, 32) / -16;
	int q[32];

	centred(x, d, 16, q);
	put_half(out, d);
	put_fifth_bits(out + 2, q);
	put_nibbles(out + 6, q);
}

/* Levels from the smallest number up; out begins with d and m. */
static void from_low(const float *x, int levels, unsigned char *out, int *q)
{
	float low, high, d, id;

	range(x, 32, &low, &high);
	d = (high - low) / (float)levels;
	id = inverse(d);
	put_half(out, d);
	put_half(out + 2, low);
	for (int j = 0; j < 32; j++)
		q[j] = clamp((int)((x[j] - low) * id + 0.5f), 0, levels);
}

static void q4_1(const float *x, unsigned char *out)
{
	int q[32];

	from_low(x, 15, out, q);
	put_nibbles(out + 4, q);
}

static void q5_1(const float *x, unsigned char *out)
{
	int q[32];

	from_low(x, 31, out, q);
	put_fifth_bits(out + 4, q);
	put_nibbles(out + 8, q);
}

static void q8_0(const float *x, unsigned char *out)
{
	float d = fabsf(extreme(x, 32)) / 127, id = inverse(d);

	put_half(out, d);
	for (int j = 0; j < 32; j++)
		out[2 + j] = (unsigned char)(int8_t)roundf(x[j] * id);
}

/* How the search of the K types with a minimum (x = scale q - min) goes about it. */
struct search {
	int levels; /* q is 0 to this */
	float first; /* the first scale tried takes levels + first steps for the range */
	int tries;
};

/* Weighted squared error of x against scale q + low. */
static float error_of(const float *x, const float *w, const uint8_t *q, float scale, float low)
{
	float sum = 0;

	for (int i = 0; i < 32; i++) {
		float diff = scale * q[i] + low - x[i];

		sum += w[i] * (diff * diff);
	}
	return sum;
}

/* The best scale and offset (at most 0) for given q, by weighted least squares; false: q is flat. */
static bool fit(const float *x, const float *w, const uint8_t *q, float *scale, float *low)
{
	float sum_w = 0, sum_x = 0, sum_q = 0, sum_qq = 0, sum_xq = 0, det;

	for (int i = 0; i < 32; i++) {
		sum_w += w[i];
		sum_x += w[i] * x[i];
		sum_q += w[i] * q[i];
		sum_qq += w[i] * q[i] * q[i];
		sum_xq += w[i] * q[i] * x[i];
	}
	det = sum_w * sum_qq - sum_q * sum_q;
	if (!(det > 0))
		return false;
	*scale = (sum_w * sum_xq - sum_x * sum_q) / det;
	*low = (sum_qq * sum_x - sum_q * sum_xq) / det;
	if (*low > 0) {
		*low = 0;
		*scale = sum_xq / sum_qq;
	}
	return true;
}

/* Scale of 32 numbers, their q, and in *min what is taken off. Large numbers weigh more. */
static float search_scale(const struct search *s, const float *x, uint8_t *q, float *min)
{
	float w[32], low, high, scale, best, squares = 0;

	for (int i = 0; i < 32; i++)
		squares += x[i] * x[i];
	for (int i = 0; i < 32; i++)
		w[i] = sqrtf(squares / 32) + fabsf(x[i]);
	range(x, 32, &low, &high);
	low = low > 0 ? 0 : low;
	*min = -low;
	memset(q, 0, 32);
	if (high == low)
		return 0;
	scale = 1 / ((float)s->levels / (high - low));
	for (int i = 0; i < 32; i++)
		q[i] = (uint8_t)clamp(nearest((float)s->levels / (high - low) * (x[i] - low)), 0,
				      s->levels);
	best = error_of(x, w, q, scale, low);
	for (int k = 0; k <= s->tries; k++) {
		float steps = (s->first + 0.1f * (float)k + (float)s->levels) / (high + *min);
		float this_scale, this_low, error;
		uint8_t tried[32];

		for (int i = 0; i < 32; i++)
			tried[i] = (uint8_t)clamp(nearest(steps * (x[i] + *min)), 0, s->levels);
		if (!fit(x, w, tried, &this_scale, &this_low))
			continue;
		error = error_of(x, w, tried, this_scale, this_low);
		if (!(error < best))
			continue;
		memcpy(q, tried, 32);
		best = error;
		scale = this_scale;
		*min = -this_low;
	}
	return scale;
}

/* Eight pairs of 6-bit numbers in 12 bytes: the low six bits of the first four pairs, and above them
 * the upper two of the others, whose lower four share a byte. */
static void put_pairs(unsigned char out[12], const int *scale, const int *min)
{
	for (int j = 0; j < 4; j++) {
		out[j] = (unsigned char)(scale[j] | scale[j + 4] >> 4 << 6);
		out[j + 4] = (unsigned char)(min[j] | min[j + 4] >> 4 << 6);
		out[j + 8] = (unsigned char)((scale[j + 4] & 15) | (min[j + 4] & 15) << 4);
	}
}

static float largest(const float *v, int n)
{
	float max = 0;

	for (int i = 0; i < n; i++)
		max = v[i] > max ? v[i] : max;
	return max;
}

/* The 256 q of a block of Q4_K or Q5_K; out gets d, dmin and the 12 bytes of scales. */
static void with_min(const struct search *s, const float *x, unsigned char *out, uint8_t *q)
{
	float scales[8], mins[8], d, dmin, max_scale, max_min;
	int ls[8], lm[8];

	for (int j = 0; j < 8; j++)
		scales[j] = search_scale(s, x + 32 * j, q + 32 * j, &mins[j]);
	max_scale = largest(scales, 8);
	max_min = largest(mins, 8);
	for (int j = 0; j < 8; j++) {
		ls[j] = clamp(nearest((max_scale > 0 ? 63 / max_scale : 0) * scales[j]), 0, 63);
		lm[j] = clamp(nearest((max_min > 0 ? 63 / max_min : 0) * mins[j]), 0, 63);
	}
	d = put_half(out, max_scale / 63);
	dmin = put_half(out + 2, max_min / 63);
	put_pairs(out + 4, ls, lm);
	for (int j = 0; j < 8; j++) { /* again, with the scales that will be read */
		float this_d = d * (float)ls[j], this_min = dmin * (float)lm[j];

		if (this_d == 0)
			continue;
		for (int i = 32 * j; i < 32 * j + 32; i++)
			q[i] = (uint8_t)clamp(nearest((x[i] + this_min) / this_d), 0, s->levels);
	}
}

static void q4_k(const float *x, unsigned char *out)
{
	static const struct search s = { 15, -1, 20 };
	uint8_t q[SUPER];

	with_min(&s, x, out, q);
	for (int i = 0; i < 128; i++) {
		const uint8_t *from = q + i / 32 * 64 + i % 32;

		out[16 + i] = (unsigned char)(from[0] | from[32] << 4);
	}
}

static void q5_k(const float *x, unsigned char *out)
{
	static const struct search s = { 31, -0.5f, 15 };
	uint8_t q[SUPER];

	with_min(&s, x, out, q);
	memset(out + 16, 0, 32);
	for (int i = 0; i < SUPER; i++)
		out[16 + i % 32] |= (unsigned char)(q[i] >> 4 << i / 32);
	for (int i = 0; i < 128; i++) {
		const uint8_t *from = q + i / 32 * 64 + i % 32;

		out[48 + i] = (unsigned char)((from[0] & 15) | (from[32] & 15) << 4);
	}
}

/* Sums of a trial: scale = xq / qq, and xq^2 / qq says how much of x it explains. */
static void weigh(const float *x, float steps, float *xq, float *qq)
{
	*xq = *qq = 0;
	for (int i = 0; i < 16; i++) {
		float w = x[i] * x[i];
		int q = clamp(nearest(steps * x[i]), -32, 31);

		*xq += w * x[i] * (float)q;
		*qq += w * (float)q * (float)q;
	}
}

/* Scale of 16 numbers around 0, each weighing its square; their q, 0 to 63. */
static float search_centred(const float *x, uint8_t *q)
{
	float max = extreme(x, 16), steps, kept, xq, qq, scale, best;

	memset(q, 0, 16);
	if (fabsf(max) < 1e-15f)
		return 0;
	kept = steps = -32 / max;
	weigh(x, steps, &xq, &qq);
	scale = qq != 0 ? xq / qq : 0;
	best = scale * xq;
	for (int k = -9; k <= 9; k++) {
		steps = -(32 + 0.1f * (float)k) / max;
		weigh(x, steps, &xq, &qq);
		if (k == 0 || !(qq > 0 && xq * xq > best * qq))
			continue;
		kept = steps;
		scale = xq / qq;
		best = scale * xq;
	}
	for (int i = 0; i < 16; i++)
		q[i] = (uint8_t)(32 + clamp(nearest(kept * x[i]), -32, 31));
	return scale;
}

static void put_six_bits(unsigned char *low, unsigned char *high, const uint8_t *q)
{
	for (int l = 0; l < 32; l++) {
		low[l] = (unsigned char)((q[l] & 15) | (q[l + 64] & 15) << 4);
		low[l + 32] = (unsigned char)((q[l + 32] & 15) | (q[l + 96] & 15) << 4);
		high[l] = (unsigned char)(q[l] >> 4 | q[l + 32] >> 4 << 2 | q[l + 64] >> 4 << 4 |
					  q[l + 96] >> 4 << 6);
	}
}

static void q6_k(const float *x, unsigned char *out)
{
	float scales[16], max, steps, d;
	uint8_t q[SUPER];

	for (int j = 0; j < 16; j++)
		scales[j] = search_centred(x + 16 * j, q + 16 * j);
	max = extreme(scales, 16);
	if (fabsf(max) < 1e-15f) {
		memset(out, 0, 210);
		return;
	}
	steps = -128 / max;
	d = put_half(out + 208, 1 / steps);
	for (int j = 0; j < 16; j++) {
		int s = clamp(nearest(steps * scales[j]), -128, 127);
		float this_d = d * (float)s;

		out[192 + j] = (unsigned char)(int8_t)s;
		for (int i = 16 * j; this_d != 0 && i < 16 * j + 16; i++)
			q[i] = (uint8_t)(32 + clamp(nearest(x[i] / this_d), -32, 31));
	}
	put_six_bits(out, out + 128, q);
	put_six_bits(out + 64, out + 160, q + 128);
}

static void f32(const float *x, unsigned char *out)
{
	memcpy(out, x, sizeof(*x));
}

static void f16(const float *x, unsigned char *out)
{
	put16(out, f32_to_f16(*x));
}

static void bf16(const float *x, unsigned char *out)
{
	put16(out, f32_to_bf16(*x));
}

void quantize(enum dtype t, const float *x, size_t n, void *out)
{
	static void (*const block[DT_COUNT])(const float *x, unsigned char *out) = {
		[DT_F32] = f32,   [DT_F16] = f16,   [DT_BF16] = bf16, [DT_Q4_0] = q4_0,
		[DT_Q4_1] = q4_1, [DT_Q5_0] = q5_0, [DT_Q5_1] = q5_1, [DT_Q8_0] = q8_0,
		[DT_Q4_K] = q4_k, [DT_Q5_K] = q5_k, [DT_Q6_K] = q6_k,
	};
	size_t elems = (size_t)dtype_info[t].block_elems, bytes = (size_t)dtype_info[t].block_bytes;

#pragma omp parallel for if (n > 65536)
	for (size_t i = 0; i < n / elems; i++)
		block[t](x + i * elems, (unsigned char *)out + i * bytes);
}
