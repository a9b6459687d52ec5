/* SPDX-License-Identifier: Apache-2.0 */
/* What decides the bits of a product here: whose it is, and the vectors it is summed in. All else gives
 * the same bits in every clone. */
#include "kernels/cpu/cpu.h"

#include <stdio.h>
#ifdef HAVE_DNNL
#include <dnnl.h>
#endif

static void library(const struct cpu *c, char *out, size_t n)
{
	out[0] = 0;
#ifdef HAVE_DNNL
	if (c->library)
		snprintf(out, n, ", oneDNN %d.%d.%d isa %x", dnnl_version()->major,
			 dnnl_version()->minor, dnnl_version()->patch,
			 (unsigned)dnnl_get_effective_cpu_isa());
#else
	(void)c;
	(void)n;
#endif
}

void cpu_identity(const struct dev *d, char out[OPS_IDENTITY_SIZE])
{
	static const char *const vectors[] = {
		[ISA_NONE] = "no vectors", [ISA_AVX2] = "AVX2", [ISA_AVX512] = "AVX-512"
	};
	const struct cpu *c = (const struct cpu *)d;
	char from[64];

	library(c, from, sizeof(from));
	snprintf(out, OPS_IDENTITY_SIZE, "%s, %s%s", d->ops->name, vectors[c->isa], from);
}
