/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/product.h"

#include "base/mem.h"

#include <omp.h>
#include <pthread.h>
#include <signal.h>

static void cpu_close(struct dev *d)
{
	struct cpu *c = (struct cpu *)d;

#ifdef HAVE_DNNL
	if (c->library)
		onednn_close(c->library);
#endif
	for (int i = 0; i < SCRATCHES; i++)
		mem_free(c->scratch[i]);
	mem_free(c);
}

static const struct ops ops_template = {
	.alloc = host_alloc,
	.free = host_free,
	.upload = host_upload,
	.download = host_download,
	.copy = host_copy,
	.zero = host_zero,
	.sync = host_sync,
	.close = cpu_close,
	.scratch_bytes = cpu_scratch_bytes,
	.reserve = cpu_reserve,
	.cast = cpu_cast,
	.dequant = cpu_dequant,
	.weight_new = cpu_weight_new,
	.weight_free = cpu_weight_free,
	.weight_bytes = cpu_weight_bytes,
	.linear = cpu_linear,
	.linear_bwd = cpu_linear_bwd,
	.gemm = cpu_gemm,
	.steady_rows = cpu_steady_rows,
	.embed = cpu_embed,
	.gather = cpu_embed,
	.scatter_add = cpu_scatter_add,
	.add = cpu_add,
	.scale_rows = cpu_scale_rows,
	.rmsnorm = cpu_rmsnorm,
	.rmsnorm_bwd = cpu_rmsnorm_bwd,
	.rope = cpu_rope,
	.attn = cpu_attn,
	.attn_bwd = cpu_attn_bwd,
	.swiglu = cpu_swiglu,
	.swiglu_bwd = cpu_swiglu_bwd,
	.xent = cpu_xent,
	.dropout = cpu_dropout,
	.sumsq = cpu_sumsq,
	.adamw = cpu_adamw,
};

/* The threads that OpenMP keeps block all signals, so that a program's signals are its main thread's. */
static void begin_threads(int n)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
#pragma omp parallel num_threads(n)
	{
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

struct dev *cpu_open(int threads, bool plain, struct err *err)
{
	static struct ops with_library, without;
	struct cpu *c = mem_new(1, sizeof(*c));

	(void)err;
	if (threads > 0)
		omp_set_num_threads(threads);
	c->threads = omp_get_max_threads();
	begin_threads(c->threads);
	c->isa = plain ? ISA_NONE : product_isa();
	with_library = without = ops_template;
	with_library.name = "cpu";
	without.name = "plain";
	c->dev.ops = plain ? &without : &with_library;
#ifdef HAVE_DNNL
	if (!plain)
		c->library = onednn_open();
#endif
	return &c->dev;
}
