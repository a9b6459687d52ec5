/* SPDX-License-Identifier: Apache-2.0 */
/* cuBLASLt's products in plain loops: column-major, sums in double, rounded once. Like the library it
 * takes no bf16 operand whose rows are not 4-byte aligned, so that those who call it find another way. */
#include <cublasLt.h>

extern "C" {
#include "format/dtype.h"
}

#include <stdlib.h>
#include <vector>

struct emu_desc {
	int ta, tb, epilogue;
	const float *bias;
};
struct emu_layout {
	cudaDataType_t t;
	int64_t rows, cols, ld;
};
struct emu_preference {
	unsigned align[4];
};

cublasStatus_t cublasLtCreate(cublasLtHandle_t *h)
{
	*h = NULL;
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t h)
{
	(void)h;
	return CUBLAS_STATUS_SUCCESS;
}

size_t cublasLtGetVersion(void)
{
	return 0;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, cublasComputeType_t c,
					cudaDataType_t t)
{
	(void)c;
	(void)t;
	*d = new emu_desc();
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d)
{
	delete d;
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d,
					      cublasLtMatmulDescAttributes_t a, const void *p,
					      size_t n)
{
	if (a == CUBLASLT_MATMUL_DESC_TRANSA)
		memcpy(&d->ta, p, n);
	else if (a == CUBLASLT_MATMUL_DESC_TRANSB)
		memcpy(&d->tb, p, n);
	else if (a == CUBLASLT_MATMUL_DESC_EPILOGUE)
		memcpy(&d->epilogue, p, n);
	else
		memcpy(&d->bias, p, n);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *l, cudaDataType_t t,
					  uint64_t rows, uint64_t cols, int64_t ld)
{
	*l = new emu_layout{ t, (int64_t)rows, (int64_t)cols, ld };
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l)
{
	delete l;
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p)
{
	*p = new emu_preference();
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p)
{
	delete p;
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p,
						    cublasLtMatmulPreferenceAttributes_t a,
						    const void *v, size_t n)
{
	if (a >= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES)
		memcpy(&p->align[a - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], v, n);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t h, cublasLtMatmulDesc_t d,
					      cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
					      cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t o,
					      cublasLtMatmulPreference_t p, int want,
					      cublasLtMatmulHeuristicResult_t *r, int *got)
{
	(void)h;
	(void)d;
	(void)b;
	(void)c;
	(void)o;
	(void)want;
	memset(r, 0, sizeof(*r));
	*got = a->t == CUDA_R_32F || (p->align[0] >= 4 && p->align[1] >= 4);
	return *got ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t h, cublasLtMatmulDesc_t d,
				       cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
				       cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t o,
				       const cublasLtMatmulAlgo_t *algo,
				       cublasLtMatmulHeuristicResult_t *r)
{
	(void)h;
	(void)d;
	(void)a;
	(void)b;
	(void)c;
	(void)o;
	r->algo = *algo;
	r->workspaceSize = 0;
	r->state = CUBLAS_STATUS_SUCCESS;
	return CUBLAS_STATUS_SUCCESS;
}

/* op(m) as rows of floats: n vectors of `inner` numbers, vector i being row i of op(A) or column i of
 * op(B). */
static std::vector<float> vectors(const void *p, const emu_layout *l, bool along_columns)
{
	int64_t n = along_columns ? l->cols : l->rows, inner = along_columns ? l->rows : l->cols;
	std::vector<float> v((size_t)(n * inner));

	for (int64_t j = 0; j < l->cols; j++)
		for (int64_t i = 0; i < l->rows; i++) {
			float x = l->t == CUDA_R_16BF
					  ? bf16_to_f32(((const uint16_t *)p)[j * l->ld + i])
					  : ((const float *)p)[j * l->ld + i];

			v[(size_t)(along_columns ? j * inner + i : i * inner + j)] = x;
		}
	return v;
}

static double dot(const float *a, const float *b, int64_t n)
{
	double s[8] = { 0 };
	int64_t k = 0;

	for (; k + 8 <= n; k += 8)
		for (int l = 0; l < 8; l++)
			s[l] += (double)a[k + l] * b[k + l];
	for (; k < n; k++)
		s[0] += (double)a[k] * b[k];
	return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t h, cublasLtMatmulDesc_t d, const void *alpha,
			      const void *A, cublasLtMatrixLayout_t a, const void *B,
			      cublasLtMatrixLayout_t b, const void *beta, const void *C,
			      cublasLtMatrixLayout_t c, void *D, cublasLtMatrixLayout_t o,
			      const cublasLtMatmulAlgo_t *algo, void *work, size_t n,
			      cudaStream_t s)
{
	std::vector<float> x = vectors(A, a, d->ta != CUBLAS_OP_N);
	std::vector<float> y = vectors(B, b, d->tb == CUBLAS_OP_N);
	int64_t inner = d->ta != CUBLAS_OP_N ? a->rows : a->cols;
	float al = *(const float *)alpha, be = *(const float *)beta;

	(void)h;
	(void)C;
	(void)c;
	(void)algo;
	(void)work;
	(void)n;
	(void)s;
	for (int64_t j = 0; j < o->cols; j++)
		for (int64_t i = 0; i < o->rows; i++) {
			double sum =
				al * dot(&x[(size_t)(i * inner)], &y[(size_t)(j * inner)], inner);
			int64_t at = j * o->ld + i;

			if (be != 0)
				sum += be * (o->t == CUDA_R_16BF ? bf16_to_f32(((uint16_t *)D)[at])
								 : ((float *)D)[at]);
			if (d->epilogue == CUBLASLT_EPILOGUE_BIAS)
				sum += d->bias[i];
			if (o->t == CUDA_R_16BF)
				((uint16_t *)D)[at] = f32_to_bf16((float)sum);
			else
				((float *)D)[at] = (float)sum;
		}
	return CUBLAS_STATUS_SUCCESS;
}
