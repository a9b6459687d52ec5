/* SPDX-License-Identifier: Apache-2.0 */
/* Matrix products: oneDNN where it can, plain loops where it cannot. Where the library does not
 * multiply bf16 on this processor, operands are widened to fp32 first: slower, never wrong. */
#include "kernels/cpu/cpu.h"

#include "base/mem.h"
#include "kernels/cpu/vec.h"

struct weight {
	int64_t rows, cols;
	struct mat plain; /* without the library's layouts: as it is, fp32 for blocks */
	struct onednn_packed *fwd, *bwd;
};

static struct mat widen(struct cpu *c, enum cpu_scratch which, struct mat m)
{
	struct mat f;

	if (m.t == DT_F32)
		return m;
	f = mat_view(cpu_scratch(c, which, (size_t)(m.rows * m.cols) * 4), DT_F32, m.rows, m.cols);
	cpu_cast(&c->dev, f, m);
	return f;
}

struct weight *cpu_weight_new(struct dev *d, struct mat w, unsigned use, struct err *err)
{
	struct cpu *c = (struct cpu *)d;
	struct weight *r = mem_new(1, sizeof(*r));

	r->rows = w.rows;
	r->cols = w.cols;
	if (c->plain || c->blocks) {
		enum dtype t = c->blocks ? DT_F32 : w.t;

		r->plain = mat_view(host_alloc(d, (size_t)(w.rows * w.cols) * mat_elem(t), err), t,
				    w.rows, w.cols);
		if (r->plain.p) {
			cpu_cast(d, r->plain, w);
			return r;
		}
		goto fail;
	}
#ifdef HAVE_DNNL
	if (!c->bf16_products)
		w = widen(c, SCRATCH_A, w);
	if (use & WEIGHT_FWD && !(r->fwd = onednn_pack(c->library, w, true, err)))
		goto fail;
	if (use & WEIGHT_BWD && !(r->bwd = onednn_pack(c->library, w, false, err)))
		goto fail;
	return r;
#endif
fail:
	(void)use;
	cpu_weight_free(d, r);
	return NULL;
}

void cpu_weight_free(struct dev *d, struct weight *w)
{
	if (!w)
		return;
	host_free(d, w->plain.p);
#ifdef HAVE_DNNL
	onednn_packed_free(w->fwd);
	onednn_packed_free(w->bwd);
#endif
	mem_free(w);
}

size_t cpu_weight_bytes(struct dev *d, enum dtype t, int64_t rows, int64_t cols, unsigned use)
{
	struct cpu *c = (struct cpu *)d;
	size_t one = (size_t)(rows * cols) * (c->plain || c->bf16_products ? mat_elem(t) : 4);

	return c->plain || c->blocks
		       ? one
		       : one * ((use & WEIGHT_FWD ? 1u : 0) + (use & WEIGHT_BWD ? 1u : 0));
}

/* Products in blocks of a fixed size, each on one thread: the same bits for any number of threads. */
#define BLOCK_ROWS 64
#define BLOCK_COLS 256

static void blocks_gemm(struct cpu *cpu, struct mat c, struct mat a, bool ta, struct mat b, bool tb,
			float alpha, float beta, const float *bias)
{
	struct mat to = widen(cpu, SCRATCH_C, c);
	int64_t inner = ta ? a.rows : a.cols;

	a = widen(cpu, SCRATCH_A, a);
	b = widen(cpu, SCRATCH_B, b);
#pragma omp parallel for collapse(2)
	for (int64_t i = 0; i < c.rows; i += BLOCK_ROWS) {
		for (int64_t j = 0; j < c.cols; j += BLOCK_COLS) {
			int64_t m = c.rows - i < BLOCK_ROWS ? c.rows - i : BLOCK_ROWS;
			int64_t n = c.cols - j < BLOCK_COLS ? c.cols - j : BLOCK_COLS;
			float *out = (float *)to.p + i * to.ld + j;

			cpu_sgemm(cpu, ta, tb, m, n, inner, alpha,
				  (float *)a.p + (ta ? i : i * a.ld), a.ld,
				  (float *)b.p + (tb ? j * b.ld : j), b.ld, beta, out, to.ld);
			for (int64_t r = 0; bias && r < m; r++)
				for (int64_t k = 0; k < n; k++)
					out[r * to.ld + k] += bias[j + k];
		}
	}
	if (to.p != c.p)
		cpu_cast(&cpu->dev, c, to);
}

#ifdef HAVE_DNNL
/* m itself when it is of type t and without gaps, else a copy of it that is. */
static struct mat dense(struct cpu *c, enum cpu_scratch which, struct mat m, enum dtype t)
{
	struct mat f;

	if (m.t == t && m.ld == m.cols)
		return m;
	f = mat_view(cpu_scratch(c, which, (size_t)(m.rows * m.cols) * mat_elem(t)), t, m.rows,
		     m.cols);
	cpu_cast(&c->dev, f, m);
	return f;
}

/* One product with a packed weight. With gaps between the rows of x or y the library falls back to
 * its reference loops, a thousand times slower: such views go through scratch, and so do bf16
 * results of fp32 products. */
static void packed(struct cpu *c, struct mat y, struct mat x, const struct onednn_packed *p,
		   const float *bias, bool add)
{
	struct mat to = dense(c, SCRATCH_B, y, c->bf16_products ? y.t : DT_F32);

	x = dense(c, SCRATCH_A, x, c->bf16_products ? x.t : DT_F32);
	if (onednn_gemm_packed(c->library, to, x, p, bias, add) < 0)
		mem_new(SIZE_MAX, 1); /* only out of memory is left as a reason */
	if (to.p != y.p)
		cpu_cast(&c->dev, y, to);
}
#endif

void cpu_linear(struct dev *d, struct mat y, struct mat x, const struct weight *w,
		const float *bias, bool add)
{
#ifdef HAVE_DNNL
	if (w->fwd) {
		packed((struct cpu *)d, y, x, w->fwd, bias, add);
		return;
	}
#endif
	if (((struct cpu *)d)->blocks)
		blocks_gemm((struct cpu *)d, y, x, false, w->plain, true, 1, add, bias);
	else
		plain_gemm(y, x, false, w->plain, true, 1, add, bias);
}

void cpu_linear_bwd(struct dev *d, struct mat dx, struct mat dy, const struct weight *w)
{
#ifdef HAVE_DNNL
	if (w->bwd) {
		packed((struct cpu *)d, dx, dy, w->bwd, NULL, false);
		return;
	}
#endif
	if (((struct cpu *)d)->blocks)
		blocks_gemm((struct cpu *)d, dx, dy, false, w->plain, false, 1, 0, NULL);
	else
		plain_gemm(dx, dy, false, w->plain, false, 1, 0, NULL);
}

/* a^T without gaps: the library is slow at transposed left sides, and those here are skinny. */
static struct mat transposed(struct cpu *c, enum cpu_scratch which, struct mat a)
{
	struct mat t = mat_view(cpu_scratch(c, which, (size_t)(a.rows * a.cols) * mat_elem(a.t)),
				a.t, a.cols, a.rows);

#pragma omp parallel for if (a.rows * a.cols > PARALLEL_FROM)
	for (int64_t j = 0; j < a.cols; j++) {
		for (int64_t i = 0; i < a.rows; i++) {
			if (a.t == DT_BF16)
				((uint16_t *)t.p)[j * t.ld + i] = ((uint16_t *)a.p)[i * a.ld + j];
			else
				((float *)t.p)[j * t.ld + i] = ((float *)a.p)[i * a.ld + j];
		}
	}
	return t;
}

void cpu_gemm(struct dev *d, struct mat c, struct mat a, bool ta, struct mat b, bool tb,
	      float alpha, float beta)
{
	struct cpu *cpu = (struct cpu *)d;

#ifdef HAVE_DNNL
	if (cpu->blocks) {
		blocks_gemm(cpu, c, a, ta, b, tb, alpha, beta, NULL);
		return;
	}
	if (!cpu->plain) {
		struct mat at = a;

		if (ta)
			at = transposed(cpu, SCRATCH_C, a);
		if (!cpu->bf16_products && a.t == DT_BF16) {
			at = widen(cpu, SCRATCH_A, at);
			b = widen(cpu, SCRATCH_B, b);
		}
		if ((c.t == DT_F32 || cpu->bf16_products) &&
		    onednn_gemm(cpu->library, c, at, false, b, tb, alpha, beta) == 0)
			return;
		a = at;
		ta = false;
	}
#endif
	(void)cpu;
	(void)transposed;
	plain_gemm(c, a, ta, b, tb, alpha, beta, NULL);
}

/* Our blocks have 64 rows, oneDNN's sgemm goes by 6 of them; where less than 4 are left over it adds up in
 * another order (found by trying every number of rows on AVX2, oneDNN 2.7). Its packed products on
 * AVX-512 get the same rows: at worst three too many. */
int cpu_steady_rows(struct dev *d, int n)
{
	const struct cpu *c = (const struct cpu *)d;

	while (!c->plain && n % 64 % 6 >= 1 && n % 64 % 6 <= 3)
		n++;
	return n;
}

void cpu_sgemm(const struct cpu *c, bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha,
	       const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *out,
	       int64_t ldc)
{
	struct mat ma = { (void *)a, DT_F32, ta ? k : m, ta ? m : k, lda };
	struct mat mb = { (void *)b, DT_F32, tb ? n : k, tb ? k : n, ldb };
	struct mat mc = { out, DT_F32, m, n, ldc };

#ifdef HAVE_DNNL
	if (!c->plain) {
		onednn_small_sgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, out, ldc);
		return;
	}
#endif
	(void)c;
	plain_gemm(mc, ma, ta, mb, tb, alpha, beta, NULL);
}
