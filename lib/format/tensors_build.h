/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of this area share while they fill a struct tensors. Private to format/. */
#ifndef FORMAT_TENSORS_BUILD_H
#define FORMAT_TENSORS_BUILD_H

#include "base/mem.h"
#include "format/tensors.h"

#define TENSORS_MAX 1000000

/* The pool for names, made on first use; tensors_close frees it. */
struct arena *tensors_arena(struct tensors *t);
/* Sort by name for tensors_find. The names must differ; the first that stands twice, or NULL. */
const char *tensors_sort(struct tensors *t);
/* Valid UTF-8 without control characters, 1 to max bytes: safe to print and to compare as a C
 * string. */
bool name_ok(const char *s, size_t n, size_t max);

#endif
