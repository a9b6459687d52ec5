/* SPDX-License-Identifier: Apache-2.0 */
/* Rotary position embedding, half-split. A rotation: its gradient is the inverse rotation. */
#include "kernels/cpu/cpu.h"

#include "kernels/cpu/vec.h"

CLONES static void rotate(float *x, const float *c, const float *s, float sign, int64_t half)
{
	for (int64_t j = 0; j < half; j++) {
		float a = x[j], b = x[j + half], sj = s[j] * sign;

		x[j] = a * c[j] - b * sj;
		x[j + half] = b * c[j] + a * sj;
	}
}

void cpu_rope(struct dev *d, struct mat x, int n_heads, const int32_t *pos, const float *cos_table,
	      const float *sin_table, bool inverse)
{
	int64_t size = x.cols / n_heads, half = size / 2;

	(void)d;
#pragma omp parallel for if (x.rows * x.cols > PARALLEL_FROM)
	for (int64_t t = 0; t < x.rows; t++)
		for (int h = 0; h < n_heads; h++)
			rotate((float *)x.p + t * x.ld + h * size, cos_table + pos[t] * half,
			       sin_table + pos[t] * half, inverse ? -1 : 1, half);
}
