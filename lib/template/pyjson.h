/* SPDX-License-Identifier: Apache-2.0 */
/* JSON text as Python's json.dumps(x, ensure_ascii=False) writes it: what chat templates were
 * trained on. Key order is kept. */
#ifndef TEMPLATE_PYJSON_H
#define TEMPLATE_PYJSON_H

#include "base/mem.h"

struct json_t;

void pyjson_dump(const struct json_t *v, struct buf *out);
/* The same with indent=n. */
void pyjson_dump_indented(const struct json_t *v, int n, struct buf *out);

#endif
