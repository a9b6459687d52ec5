/* SPDX-License-Identifier: Apache-2.0 */
/* An entry of dataset_info.json. */
#ifndef DATA_ENTRY_H
#define DATA_ENTRY_H

#include "data/dataset.h"

struct json_t;

/* Fill path, formatting, ranking, columns and tags of d, whose name is set. */
int entry_read(struct dataset *d, const struct json_t *json, const char *dataset_dir,
	       struct err *err);

#endif
