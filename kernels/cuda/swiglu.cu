/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/cuda.cuh"

__device__ __forceinline__ float sigmoid(float x)
{
	return 1 / (1 + expf(-x));
}

template <typename Y, typename X>
static void forward(struct cuda *c, struct mat y, struct mat gate, struct mat up)
{
	view<Y> to = view_of<Y>(y);
	view<X> a = view_of<X>(gate), b = view_of<X>(up);

	for_each(c, "swiglu", y.rows, y.cols, [=] __device__(int64_t i, int64_t j, int n) {
		float g[8], u[8];

		load(g, a, i, j, n);
		load(u, b, i, j, n);
#pragma unroll
		for (int k = 0; k < 8; k++)
			g[k] = g[k] * sigmoid(g[k]) * u[k];
		store(to, i, j, n, g);
	});
}

void cuda_swiglu(struct dev *d, struct mat y, struct mat gate, struct mat up)
{
	struct cuda *c = cuda_of(d);

	if (dense(y) && dense(gate) && dense(up))
		y = flat(y), gate = flat(gate), up = flat(up);
	if (y.t == DT_BF16)
		gate.t == DT_BF16 ? forward<uint16_t, uint16_t>(c, y, gate, up)
				  : forward<uint16_t, float>(c, y, gate, up);
	else
		gate.t == DT_BF16 ? forward<float, uint16_t>(c, y, gate, up)
				  : forward<float, float>(c, y, gate, up);
}

template <typename Y, typename X>
static void backward(struct cuda *c, struct mat dgate, struct mat dup, struct mat dy,
		     struct mat gate, struct mat up)
{
	view<Y> dg = view_of<Y>(dgate), du = view_of<Y>(dup);
	view<X> a = view_of<X>(gate), b = view_of<X>(up);
	view<float> from = view_of<float>(dy);

	for_each(c, "swiglu_bwd", dy.rows, dy.cols, [=] __device__(int64_t i, int64_t j, int n) {
		float g[8], u[8], e[8];

		load(g, a, i, j, n);
		load(u, b, i, j, n);
		load(e, from, i, j, n);
#pragma unroll
		for (int k = 0; k < 8; k++) {
			float z = sigmoid(g[k]), x = g[k];

			g[k] = e[k] * u[k] * z * (1 + x * (1 - z));
			u[k] = e[k] * x * z;
		}
		store(dg, i, j, n, g);
		store(du, i, j, n, u);
	});
}

void cuda_swiglu_bwd(struct dev *d, struct mat dgate, struct mat dup, struct mat dy,
		     struct mat gate, struct mat up)
{
	struct cuda *c = cuda_of(d);

	if (dense(dgate) && dense(dup) && dense(dy) && dense(gate) && dense(up)) {
		dgate = flat(dgate), dup = flat(dup), dy = flat(dy);
		gate = flat(gate), up = flat(up);
	}
	if (dgate.t == DT_BF16)
		gate.t == DT_BF16 ? backward<uint16_t, uint16_t>(c, dgate, dup, dy, gate, up)
				  : backward<uint16_t, float>(c, dgate, dup, dy, gate, up);
	else
		gate.t == DT_BF16 ? backward<float, uint16_t>(c, dgate, dup, dy, gate, up)
				  : backward<float, float>(c, dgate, dup, dy, gate, up);
}
