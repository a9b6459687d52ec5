/* SPDX-License-Identifier: Apache-2.0 */
/* Cross entropy of whole rows: log-probability and gradient for unit weight in one pass. */
#include "kernels/cpu/cpu.h"

#include "kernels/cpu/vec.h"

#include <math.h>

CLONES static float row_max(const float *x, int64_t n)
{
	float lane[LANES], max = x[0];
	int64_t j = 0;

	for (int l = 0; l < LANES; l++)
		lane[l] = x[0];
	for (; j + LANES <= n; j += LANES)
		for (int l = 0; l < LANES; l++)
			lane[l] = x[j + l] > lane[l] ? x[j + l] : lane[l];
	for (; j < n; j++)
		max = x[j] > max ? x[j] : max;
	for (int l = 0; l < LANES; l++)
		max = lane[l] > max ? lane[l] : max;
	return max;
}

/* x = exp(x - max); returns the sum, taken in double over runs of 1024. */
CLONES static double exponents(float *x, float max, int64_t n)
{
	double sum = 0;

	for (int64_t j = 0; j < n; j += 1024) {
		float lane[LANES] = { 0 };
		int64_t m = n - j < 1024 ? n - j : 1024, i = 0;

		for (int64_t l = 0; l < m; l++)
			x[j + l] = exp_f32(x[j + l] - max);
		for (; i + LANES <= m; i += LANES)
			for (int l = 0; l < LANES; l++)
				lane[l] += x[j + i + l];
		for (; i < m; i++)
			lane[0] += x[j + i];
		sum += fold(lane);
	}
	return sum;
}

CLONES static void gradient(void *dst, enum dtype t, const float *e, float scale, int64_t n)
{
	float out[64];

	for (int64_t j = 0; j < n; j += 64) {
		int64_t m = n - j < 64 ? n - j : 64;

		for (int64_t l = 0; l < m; l++)
			out[l] = e[j + l] * scale;
		store_row((char *)dst + (size_t)j * mat_elem(t), t, out, m);
	}
}

void cpu_xent(struct dev *d, float *logp, struct mat dlogits, struct mat logits,
	      const int32_t *targets)
{
	(void)d; /* logits are overwritten: the op may, nobody reads them after */
#pragma omp parallel for if (logits.rows * logits.cols > PARALLEL_FROM)
	for (int64_t i = 0; i < logits.rows; i++) {
		float *x = (float *)logits.p + i * logits.ld, at = x[targets[i]];
		float max = row_max(x, logits.cols);
		double sum = exponents(x, max, logits.cols);

		logp[i] = (float)((double)at - max - log(sum));
		if (!dlogits.p)
			continue;
		gradient((char *)dlogits.p + (size_t)(i * dlogits.ld) * mat_elem(dlogits.t),
			 dlogits.t, x, (float)(1 / sum), logits.cols);
		elem_set(dlogits, i, targets[i], (float)((double)x[targets[i]] / sum - 1));
	}
}
