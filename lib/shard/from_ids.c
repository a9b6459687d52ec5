/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/from_ids.h"

#include "base/line.h"
#include "shard/idline.h"

#include <string.h>

static int write_record(struct shard_writer *w, const struct shard_info *info,
			const struct idline *l, const char *want, struct err *err)
{
	const char *stage = l->stage == SHARD_DPO ? "dpo" : "sft";

	if (want && strcmp(want, stage))
		return err_set(err, "this is a record for stage %s, not %s", stage, want);
	if (l->stage != info->stage)
		return err_set(err, "SFT and preference records cannot share a shard");
	return shard_write(w, &l->e, err);
}

int shard_from_ids(FILE *in, const char *path, const char *stage, struct shard_info *info,
		   struct err *err)
{
	struct shard_writer *w = NULL;
	struct idline l = { 0 };
	struct line line = { .in = in };
	int rc;

	while ((rc = line_next(&line, err)) > 0) {
		rc = idline_parse(&l, line.text.p, line.text.n, err);
		if (rc == 0 && !w) { /* a fault of the output has no line of the input */
			info->stage = l.stage;
			w = shard_writer_open(path, info, err);
			if (!w) {
				rc = -1;
				break;
			}
		}
		if (rc == 0)
			rc = write_record(w, info, &l, stage, err);
		if (rc < 0) {
			err_wrap(err, "standard input:%zu", line.number);
			break;
		}
	}
	if (rc == 0 && !w)
		rc = err_set(err, "standard input: no records");
	if (rc == 0)
		rc = shard_writer_close(w, info, err);
	else
		shard_writer_abort(w);
	idline_free(&l);
	line_free(&line);
	return rc;
}
