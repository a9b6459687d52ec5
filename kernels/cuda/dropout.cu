/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/cuda.cuh"

/* rng_u32 of base/rng.h: Philox4x32-10 of (seed, stream, index). What does not hang on the low half of
 * the index is the same for neighbours, and computed once. */
__device__ __forceinline__ unsigned philox(unsigned k0, unsigned k1, unsigned stream, unsigned lo,
					   unsigned hi)
{
	unsigned c0 = lo, c1 = hi, c2 = stream, c3 = 0;

#pragma unroll
	for (int round = 0; round < 10; round++) {
		uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;

		c0 = (unsigned)(b >> 32) ^ c1 ^ k0;
		c2 = (unsigned)(a >> 32) ^ c3 ^ k1;
		c1 = (unsigned)b;
		c3 = (unsigned)a;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	return c0;
}

struct mask {
	unsigned k0, k1, stream, threshold;
	float keep;
};

template <typename T>
static void dropout(struct cuda *c, struct mat y, struct mat x, int64_t cols, struct mask r)
{
	view<T> to = view_of<T>(y), from = view_of<T>(x);

	for_each(c, "dropout", x.rows, x.cols, [=] __device__(int64_t i, int64_t j, int n) {
		uint64_t index = (uint64_t)(i * cols + j);
		unsigned lo = (unsigned)index, hi = (unsigned)(index >> 32);
		float v[8];

		load(v, from, i, j, n);
#pragma unroll
		for (int k = 0; k < 8; k++) {
			unsigned u = philox(r.k0, r.k1, r.stream, lo + k, hi + (lo + k < lo));

			v[k] = u >> 8 >= r.threshold ? v[k] * r.keep : 0;
		}
		store(to, i, j, n, v);
	});
}

void cuda_dropout(struct dev *d, struct mat y, struct mat x, float p, uint64_t seed,
		  uint32_t stream)
{
	/* u 2^-24 >= p, for a whole number u. */
	struct mask r = { (unsigned)seed, (unsigned)(seed >> 32), stream,
			  (unsigned)ceil((double)p * 16777216.0), 1 / (1 - p) };
	int64_t cols = x.cols;

	if (dense(x) && dense(y))
		x = flat(x), y = flat(y);
	x.t == DT_BF16 ? dropout<uint16_t>(cuda_of(d), y, x, cols, r)
		       : dropout<float>(cuda_of(d), y, x, cols, r);
}
