/* SPDX-License-Identifier: Apache-2.0 */
/* RMSNorm and its gradient. With r = rstd and g = dy w: d/dx_j of x_i r is r (delta_ij - x_i x_j
 * r^2 / D), so dx = r (g - x r^2 mean(g x)). */
#include "kernels/cpu/cpu.h"

#include "kernels/cpu/vec.h"

#include <math.h>

CLONES static float sum_squares(const float *x, int64_t n)
{
	float lane[LANES] = { 0 }, tail = 0;
	int64_t j = 0;

	for (; j + LANES <= n; j += LANES)
		for (int l = 0; l < LANES; l++)
			lane[l] += x[j + l] * x[j + l];
	for (; j < n; j++)
		tail += x[j] * x[j];
	return fold(lane) + tail;
}

CLONES static void norm_row(void *y, enum dtype t, const float *x, const float *w, float r,
			    int64_t n)
{
	float out[64];

	for (int64_t j = 0; j < n; j += 64) {
		int64_t m = n - j < 64 ? n - j : 64;

		for (int64_t l = 0; l < m; l++)
			out[l] = x[j + l] * r * w[j + l];
		store_row((char *)y + (size_t)j * mat_elem(t), t, out, m);
	}
}

void cpu_rmsnorm(struct dev *d, struct mat y, float *rstd, struct mat x, int n_heads,
		 const float *w, float eps)
{
	int64_t size = x.cols / n_heads;

	(void)d;
#pragma omp parallel for if (x.rows * x.cols > PARALLEL_FROM)
	for (int64_t i = 0; i < x.rows; i++) {
		for (int h = 0; h < n_heads; h++) {
			const float *row = (const float *)x.p + i * x.ld + h * size;
			float *r = rstd + i * n_heads + h;

			*r = 1 / sqrtf(sum_squares(row, size) / (float)size + eps);
			norm_row((char *)y.p + (size_t)(i * y.ld + h * size) * mat_elem(y.t), y.t,
				 row, w, *r, size);
		}
	}
}

CLONES static void bwd_row(float *dx, const float *dy, const float *x, const float *w, float r,
			   int64_t n)
{
	float lane[LANES] = { 0 }, tail = 0, c;
	int64_t j = 0;

	for (; j + LANES <= n; j += LANES)
		for (int l = 0; l < LANES; l++)
			lane[l] += dy[j + l] * w[j + l] * x[j + l];
	for (; j < n; j++)
		tail += dy[j] * w[j] * x[j];
	c = (fold(lane) + tail) / (float)n * r * r;
	for (j = 0; j < n; j++)
		dx[j] += r * (dy[j] * w[j] - x[j] * c);
}

void cpu_rmsnorm_bwd(struct dev *d, struct mat dx, struct mat dy, struct mat x, int n_heads,
		     const float *rstd, const float *w)
{
	int64_t size = x.cols / n_heads;

	(void)d;
#pragma omp parallel for if (x.rows * x.cols > PARALLEL_FROM)
	for (int64_t i = 0; i < x.rows; i++)
		for (int h = 0; h < n_heads; h++)
			bwd_row((float *)dx.p + i * dx.ld + h * size,
				(float *)dy.p + i * dy.ld + h * size,
				(float *)x.p + i * x.ld + h * size, w, rstd[i * n_heads + h], size);
}
