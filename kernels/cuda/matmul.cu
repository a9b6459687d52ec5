/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products. cuBLASLt multiplies; the algorithm of a shape is asked for once and kept, so that equal calls
 * give equal bits. It is column-major: a row-major C = A B is its C^T = B^T A^T. What it does not take
 * (bf16 whose rows begin at odd places) goes through the loops at the end.
 */
#include "kernels/cuda/cuda.cuh"

#include <stdlib.h>

#define BUCKETS 1024
/* Up to here all numbers of rows have one algorithm: a row's bits do not depend on those beside it. */
#define FEW_ROWS 64

/* --- algorithms --- */

/* Compared as bytes: filled from zero. */
struct product_key {
	int64_t m, n, k, lda, ldb, ldc;
	int32_t ta, tb, in, out, bias, accumulate;
	int32_t align_a, align_b, align_c, unused;
};

struct product {
	struct product_key key;
	struct product *next;
	cublasLtMatmulDesc_t desc;
	cublasLtMatrixLayout_t a, b, c;
	cublasLtMatmulAlgo_t algo;
	bool ok; /* false: cuBLASLt does not take it */
};

struct products {
	struct product *bucket[BUCKETS];
};

void cuda_products_free(struct products *p)
{
	for (int i = 0; p && i < BUCKETS; i++)
		while (p->bucket[i]) {
			struct product *x = p->bucket[i];

			p->bucket[i] = x->next;
			cublasLtMatmulDescDestroy(x->desc);
			cublasLtMatrixLayoutDestroy(x->a);
			cublasLtMatrixLayoutDestroy(x->b);
			cublasLtMatrixLayoutDestroy(x->c);
			free(x);
		}
	free(p);
}

static cudaDataType_t lt_type(int t)
{
	return t == DT_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

/* Layouts of op(A) (m, k), op(B) (k, n) and C (m, n), column-major, for so many columns of C. */
static bool layouts(struct product *p, int64_t n)
{
	const struct product_key *k = &p->key;
	cudaDataType_t in = lt_type(k->in);

	return cublasLtMatrixLayoutCreate(&p->a, in, (uint64_t)(k->ta ? k->k : k->m),
					  (uint64_t)(k->ta ? k->m : k->k),
					  k->lda) == CUBLAS_STATUS_SUCCESS &&
	       cublasLtMatrixLayoutCreate(&p->b, in, (uint64_t)(k->tb ? n : k->k),
					  (uint64_t)(k->tb ? k->k : n),
					  k->ldb) == CUBLAS_STATUS_SUCCESS &&
	       cublasLtMatrixLayoutCreate(&p->c, lt_type(k->out), (uint64_t)k->m, (uint64_t)n,
					  k->ldc) == CUBLAS_STATUS_SUCCESS;
}

static bool describe(struct product *p)
{
	const struct product_key *k = &p->key;
	cublasOperation_t ta = k->ta ? CUBLAS_OP_T : CUBLAS_OP_N,
			  tb = k->tb ? CUBLAS_OP_T : CUBLAS_OP_N;
	cublasLtEpilogue_t e = k->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;

	/* CUBLAS_COMPUTE_32F: fp32 operands are not cut to TF32. */
	if (cublasLtMatmulDescCreate(&p->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F) !=
	    CUBLAS_STATUS_SUCCESS)
		return false;
	cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSA, &ta, sizeof(ta));
	cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSB, &tb, sizeof(tb));
	cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &e, sizeof(e));
	return layouts(p, k->n);
}

/* The library's first choice for n columns, sums split between blocks only where they are folded in order. */
static bool ask(struct cuda *c, struct product *p, cublasLtMatmulHeuristicResult_t *r)
{
	const struct product_key *k = &p->key;
	uint32_t align[3] = { (uint32_t)k->align_a, (uint32_t)k->align_b, (uint32_t)k->align_c };
	uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
	cublasLtMatmulPreference_t pref;
	size_t work = WORK_BYTES;
	int got = 0;

	if (cublasLtMatmulPreferenceCreate(&pref) != CUBLAS_STATUS_SUCCESS)
		return false;
#define SET(NAME, V)                                                                               \
	cublasLtMatmulPreferenceSetAttribute(pref, CUBLASLT_MATMUL_PREF_##NAME, &(V), sizeof(V))
	SET(MAX_WORKSPACE_BYTES, work);
	SET(REDUCTION_SCHEME_MASK, schemes);
	SET(MIN_ALIGNMENT_A_BYTES, align[0]);
	SET(MIN_ALIGNMENT_B_BYTES, align[1]);
	SET(MIN_ALIGNMENT_C_BYTES, align[2]);
	SET(MIN_ALIGNMENT_D_BYTES, align[2]);
#undef SET
	if (cublasLtMatmulAlgoGetHeuristic(c->lt, p->desc, p->a, p->b, p->c, p->c, pref, 1, r,
					   &got) != CUBLAS_STATUS_SUCCESS)
		got = 0;
	cublasLtMatmulPreferenceDestroy(pref);
	return got > 0 && r->state == CUBLAS_STATUS_SUCCESS;
}

/* The algorithm for FEW_ROWS columns, if it serves these too. */
static bool ask_few(struct cuda *c, struct product *p)
{
	cublasLtMatmulHeuristicResult_t r;
	struct product most = *p;
	bool ok = layouts(&most, FEW_ROWS) && ask(c, &most, &r);

	cublasLtMatrixLayoutDestroy(most.a);
	cublasLtMatrixLayoutDestroy(most.b);
	cublasLtMatrixLayoutDestroy(most.c);
	p->algo = r.algo;
	return ok &&
	       cublasLtMatmulAlgoCheck(c->lt, p->desc, p->a, p->b, p->c, p->c, &p->algo, &r) ==
		       CUBLAS_STATUS_SUCCESS &&
	       r.workspaceSize <= WORK_BYTES;
}

static void choose(struct cuda *c, struct product *p)
{
	cublasLtMatmulHeuristicResult_t r;

	if (!describe(p))
		return;
	p->ok = p->key.n <= FEW_ROWS && !p->key.tb && ask_few(c, p);
	if (p->ok)
		return;
	p->ok = ask(c, p, &r);
	p->algo = r.algo;
}

static struct product *find(struct cuda *c, const struct product_key *key)
{
	const unsigned char *bytes = (const unsigned char *)key;
	uint32_t h = 2166136261u;
	struct product **at, *p;

	if (!c->products)
		c->products = (struct products *)calloc(1, sizeof(*c->products));
	for (size_t i = 0; i < sizeof(*key); i++)
		h = (h ^ bytes[i]) * 16777619u;
	at = c->products ? &c->products->bucket[(h ^ h >> 16) % BUCKETS] : NULL;
	for (p = at ? *at : NULL; p; p = p->next)
		if (!memcmp(&p->key, key, sizeof(*key)))
			return p;
	p = at ? (struct product *)calloc(1, sizeof(*p)) : NULL;
	if (!p)
		return NULL;
	p->key = *key;
	choose(c, p);
	p->next = *at;
	return *at = p;
}

/* --- without the library --- */

#define TILE 16

template <typename T, typename U>
__global__ void __launch_bounds__(TILE *TILE)
	simple_product(view<U> c, view<T> a, bool ta, view<T> b, bool tb, int64_t rows,
		       int64_t cols, int64_t inner, float alpha, float beta, const float *bias)
{
	__shared__ float at[TILE][TILE + 1], bt[TILE][TILE + 1];
	int x = threadIdx.x % TILE, y = threadIdx.x / TILE;
	int64_t i0 = (int64_t)blockIdx.y * TILE, j0 = (int64_t)blockIdx.x * TILE, i = i0 + y,
		j = j0 + x;
	float sum = 0;

	for (int64_t k0 = 0; k0 < inner; k0 += TILE) {
		/* neighbours in memory by neighbouring threads, whichever way it lies */
		int64_t ai = i0 + (ta ? x : y), ak = k0 + (ta ? y : x);
		int64_t bk = k0 + (tb ? x : y), bj = j0 + (tb ? y : x);

		at[ta ? x : y][ta ? y : x] =
			ai < rows && ak < inner
				? load1(a.p + (ta ? ak * a.ld + ai : ai * a.ld + ak))
				: 0;
		bt[tb ? x : y][tb ? y : x] =
			bj < cols && bk < inner
				? load1(b.p + (tb ? bj * b.ld + bk : bk * b.ld + bj))
				: 0;
		__syncthreads();
#pragma unroll
		for (int k = 0; k < TILE; k++)
			sum += at[y][k] * bt[k][x];
		__syncthreads();
	}
	if (i >= rows || j >= cols)
		return;
	sum *= alpha;
	if (beta != 0)
		sum += load1(c.p + i * c.ld + j);
	if (bias)
		sum += bias[j];
	store1(c.p + i * c.ld + j, sum);
}

template <typename T, typename U>
static void simple(struct cuda *d, const char *op, struct mat c, struct mat a, bool ta,
		   struct mat b, bool tb, float alpha, float beta, const float *bias)
{
	for (int64_t i = 0; i < c.rows; i += 65535 * TILE) {
		int64_t n = c.rows - i < 65535 * TILE ? c.rows - i : 65535 * TILE;
		dim3 grid((unsigned)((c.cols + TILE - 1) / TILE),
			  (unsigned)((n + TILE - 1) / TILE));

		LAUNCH(d, op, (simple_product<T, U>), grid, TILE * TILE, 0,
		       view_of<U>(mat_rows(c, i, n)),
		       view_of<T>(ta ? mat_cols(a, i, n) : mat_rows(a, i, n)), ta, view_of<T>(b),
		       tb, n, c.cols, ta ? a.rows : a.cols, alpha, beta, bias);
	}
}

/* --- one product --- */

/* Every row begins at a multiple of so many bytes, up to 256. */
static int32_t alignment(struct mat m)
{
	uintptr_t bits = (uintptr_t)m.p | (uintptr_t)(m.ld * (int64_t)mat_elem(m.t)) | 256;

	return (int32_t)(bits & (~bits + 1));
}

void cuda_product(struct cuda *d, const char *op, struct mat c, struct mat a, bool ta, struct mat b,
		  bool tb, float alpha, float beta, const float *bias)
{
	struct product_key key;
	struct product *p;
	void *work;

	if (!c.rows || !c.cols)
		return;
	memset(&key, 0, sizeof(key));
	key.m = c.cols, key.n = c.rows, key.k = ta ? a.rows : a.cols;
	key.lda = b.ld, key.ldb = a.ld, key.ldc = c.ld;
	key.ta = tb, key.tb = ta, key.in = a.t, key.out = c.t, key.bias = bias != NULL;
	key.accumulate = beta != 0;
	key.align_a = alignment(b), key.align_b = alignment(a), key.align_c = alignment(c);
	p = find(d, &key);
	if (p && p->ok) {
		work = cuda_scratch(d, SCRATCH_WORK, WORK_BYTES, op);
		if (bias)
			cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER,
						       &bias, sizeof(bias));
		if (work && cublasLtMatmul(d->lt, p->desc, &alpha, b.p, p->a, a.p, p->b, &beta, c.p,
					   p->c, c.p, p->c, &p->algo, work, WORK_BYTES,
					   d->stream) != CUBLAS_STATUS_SUCCESS)
			cuda_fail(d, op, "cuBLASLt failed");
		return;
	}
	if (a.t == DT_BF16)
		c.t == DT_BF16
			? simple<uint16_t, uint16_t>(d, op, c, a, ta, b, tb, alpha, beta, bias)
			: simple<uint16_t, float>(d, op, c, a, ta, b, tb, alpha, beta, bias);
	else
		c.t == DT_BF16 ? simple<float, uint16_t>(d, op, c, a, ta, b, tb, alpha, beta, bias)
			       : simple<float, float>(d, op, c, a, ta, b, tb, alpha, beta, bias);
}

void cuda_gemm(struct dev *d, struct mat c, struct mat a, bool ta, struct mat b, bool tb,
	       float alpha, float beta)
{
	cuda_product(cuda_of(d), "gemm", c, a, ta, b, tb, alpha, beta, NULL);
}
