/* SPDX-License-Identifier: Apache-2.0 */
/* Ops that move or scale rows, element by element. */
#include "kernels/cuda/cuda.cuh"

/* Rounding that keeps what a NaN says, as f32_to_bf16 does; the processor's has one NaN. */
__device__ __forceinline__ unsigned round_bits(float x)
{
	unsigned u = __float_as_uint(x);

	if ((u & 0x7fffffffu) > 0x7f800000u)
		return u >> 16 | 0x40;
	return (u + 0x7fffu + (u >> 16 & 1)) >> 16;
}

__device__ __forceinline__ void store_exact(view<float> m, int64_t i, int64_t j, int n,
					    const float v[8])
{
	store(m, i, j, n, v);
}

__device__ __forceinline__ void store_exact(view<uint16_t> m, int64_t i, int64_t j, int n,
					    const float v[8])
{
	uint16_t *p = m.p + i * m.ld + j;

	if (m.vec && n == 8) {
		*(uint4 *)p = { round_bits(v[0]) | round_bits(v[1]) << 16,
				round_bits(v[2]) | round_bits(v[3]) << 16,
				round_bits(v[4]) | round_bits(v[5]) << 16,
				round_bits(v[6]) | round_bits(v[7]) << 16 };
		return;
	}
#pragma unroll
	for (int k = 0; k < 8; k++)
		if (k < n)
			p[k] = (uint16_t)round_bits(v[k]);
}

template <typename D, typename S> static void cast(struct cuda *c, struct mat dst, struct mat src)
{
	view<D> to = view_of<D>(dst);
	view<S> from = view_of<S>(src);

	for_each(c, "cast", dst.rows, dst.cols, [=] __device__(int64_t i, int64_t j, int n) {
		float v[8];

		load(v, from, i, j, n);
		store_exact(to, i, j, n, v);
	});
}

void cuda_cast(struct dev *d, struct mat dst, struct mat src)
{
	struct cuda *c = cuda_of(d);

	if (dense(dst) && dense(src))
		dst = flat(dst), src = flat(src);
	if (dst.t == DT_BF16)
		src.t == DT_BF16 ? cast<uint16_t, uint16_t>(c, dst, src)
				 : cast<uint16_t, float>(c, dst, src);
	else
		src.t == DT_BF16 ? cast<float, uint16_t>(c, dst, src)
				 : cast<float, float>(c, dst, src);
}

template <typename X> static void add(struct cuda *c, struct mat y, struct mat x)
{
	view<float> to = view_of<float>(y);
	view<X> from = view_of<X>(x);

	for_each(c, "add", y.rows, y.cols, [=] __device__(int64_t i, int64_t j, int n) {
		float a[8], b[8];

		load(a, to, i, j, n);
		load(b, from, i, j, n);
#pragma unroll
		for (int k = 0; k < 8; k++)
			a[k] += b[k];
		store(to, i, j, n, a);
	});
}

void cuda_add(struct dev *d, struct mat y, struct mat x)
{
	if (dense(y) && dense(x))
		y = flat(y), x = flat(x);
	x.t == DT_BF16 ? add<uint16_t>(cuda_of(d), y, x) : add<float>(cuda_of(d), y, x);
}

void cuda_scale_rows(struct dev *d, struct mat x, const float *coef)
{
	view<float> to = view_of<float>(x);

	for_each(cuda_of(d), "scale_rows", x.rows, x.cols,
		 [=] __device__(int64_t i, int64_t j, int n) {
			 float a[8], by = coef[i];

			 load(a, to, i, j, n);
#pragma unroll
			 for (int k = 0; k < 8; k++)
				 a[k] *= by;
			 store(to, i, j, n, a);
		 });
}
