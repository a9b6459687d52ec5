/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/ops.h"

#include "kernels/cuda.h"
#include "kernels/elem.h"

#include <stdio.h>
#include <string.h>

const char *const *ops_names(void)
{
	static const char *const names[] = { "ref", "plain", "cpu", NULL };

	return names;
}

struct dev *ops_open(const char *name, int threads, struct err *err)
{
	if (!strcmp(name, "ref"))
		return ref_open(err);
	if (!strcmp(name, "plain"))
		return cpu_open(threads, true, err);
	if (!strcmp(name, "cpu") || !strcmp(name, "auto"))
		return cpu_open(threads, false, err);
	if (!strcmp(name, "cuda"))
		return cuda_open(err);
	err_set(err, "unknown device '%s'; there are: auto, cpu, plain, ref", name);
	return NULL;
}

void ops_identity(const struct dev *d, char out[OPS_IDENTITY_SIZE])
{
	if (!strcmp(d->ops->name, "ref"))
		snprintf(out, OPS_IDENTITY_SIZE, "ref");
	else if (!strcmp(d->ops->name, "cuda"))
		cuda_identity(d, out);
	else
		cpu_identity(d, out);
}
