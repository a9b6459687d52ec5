/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/elem.h"

#include "base/mem.h"

#include <string.h>

void *host_alloc(struct dev *d, size_t bytes, struct err *err)
{
	void *p = mem_aligned(64, bytes);

	(void)d;
	if (!p)
		err_set(err, "out of memory: a buffer of %.1f MB cannot be had",
			(double)bytes / 1e6);
	return p;
}

void host_free(struct dev *d, void *p)
{
	(void)d;
	mem_free(p);
}

void host_upload(struct dev *d, void *dst, const void *src, size_t bytes)
{
	(void)d;
	memcpy(dst, src, bytes);
}

void host_download(struct dev *d, void *dst, const void *src, size_t bytes)
{
	(void)d;
	memcpy(dst, src, bytes);
}

void host_copy(struct dev *d, void *dst, const void *src, size_t bytes)
{
	(void)d;
	memmove(dst, src, bytes);
}

void host_zero(struct dev *d, void *dst, size_t bytes)
{
	(void)d;
	memset(dst, 0, bytes);
}

int host_sync(struct dev *d, struct err *err)
{
	(void)d;
	(void)err;
	return 0;
}
