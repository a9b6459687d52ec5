/* SPDX-License-Identifier: Apache-2.0 */
/* What decides which code runs here: the library and the instruction sets it and our loops go by. */
#include "kernels/cpu/cpu.h"

#include <stdio.h>
#include <string.h>
#ifdef HAVE_DNNL
#include <dnnl.h>
#endif

static void add(char out[OPS_IDENTITY_SIZE], const char *text)
{
	size_t n = strlen(out);

	snprintf(out + n, OPS_IDENTITY_SIZE - n, "%s", text);
}

static void add_library(char out[OPS_IDENTITY_SIZE])
{
#ifdef HAVE_DNNL
	const dnnl_version_t *v = dnnl_version();
	char text[64];

	snprintf(text, sizeof(text), ", oneDNN %d.%d.%d isa %x", v->major, v->minor, v->patch,
		 (unsigned)dnnl_get_effective_cpu_isa());
	add(out, text);
#else
	(void)out;
#endif
}

void cpu_identity(const struct dev *d, char out[OPS_IDENTITY_SIZE])
{
	const struct cpu *c = (const struct cpu *)d;

	snprintf(out, OPS_IDENTITY_SIZE, "%s", d->ops->name);
	if (!c->plain)
		add_library(out);
#if defined(__x86_64__)
	add(out, ", x86-64");
	if (__builtin_cpu_supports("avx2"))
		add(out, " avx2");
	if (__builtin_cpu_supports("fma"))
		add(out, " fma");
	if (__builtin_cpu_is("haswell")) /* CLONES choose this one by the processor's model */
		add(out, " haswell");
	if (__builtin_cpu_supports("avx512f"))
		add(out, " avx512f");
	if (__builtin_cpu_supports("avx512bf16"))
		add(out, " avx512bf16");
#endif
}
