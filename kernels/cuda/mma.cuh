/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensor cores, and tiles in shared memory for them. A tile is rows of E bf16; the 16-byte pieces of a row
 * are permuted by the row's number, so that eight rows' pieces of one column lie in different banks.
 *
 * Lane l of a product of (16, 16) by (16, 8), with g = l / 4 and t = l % 4, holds of the left side rows
 * g, g + 8 at columns 2t, 2t+1, 2t+8, 2t+9; of the right side those rows at column g; of the result rows
 * g and g + 8 at columns 2t, 2t+1. So two results side by side are the left side of the next product.
 */
#ifndef KERNELS_CUDA_MMA_CUH
#define KERNELS_CUDA_MMA_CUH

#include "kernels/cuda/cuda.cuh"

#ifdef CUDA_EMULATION

struct emu_mma {
	float *d;
	const unsigned *a, *b;
};

inline void emu_halves(float f[2], unsigned u)
{
	f[0] = bf16_widen((uint16_t)u);
	f[1] = bf16_widen((uint16_t)(u >> 16));
}

inline void emu_mma_all(void **all)
{
	float a[16][16], b[16][8], d[16][8];

	for (int l = 0; l < 32; l++) {
		const emu_mma *m = (const emu_mma *)all[l];
		int g = l / 4, t = l % 4 * 2;
		float h[2];

		for (int r = 0; r < 4; r++)
			emu_halves(&a[g + r % 2 * 8][t + r / 2 * 8], m->a[r]);
		for (int r = 0; r < 2; r++) {
			emu_halves(h, m->b[r]);
			b[t + r * 8][g] = h[0];
			b[t + r * 8 + 1][g] = h[1];
		}
		for (int r = 0; r < 4; r++)
			d[g + r / 2 * 8][t + r % 2] = m->d[r];
	}
	for (int i = 0; i < 16; i++)
		for (int k = 0; k < 16; k++)
			for (int j = 0; j < 8; j++)
				d[i][j] += a[i][k] * b[k][j];
	for (int l = 0; l < 32; l++)
		for (int r = 0; r < 4; r++)
			((const emu_mma *)all[l])->d[r] = d[l / 4 + r / 2 * 8][l % 4 * 2 + r % 2];
}

inline void mma(float d[4], const unsigned a[4], const unsigned b[2])
{
	emu_mma m = { d, a, b };

	emu_together(&m, emu_mma_all);
}

struct emu_ldmatrix {
	const uint16_t *row;
	unsigned *r;
};

/* Four matrices of (8, 8); lane 8 i + k says where row k of matrix i is. */
template <bool TRANSPOSED> inline void emu_ldmatrix_all(void **all)
{
	for (int l = 0; l < 32; l++)
		for (int i = 0; i < 4; i++) {
			uint16_t x[2];

			for (int k = 0; k < 2; k++) {
				int row = TRANSPOSED ? l % 4 * 2 + k : l / 4;
				int col = TRANSPOSED ? l / 4 : l % 4 * 2 + k;

				x[k] = ((const emu_ldmatrix *)all[8 * i + row])->row[col];
			}
			((const emu_ldmatrix *)all[l])->r[i] = x[0] | (unsigned)x[1] << 16;
		}
}

template <bool TRANSPOSED> inline void ldmatrix(unsigned r[4], const uint16_t *row)
{
	emu_ldmatrix m = { row, r };

	emu_together(&m, emu_ldmatrix_all<TRANSPOSED>);
}

inline void copy16(void *to, const void *from, bool there)
{
	uint4 none = {};

	*(uint4 *)to = there ? *(const uint4 *)from : none;
}

inline void copies_end(void)
{
}

template <int N> inline void copies_wait(void)
{
}

#else

__device__ __forceinline__ void mma(float d[4], const unsigned a[4], const unsigned b[2])
{
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
		     "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
		     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
		     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

template <bool TRANSPOSED>
__device__ __forceinline__ void ldmatrix(unsigned r[4], const uint16_t *row)
{
	unsigned p = (unsigned)__cvta_generic_to_shared(row);

	if (TRANSPOSED)
		asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
			     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
			     : "r"(p)
			     : "memory");
	else
		asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
			     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
			     : "r"(p)
			     : "memory");
}

/* 16 bytes to shared memory, or zeros; they arrive until copies_wait. */
__device__ __forceinline__ void copy16(void *to, const void *from, bool there)
{
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
			     (unsigned)__cvta_generic_to_shared(to)),
		     "l"(from), "r"(there ? 16 : 0)
		     : "memory");
}

/* The copies so far are a group. */
__device__ __forceinline__ void copies_end(void)
{
	asm volatile("cp.async.commit_group;" ::: "memory");
}

/* All but the last N groups of this thread are there. */
template <int N> __device__ __forceinline__ void copies_wait(void)
{
	asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

#endif

#define TILE_THREADS 128 /* four warps */

/* The 16-byte piece of that number in a row of a tile. */
template <int E> __device__ __forceinline__ uint16_t *tile_at(uint16_t *tile, int row, int piece)
{
	return tile + row * E + (piece ^ (row & 7)) * 8;
}

/* Rows [r0, r0 + 16) at pieces p, p + 1, as a left side. */
template <int E>
__device__ __forceinline__ void left_side(unsigned a[4], const uint16_t *tile, int r0, int p,
					  int lane)
{
	ldmatrix<false>(a, tile_at<E>((uint16_t *)tile, r0 + lane % 16, p + lane / 16));
}

/* The transpose of rows [r0, r0 + 16) at pieces p, p + 1, as two right sides: sums run along a row. */
template <int E>
__device__ __forceinline__ void right_rows(unsigned b[4], const uint16_t *tile, int r0, int p,
					   int lane)
{
	ldmatrix<false>(b, tile_at<E>((uint16_t *)tile, r0 + lane % 8 + lane / 16 * 8,
				      p + lane / 8 % 2));
}

/* Rows [r0, r0 + 16) at pieces p, p + 1 as two right sides: sums run along a column. */
template <int E>
__device__ __forceinline__ void right_cols(unsigned b[4], const uint16_t *tile, int r0, int p,
					   int lane)
{
	ldmatrix<true>(b, tile_at<E>((uint16_t *)tile, r0 + lane % 16, p + lane / 16));
}

/* d (16, 8 N) += left rows [l0, +16) times the transpose of right rows [r0, r0 + 8 N): over E. */
template <int E, int N>
__device__ __forceinline__ void rows_by_rows(float (*d)[4], const uint16_t *left, int l0,
					     const uint16_t *right, int r0, int lane)
{
#pragma unroll
	for (int p = 0; p < E / 8; p += 2) {
		unsigned a[4], b[4];

		left_side<E>(a, left, l0, p, lane);
#pragma unroll
		for (int j = 0; j < N; j += 2) {
			right_rows<E>(b, right, r0 + 8 * j, p, lane);
			mma(d[j], a, b);
			mma(d[j + 1], a, b + 2);
		}
	}
}

/* Results j and j + 1 of (16, 8) as a left side in bf16. */
__device__ __forceinline__ void as_left(unsigned a[4], const float (*s)[4])
{
	a[0] = bf16_pack(s[0][0], s[0][1]);
	a[1] = bf16_pack(s[0][2], s[0][3]);
	a[2] = bf16_pack(s[1][0], s[1][1]);
	a[3] = bf16_pack(s[1][2], s[1][3]);
}

/* d (16, E) += s (16, 8 N) in bf16 times the tile's rows [0, 8 N). */
template <int E, int N>
__device__ __forceinline__ void weights_by_rows(float (*d)[4], const float (*s)[4],
						const uint16_t *tile, int lane)
{
#pragma unroll
	for (int k = 0; k < N; k += 2) {
		unsigned a[4], b[4];

		as_left(a, s + k);
#pragma unroll
		for (int p = 0; p < E / 8; p += 2) {
			right_cols<E>(b, tile, 8 * k, p, lane);
			mma(d[p], a, b);
			mma(d[p + 1], a, b + 2);
		}
	}
}

#endif
