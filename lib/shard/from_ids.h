/* SPDX-License-Identifier: Apache-2.0 */
/* JSON lines of ready-made ids (shard/idline.h) to a shard: ds-tokenize --from-ids. */
#ifndef SHARD_FROM_IDS_H
#define SHARD_FROM_IDS_H

#include "shard/shard.h"

#include <stdio.h>

/*
 * in is standard input: errors are "standard input:LINE: what". stage "sft" or "dpo" refuses other
 * records; NULL: the first line decides. info says what the header shall say and gets the counts.
 */
int shard_from_ids(FILE *in, const char *path, const char *stage, struct shard_info *info,
		   struct err *err);

#endif
