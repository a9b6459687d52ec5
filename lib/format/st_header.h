/* SPDX-License-Identifier: Apache-2.0 */
/* The header of one safetensors file, checked against all rules of the format. Private to format/. */
#ifndef FORMAT_ST_HEADER_H
#define FORMAT_ST_HEADER_H

#include "base/mem.h"
#include "format/tensors.h"

#define ST_MAX_HEADER 100000000
#define ST_MAX_NAME   512
#define ST_MAX_RANK   64

struct st_item {
	struct tensor t; /* type and dims only when kept; data and bytes always */
	bool kept; /* F32, F16, BF16 or I32 */
	uint64_t begin, end; /* within the byte buffer */
};

/* All tensors of the file, sorted by offset. */
struct st_header {
	struct st_item *v;
	size_t n, cap;
};

/* Names go to names, data borrows f. On failure h is empty and the message names the path. */
int st_header_parse(struct st_header *h, struct arena *names, const struct file *f,
		    const char *path, struct err *err);
void st_header_free(struct st_header *h);

#endif
