/* SPDX-License-Identifier: Apache-2.0 */
/* y = silu(g) u. With z = sigmoid(g): d silu/dg = z (1 + g (1 - z)). */
#include "kernels/cpu/cpu.h"

#include "kernels/cpu/vec.h"

#define CHUNK 256

CLONES static void forward(void *y, enum dtype yt, const void *gate, const void *up, enum dtype t,
			   int64_t n)
{
	float g[CHUNK], u[CHUNK];

	load_row(g, gate, t, n);
	load_row(u, up, t, n);
	for (int64_t j = 0; j < n; j++)
		u[j] = g[j] / (1 + exp_f32(-g[j])) * u[j];
	store_row(y, yt, u, n);
}

CLONES static void backward(void *dgate, void *dup, enum dtype dt, const float *dy,
			    const void *gate, const void *up, enum dtype t, int64_t n)
{
	float g[CHUNK], u[CHUNK];

	load_row(g, gate, t, n);
	load_row(u, up, t, n);
	for (int64_t j = 0; j < n; j++) {
		float z = 1 / (1 + exp_f32(-g[j])), du = dy[j] * g[j] * z;

		g[j] = dy[j] * u[j] * z * (1 + g[j] * (1 - z));
		u[j] = du;
	}
	store_row(dgate, dt, g, n);
	store_row(dup, dt, u, n);
}

static char *at(struct mat m, int64_t i, int64_t j)
{
	return (char *)m.p + (size_t)(i * m.ld + j) * mat_elem(m.t);
}

void cpu_swiglu(struct dev *d, struct mat y, struct mat gate, struct mat up)
{
	(void)d;
#pragma omp parallel for if (y.rows * y.cols > PARALLEL_FROM)
	for (int64_t i = 0; i < y.rows; i++)
		for (int64_t j = 0; j < y.cols; j += CHUNK)
			forward(at(y, i, j), y.t, at(gate, i, j), at(up, i, j), gate.t,
				y.cols - j < CHUNK ? y.cols - j : CHUNK);
}

void cpu_swiglu_bwd(struct dev *d, struct mat dgate, struct mat dup, struct mat dy, struct mat gate,
		    struct mat up)
{
	(void)d;
#pragma omp parallel for if (dy.rows * dy.cols > PARALLEL_FROM)
	for (int64_t i = 0; i < dy.rows; i++)
		for (int64_t j = 0; j < dy.cols; j += CHUNK)
			backward(at(dgate, i, j), at(dup, i, j), dgate.t, (float *)at(dy, i, j),
				 at(gate, i, j), at(up, i, j), gate.t,
				 dy.cols - j < CHUNK ? dy.cols - j : CHUNK);
}
