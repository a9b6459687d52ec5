/* SPDX-License-Identifier: Apache-2.0 */
/* RMSNorm of vectors: a warp for a short one, a block for a long one; what a thread read first it keeps
 * in registers, CHUNKS runs of 8, and reads the rest again. */
#include "kernels/cuda/cuda.cuh"

#define CHUNKS  4
#define THREADS 256
#define SHORT   1024 /* the longest vector that one warp takes */

/* Vector v of rows of n_heads of them. */
template <typename T>
__device__ __forceinline__ view<T> vector_at(view<T> m, int64_t v, int heads, int64_t size)
{
	m.p += v / heads * m.ld + v % heads * size;
	return m;
}

/* The sum over the LANES threads of a vector, in all of them. */
template <int LANES> __device__ __forceinline__ float lanes_sum(float x)
{
	__shared__ float part[THREADS / 32];

	x = warp_sum(x);
	if (LANES == 32)
		return x;
	if (threadIdx.x % 32 == 0)
		part[threadIdx.x / 32] = x;
	__syncthreads();
	x = 0;
#pragma unroll
	for (int i = 0; i < LANES / 32; i++)
		x += part[i];
	return x;
}

__device__ __forceinline__ int run(int64_t size, int64_t j)
{
	return size - j >= 8 ? 8 : size > j ? (int)(size - j) : 0;
}

template <int LANES, typename Y>
__global__ void __launch_bounds__(THREADS)
	rmsnorm(view<Y> y, float *rstd, view<float> x, int64_t vectors, int heads, int64_t size,
		view<float> w, float eps)
{
	int64_t v = (int64_t)blockIdx.x * (THREADS / LANES) + threadIdx.x / LANES;
	int64_t at = threadIdx.x % LANES * 8, step = LANES * 8;
	float kept[CHUNKS][8], a[8], b[8], sum = 0, r;

	if (v >= vectors) /* a whole warp, or a whole block */
		return;
	x = vector_at(x, v, heads, size);
	y = vector_at(y, v, heads, size);
#pragma unroll
	for (int c = 0; c < CHUNKS; c++)
		load(kept[c], x, 0, at + c * step, run(size, at + c * step));
#pragma unroll
	for (int c = 0; c < CHUNKS; c++)
#pragma unroll
		for (int k = 0; k < 8; k++)
			sum += kept[c][k] * kept[c][k];
	for (int64_t j = at + CHUNKS * step; j < size; j += step) {
		load(a, x, 0, j, run(size, j));
#pragma unroll
		for (int k = 0; k < 8; k++)
			sum += a[k] * a[k];
	}
	r = 1 / sqrtf(lanes_sum<LANES>(sum) / (float)size + eps);
	if (at == 0)
		rstd[v] = r;
#pragma unroll
	for (int c = 0; c < CHUNKS; c++) {
		int64_t j = at + c * step;
		int n = run(size, j);

		load(b, w, 0, j, n);
#pragma unroll
		for (int k = 0; k < 8; k++)
			b[k] *= kept[c][k] * r;
		if (n)
			store(y, 0, j, n, b);
	}
	for (int64_t j = at + CHUNKS * step; j < size; j += step) {
		load(a, x, 0, j, run(size, j));
		load(b, w, 0, j, run(size, j));
#pragma unroll
		for (int k = 0; k < 8; k++)
			b[k] *= a[k] * r;
		store(y, 0, j, run(size, j), b);
	}
}

/* Vectors begin at 16 bytes when rows do and a vector is whole runs of 16 bytes. */
template <typename T> static view<T> vectors_of(struct mat m, int64_t size)
{
	view<T> v = view_of<T>(m);

	v.vec = v.vec && (size * sizeof(T) % 16 == 0 || size == m.cols);
	return v;
}

template <typename Y>
static void forward(struct cuda *c, struct mat y, float *rstd, struct mat x, int heads,
		    const float *w, float eps)
{
	int64_t size = x.cols / heads, vectors = x.rows * heads;
	view<float> weights = view_of<float>(mat_view((void *)w, DT_F32, 1, size));

	if (size <= SHORT)
		LAUNCH(c, "rmsnorm", (rmsnorm<32, Y>), (unsigned)((vectors + 7) / 8), THREADS, 0,
		       vectors_of<Y>(y, size), rstd, vectors_of<float>(x, size), vectors, heads,
		       size, weights, eps);
	else
		LAUNCH(c, "rmsnorm", (rmsnorm<THREADS, Y>), (unsigned)vectors, THREADS, 0,
		       vectors_of<Y>(y, size), rstd, vectors_of<float>(x, size), vectors, heads,
		       size, weights, eps);
}

void cuda_rmsnorm(struct dev *d, struct mat y, float *rstd, struct mat x, int n_heads,
		  const float *w, float eps)
{
	struct cuda *c = cuda_of(d);

	if (!x.rows || !x.cols)
		return;
	y.t == DT_BF16 ? forward<uint16_t>(c, y, rstd, x, n_heads, w, eps)
		       : forward<float>(c, y, rstd, x, n_heads, w, eps);
}

#define KEPT 2 /* of x and of g */

template <int LANES>
__global__ void __launch_bounds__(THREADS)
	rmsnorm_bwd(view<float> dx, view<float> dy, view<float> x, int64_t vectors, int heads,
		    int64_t size, const float *rstd, view<float> w)
{
	int64_t v = (int64_t)blockIdx.x * (THREADS / LANES) + threadIdx.x / LANES;
	int64_t at = threadIdx.x % LANES * 8, step = LANES * 8;
	float kept_x[KEPT][8], kept_g[KEPT][8], a[8], g[8], b[8], sum = 0, r, pull;

	if (v >= vectors)
		return;
	x = vector_at(x, v, heads, size);
	dy = vector_at(dy, v, heads, size);
	dx = vector_at(dx, v, heads, size);
	r = rstd[v];
#pragma unroll
	for (int c = 0; c < KEPT; c++) {
		int64_t j = at + c * step;

		load(kept_x[c], x, 0, j, run(size, j));
		load(kept_g[c], dy, 0, j, run(size, j));
		load(b, w, 0, j, run(size, j));
#pragma unroll
		for (int k = 0; k < 8; k++) {
			kept_g[c][k] *= b[k];
			sum += kept_g[c][k] * kept_x[c][k];
		}
	}
	for (int64_t j = at + KEPT * step; j < size; j += step) {
		load(a, x, 0, j, run(size, j));
		load(g, dy, 0, j, run(size, j));
		load(b, w, 0, j, run(size, j));
#pragma unroll
		for (int k = 0; k < 8; k++)
			sum += g[k] * b[k] * a[k];
	}
	pull = r * r * (lanes_sum<LANES>(sum) / (float)size);
#pragma unroll
	for (int c = 0; c < KEPT; c++) {
		int64_t j = at + c * step;
		int n = run(size, j);

		load(b, dx, 0, j, n);
#pragma unroll
		for (int k = 0; k < 8; k++)
			b[k] += r * (kept_g[c][k] - kept_x[c][k] * pull);
		if (n)
			store(dx, 0, j, n, b);
	}
	for (int64_t j = at + KEPT * step; j < size; j += step) {
		int n = run(size, j);

		load(a, x, 0, j, n);
		load(g, dy, 0, j, n);
		load(b, w, 0, j, n);
#pragma unroll
		for (int k = 0; k < 8; k++)
			g[k] *= b[k];
		load(b, dx, 0, j, n);
#pragma unroll
		for (int k = 0; k < 8; k++)
			b[k] += r * (g[k] - a[k] * pull);
		store(dx, 0, j, n, b);
	}
}

void cuda_rmsnorm_bwd(struct dev *d, struct mat dx, struct mat dy, struct mat x, int n_heads,
		      const float *rstd, const float *w)
{
	struct cuda *c = cuda_of(d);
	int64_t size = x.cols / n_heads, vectors = x.rows * n_heads;
	view<float> weights = view_of<float>(mat_view((void *)w, DT_F32, 1, size));

	if (!vectors || !size)
		return;
	if (size <= SHORT)
		LAUNCH(c, "rmsnorm_bwd", rmsnorm_bwd<32>, (unsigned)((vectors + 7) / 8), THREADS, 0,
		       vectors_of<float>(dx, size), vectors_of<float>(dy, size),
		       vectors_of<float>(x, size), vectors, n_heads, size, rstd, weights);
	else
		LAUNCH(c, "rmsnorm_bwd", rmsnorm_bwd<THREADS>, (unsigned)vectors, THREADS, 0,
		       vectors_of<float>(dx, size), vectors_of<float>(dy, size),
		       vectors_of<float>(x, size), vectors, n_heads, size, rstd, weights);
}
