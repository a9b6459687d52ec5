/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products without a library: panels of B are widened to fp32 once and used for all rows. */
#include "kernels/cpu/cpu.h"

#include "base/mem.h"
#include "kernels/cpu/vec.h"

#define PANEL 64 /* columns of C at a time */
#define ROWS  4 /* rows of C at a time */

/* panel[k][j] = op(B)[k][j0 + j], zeros beyond n. */
static void pack(float *panel, struct mat b, bool tb, int64_t inner, int64_t j0, int64_t n)
{
	for (int64_t k = 0; k < inner; k++)
		for (int64_t j = 0; j < PANEL; j++)
			panel[k * PANEL + j] = j >= n ? 0
					       : tb   ? elem_get(b, j0 + j, k)
						      : elem_get(b, k, j0 + j);
}

/* acc[r][j] = sum_k a[r][k] panel[k][j], k in order. */
CLONES static void tile(float *acc, const float *a, int64_t inner, const float *panel)
{
	float c[ROWS][PANEL] = { { 0 } };

	for (int64_t k = 0; k < inner; k++)
		for (int r = 0; r < ROWS; r++)
			for (int j = 0; j < PANEL; j++)
				c[r][j] += a[r * inner + k] * panel[k * PANEL + j];
	memcpy(acc, c, sizeof(c));
}

/* Rows [i0, i0 + ROWS) of op(A) without gaps, zeros beyond the end. */
static void rows_of(float *dst, struct mat a, bool ta, int64_t inner, int64_t i0, int64_t m)
{
	for (int64_t r = 0; r < ROWS; r++)
		for (int64_t k = 0; k < inner; k++)
			dst[r * inner + k] = i0 + r >= m ? 0
					     : ta        ? elem_get(a, k, i0 + r)
							 : elem_get(a, i0 + r, k);
}

void plain_gemm(struct mat c, struct mat a, bool ta, struct mat b, bool tb, float alpha, float beta,
		const float *bias)
{
	int64_t inner = ta ? a.rows : a.cols, panels = (c.cols + PANEL - 1) / PANEL;

#pragma omp parallel for if (c.rows * c.cols * inner > 1 << 18)
	for (int64_t p = 0; p < panels; p++) {
		int64_t j0 = p * PANEL, n = c.cols - j0 < PANEL ? c.cols - j0 : PANEL;
		float *panel = mem_new((size_t)inner * PANEL, sizeof(float));
		float *left = mem_new((size_t)inner * ROWS, sizeof(float)), acc[ROWS * PANEL];

		pack(panel, b, tb, inner, j0, n);
		for (int64_t i = 0; i < c.rows; i += ROWS) {
			rows_of(left, a, ta, inner, i, c.rows);
			tile(acc, left, inner, panel);
			for (int64_t r = 0; r < ROWS && i + r < c.rows; r++) {
				for (int64_t j = 0; j < n; j++) {
					float v = alpha * acc[r * PANEL + j];

					if (beta != 0)
						v += elem_get(c, i + r, j0 + j);
					if (bias)
						v += bias[j0 + j];
					elem_set(c, i + r, j0 + j, v);
				}
			}
		}
		mem_free(panel);
		mem_free(left);
	}
}
