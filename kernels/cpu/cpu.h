/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the CPU back end share. Loops over rows run in OpenMP; the work of one row is a
 * function compiled for several instruction sets (CLONES) and chosen when the program starts. Each
 * output is written by one thread, and every sum has an order that depends on shapes alone. */
#ifndef KERNELS_CPU_CPU_H
#define KERNELS_CPU_CPU_H

#include "kernels/elem.h"

/* Rows times columns below which a second thread costs more than it brings. */
#define PARALLEL_FROM 65536

enum isa { ISA_NONE, ISA_AVX2, ISA_AVX512 };

enum cpu_scratch { SCRATCH_A, SCRATCH_B, SCRATCH_C, SCRATCH_ATTN, SCRATCH_ROOMS, SCRATCHES };

struct cpu {
	struct dev dev;
	int threads;
	enum isa isa; /* the vectors of our products */
	struct onednn
		*library; /* NULL: not built in, not wanted, or it does not multiply bf16 here */
	void *scratch[SCRATCHES]; /* grown on demand, kept */
	size_t scratch_bytes[SCRATCHES];
};

/* scratch.c. At least `bytes` of the device's scratch of that number; its old content is lost. */
void *cpu_scratch(struct cpu *c, enum cpu_scratch which, size_t bytes);
size_t cpu_scratch_bytes(struct dev *d, const struct op_limits *l);
int cpu_reserve(struct dev *d, const struct op_limits *l, struct err *err);
/* What our products work in: ROOM floats for each thread; before the threads part. */
float *cpu_rooms(struct cpu *c);
/* What the products take. */
void cpu_matmul_scratch(const struct cpu *c, const struct op_limits *l, size_t bytes[SCRATCHES]);

/* matmul.c */
struct weight *cpu_weight_new(struct dev *d, const struct mat *parts, int n, unsigned use,
			      struct err *err);
void cpu_weight_free(struct dev *d, struct weight *w);
size_t cpu_weight_bytes(struct dev *d, enum dtype t, int64_t rows, int64_t cols, unsigned use);
void cpu_linear(struct dev *d, struct mat y, struct mat x, const struct weight *w,
		const float *bias, bool add);
void cpu_linear_bwd(struct dev *d, struct mat dx, struct mat dy, const struct weight *w);
void cpu_gemm(struct dev *d, struct mat c, struct mat a, bool ta, struct mat b, bool tb,
	      float alpha, float beta);
int cpu_steady_rows(struct dev *d, int n);
/* Row-major fp32 C = alpha op(A) op(B) + beta C on the calling thread, after cpu_rooms: attention's
 * products. */
void cpu_sgemm(const struct cpu *c, bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha,
	       const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *out,
	       int64_t ldc);

/* onednn.c: present when built with oneDNN. 0 = done, -1 = the library cannot do this one. */
struct onednn_packed;
/* NULL: it does not multiply bf16 at speed on this processor. */
struct onednn *onednn_open(void);
void onednn_close(struct onednn *s);
/* c = a op(b) + beta c. */
int onednn_gemm(struct onednn *s, struct mat c, struct mat a, struct mat b, bool tb, float beta);
/* w (K, N), or (N, K) when transposed, in the library's layout for products c = x (M, K) w + bias + beta c. */
struct onednn_packed *onednn_pack(struct onednn *s, struct mat w, bool transposed, struct err *err);
void onednn_packed_free(struct onednn_packed *p);
int onednn_gemm_packed(struct onednn *s, struct mat c, struct mat a, const struct onednn_packed *p,
		       const float *bias, float beta);

/* rows.c */
void cpu_cast(struct dev *d, struct mat dst, struct mat src);
void cpu_dequant(struct dev *d, struct mat dst, const void *src, enum dtype t);
void cpu_embed(struct dev *d, struct mat y, struct mat table, const int32_t *ids);
void cpu_scatter_add(struct dev *d, struct mat y, struct mat x, const int32_t *rows);
void cpu_add(struct dev *d, struct mat y, struct mat x);
void cpu_scale_rows(struct dev *d, struct mat x, const float *coef);
void cpu_dropout(struct dev *d, struct mat y, struct mat x, float p, uint64_t seed,
		 uint32_t stream);

/* norm.c rope.c attn.c swiglu.c xent.c adamw.c */
void cpu_rmsnorm(struct dev *d, struct mat y, float *rstd, struct mat x, int n_heads,
		 const float *w, float eps);
void cpu_rmsnorm_bwd(struct dev *d, struct mat dx, struct mat dy, struct mat x, int n_heads,
		     const float *rstd, const float *w);
void cpu_rope(struct dev *d, struct mat x, int n_heads, const int32_t *pos, const float *cos_table,
	      const float *sin_table, bool inverse);
void cpu_attn(struct dev *d, struct mat o, float *lse, struct mat q, struct mat k, struct mat v,
	      const struct attn_shape *s);
void cpu_attn_bwd(struct dev *d, struct mat dq, struct mat dk, struct mat dv, struct mat dout,
		  struct mat o, struct mat q, struct mat k, struct mat v, const float *lse,
		  const struct attn_shape *s);
/* Bytes that both take, for the largest of such calls. */
size_t cpu_attn_scratch(const struct cpu *c, const struct op_limits *l);
void cpu_swiglu(struct dev *d, struct mat y, struct mat gate, struct mat up);
void cpu_swiglu_bwd(struct dev *d, struct mat dgate, struct mat dup, struct mat dy, struct mat gate,
		    struct mat up);
void cpu_xent(struct dev *d, float *logp, struct mat dlogits, struct mat logits,
	      const int32_t *targets);
void cpu_sumsq(struct dev *d, float *out, const float *g, size_t n);
size_t cpu_sumsq_scratch(size_t n);
void cpu_adamw(struct dev *d, float *p, float *m, float *v, const float *g, size_t n,
	       const struct adamw *h);

#endif
