/* SPDX-License-Identifier: Apache-2.0 */
/* Ops that move or scale rows. */
#include "kernels/cpu/cpu.h"

#include "base/mem.h"
#include "base/rng.h"
#include "kernels/cpu/vec.h"

CLONES void row_load(float *y, const void *x, enum dtype t, int64_t n)
{
	load_row(y, x, t, n);
}

CLONES void row_store(void *y, enum dtype t, const float *x, int64_t n)
{
	store_row(y, t, x, n);
}

void row_widen(float *y, struct mat m, int64_t i, int64_t j, int64_t n)
{
	const struct dtype_info *info = &dtype_info[m.t];
	const char *p = (const char *)m.p +
			(size_t)((i * m.ld + j) / info->block_elems * info->block_bytes);

	if (info->block_elems == 1)
		row_load(y, p, m.t, n);
	else
		dequant_run(y, (const unsigned char *)p, m.t, n);
}

static void *row(struct mat m, int64_t i)
{
	return (char *)m.p + (size_t)(i * m.ld) * mat_elem(m.t);
}

/* dst = src for rows of n elements of any two types. */
static void convert(void *dst, enum dtype dt, const void *src, enum dtype st, int64_t n)
{
	if (dt == st)
		memcpy(dst, src, (size_t)n * mat_elem(dt));
	else if (dt == DT_F32)
		row_load(dst, src, st, n);
	else
		row_store(dst, dt, src, n);
}

void cpu_cast(struct dev *d, struct mat dst, struct mat src)
{
	(void)d;
#pragma omp parallel for if (dst.rows * dst.cols > PARALLEL_FROM)
	for (int64_t i = 0; i < dst.rows; i++)
		convert(row(dst, i), dst.t, row(src, i), src.t, dst.cols);
}

void cpu_dequant(struct dev *d, struct mat dst, const void *src, enum dtype t)
{
	const struct dtype_info *info = &dtype_info[t];

	(void)d;
	/* Rows are whole blocks: dims[0] of a tensor is a multiple of the block. */
#pragma omp parallel for if (dst.rows * dst.cols > PARALLEL_FROM)
	for (int64_t i = 0; i < dst.rows; i++) {
		const unsigned char *p =
			(const unsigned char *)src +
			(size_t)(i * dst.cols / info->block_elems * info->block_bytes);
		float y[256];

		for (int64_t j = 0; j < dst.cols; j += 256) {
			int64_t n = dst.cols - j < 256 ? dst.cols - j : 256;

			dequant_run(y, p, t, n);
			p += n / info->block_elems * info->block_bytes;
			convert((char *)row(dst, i) + (size_t)j * mat_elem(dst.t), dst.t, y, DT_F32,
				n);
		}
	}
}

void cpu_embed(struct dev *d, struct mat y, struct mat table, const int32_t *ids)
{
	(void)d;
#pragma omp parallel for if (y.rows * y.cols > PARALLEL_FROM)
	for (int64_t i = 0; i < y.rows; i++)
		row_widen(row(y, i), table, ids[i], 0, y.cols);
}

CLONES static void add_row(float *y, const float *x, int64_t n)
{
	for (int64_t j = 0; j < n; j++)
		y[j] += x[j];
}

void cpu_scatter_add(struct dev *d, struct mat y, struct mat x, const int32_t *rows)
{
	(void)d; /* one thread: rows may repeat, and their order is the contract */
	for (int64_t i = 0; i < x.rows; i++)
		add_row(row(y, rows[i]), row(x, i), x.cols);
}

CLONES static void add_wide(float *y, const void *x, enum dtype t, int64_t n)
{
	float wide[256];

	for (int64_t j = 0; j < n; j += 256) {
		int64_t m = n - j < 256 ? n - j : 256;

		load_row(wide, (const char *)x + (size_t)j * mat_elem(t), t, m);
		for (int64_t l = 0; l < m; l++)
			y[j + l] += wide[l];
	}
}

void cpu_add(struct dev *d, struct mat y, struct mat x)
{
	(void)d;
#pragma omp parallel for if (y.rows * y.cols > PARALLEL_FROM)
	for (int64_t i = 0; i < y.rows; i++)
		add_wide(row(y, i), row(x, i), x.t, y.cols);
}

CLONES static void scale_row(float *x, float c, int64_t n)
{
	for (int64_t j = 0; j < n; j++)
		x[j] *= c;
}

void cpu_scale_rows(struct dev *d, struct mat x, const float *coef)
{
	(void)d;
#pragma omp parallel for if (x.rows * x.cols > PARALLEL_FROM)
	for (int64_t i = 0; i < x.rows; i++)
		scale_row(row(x, i), coef[i], x.cols);
}

void cpu_dropout(struct dev *d, struct mat y, struct mat x, float p, uint64_t seed, uint32_t stream)
{
	float keep = 1 / (1 - p);

	(void)d;
#pragma omp parallel for if (x.rows * x.cols > PARALLEL_FROM)
	for (int64_t i = 0; i < x.rows; i++) {
		for (int64_t j = 0; j < x.cols; j++) {
			float u = rng_uniform(seed, stream, (uint64_t)(i * x.cols + j));

			elem_set(y, i, j, u >= p ? elem_get(x, i, j) * keep : 0);
		}
	}
}
