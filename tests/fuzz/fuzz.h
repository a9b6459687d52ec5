/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput; it is linked with
 * libFuzzer (make fuzz) or with replay.c (make test). Readers want paths: inputs become files of a
 * scratch folder in memory.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A stretch of the input; p NULL: there is none. */
struct part {
	const uint8_t *p;
	size_t n;
};

/* Takes what stands before the first NUL off *rest, and the NUL: an input that is several files
 * holds the texts first. Without a NUL it takes all, and the next part is none. */
struct part fuzz_part(struct part *rest);
/* The scratch folder, and a file in it with these bytes (none: there is no such file). The path
 * stands until the fourth call after. */
const char *fuzz_dir(void);
const char *fuzz_file(const char *name, struct part content);
/* What must hold whatever the input was: aborts. */
void fuzz_must(bool ok, const char *what);
/* A failure has its message, on one line. */
void fuzz_failed(const struct err *err);

#endif
