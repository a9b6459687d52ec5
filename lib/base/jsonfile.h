/* SPDX-License-Identifier: Apache-2.0 */
/* A small JSON file that holds one object: configurations, provenance, state. */
#ifndef BASE_JSONFILE_H
#define BASE_JSONFILE_H

#include "base/err.h"

struct json_t;

/* The object, to be freed with json_decref; NULL with "path:line:column: what" for what is no JSON, no
 * object, or has a key twice. */
struct json_t *json_file_object(const char *path, struct err *err);

#endif
