/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	bool asked;
	char why[400]; /* there is none; "": there is one */
	struct dev *(*open)(struct err *err);
	void (*identity)(const struct dev *d, char out[OPS_IDENTITY_SIZE]);
} cuda;

/* Where the shared object is; false: nowhere. */
static bool find(char *path, size_t n)
{
	const char *named = getenv("ANEKDOT_CUDA");
	ssize_t length;
	char *slash;

	if (named) {
		snprintf(path, n, "%s", named);
		return named[0];
	}
	length = readlink("/proc/self/exe", path, n - 1);
	if (length < 0)
		return false;
	path[length] = 0;
	for (int up = 0; up < 2; up++) {
		slash = strrchr(path, '/');
		if (!slash)
			return false;
		*slash = 0;
	}
	length = (ssize_t)strlen(path);
	snprintf(path + length, n - (size_t)length, "/lib/libanekdot-cuda.so");
	return !access(path, R_OK);
}

/* Without a driver its libraries need not even be read. */
static bool driver(void)
{
	void *p = getenv("ANEKDOT_CUDA") ? dlopen(NULL, RTLD_LAZY)
					 : dlopen("libcuda.so.1", RTLD_LAZY);

	if (p)
		dlclose(p);
	return p != NULL;
}

static void *symbol(void *lib, const char *name)
{
	void *p = dlsym(lib, name);

	if (!p)
		snprintf(cuda.why, sizeof(cuda.why), "its library has no %s", name);
	return p;
}

static void load(const char *path)
{
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	size_t (*abi)(void);
	int (*devices)(void);

	if (!lib) {
		snprintf(cuda.why, sizeof(cuda.why), "%s", dlerror());
		return;
	}
	/* POSIX: what dlsym returns may be called. */
	*(void **)&abi = symbol(lib, "anekdot_cuda_abi");
	*(void **)&devices = symbol(lib, "anekdot_cuda_devices");
	*(void **)&cuda.open = symbol(lib, "anekdot_cuda_open");
	*(void **)&cuda.identity = symbol(lib, "anekdot_cuda_identity");
	if (cuda.why[0])
		return;
	if (abi() != CUDA_ABI)
		snprintf(cuda.why, sizeof(cuda.why), "%s is of another version", path);
	else if (devices() < 1)
		snprintf(cuda.why, sizeof(cuda.why), "there is no device that the driver can use");
}

bool cuda_there(void)
{
	char path[4096];

	if (cuda.asked)
		return !cuda.why[0];
	cuda.asked = true;
	if (!find(path, sizeof(path)))
		snprintf(cuda.why, sizeof(cuda.why),
			 "libanekdot-cuda.so is not there (make CUDA=1 builds it)");
	else if (!driver())
		snprintf(cuda.why, sizeof(cuda.why), "there is no driver (libcuda.so.1)");
	else
		load(path);
	return !cuda.why[0];
}

struct dev *cuda_open(struct err *err)
{
	if (cuda_there())
		return cuda.open(err);
	err_set(err, "device cuda: %s", cuda.why);
	return NULL;
}

void cuda_identity(const struct dev *d, char out[OPS_IDENTITY_SIZE])
{
	cuda.identity(d, out);
}
