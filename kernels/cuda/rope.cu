/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/cuda.cuh"

#define THREADS 128

/* Pairs of row blockIdx.y, `WIDE` neighbours a thread: 4 where rows, heads and halves begin at 16 bytes. */
template <int WIDE>
__global__ void __launch_bounds__(THREADS)
	rope(float *x, int64_t ld, int rows, int pairs, int half, const int32_t *pos,
	     const float *cos_table, const float *sin_table, float sign)
{
	int at = (blockIdx.x * THREADS + threadIdx.x) * WIDE;

	if (at >= pairs)
		return;
	for (int t = blockIdx.y; t < rows; t += gridDim.y) {
		int64_t angle = (int64_t)pos[t] * half + at % half;
		float *p = x + t * ld + at / half * 2 * half + at % half;
		alignas(16) float a[WIDE], b[WIDE], c[WIDE], s[WIDE];

		if (WIDE == 4) {
			*(float4 *)a = *(const float4 *)p;
			*(float4 *)b = *(const float4 *)(p + half);
			*(float4 *)c = *(const float4 *)(cos_table + angle);
			*(float4 *)s = *(const float4 *)(sin_table + angle);
		} else {
			a[0] = p[0], b[0] = p[half];
			c[0] = cos_table[angle], s[0] = sin_table[angle];
		}
#pragma unroll
		for (int k = 0; k < WIDE; k++) {
			float turned = a[k] * c[k] - b[k] * (sign * s[k]);

			b[k] = b[k] * c[k] + a[k] * (sign * s[k]);
			a[k] = turned;
		}
		if (WIDE == 4) {
			*(float4 *)p = *(float4 *)a;
			*(float4 *)(p + half) = *(float4 *)b;
		} else {
			p[0] = a[0], p[half] = b[0];
		}
	}
}

void cuda_rope(struct dev *d, struct mat x, int n_heads, const int32_t *pos, const float *cos_table,
	       const float *sin_table, bool inverse)
{
	struct cuda *c = cuda_of(d);
	int half = (int)(x.cols / n_heads / 2), pairs = half * n_heads;
	bool wide = half % 4 == 0 && view_of<float>(x).vec && (uintptr_t)cos_table % 16 == 0 &&
		    (uintptr_t)sin_table % 16 == 0;
	int part = wide ? 4 * THREADS : THREADS;
	dim3 grid((unsigned)((pairs + part - 1) / part),
		  (unsigned)(x.rows < 65535 ? x.rows : 65535));

	if (!pairs || !x.rows)
		return;
	if (wide)
		LAUNCH(c, "rope", rope<4>, grid, THREADS, 0, (float *)x.p, x.ld, (int)x.rows, pairs,
		       half, pos, cos_table, sin_table, inverse ? -1.0f : 1.0f);
	else
		LAUNCH(c, "rope", rope<1>, grid, THREADS, 0, (float *)x.p, x.ld, (int)x.rows, pairs,
		       half, pos, cos_table, sin_table, inverse ? -1.0f : 1.0f);
}
