/* SPDX-License-Identifier: Apache-2.0 */
#include "shard/from_ids.h"

#include "shard/idline.h"

#include <stdlib.h>
#include <string.h>

static int from_id_line(struct shard_writer **w, struct shard_info *info, struct idline *l,
			const char *path, const char *want, struct err *err)
{
	const char *stage = l->stage == SHARD_DPO ? "dpo" : "sft";

	if (want && strcmp(want, stage))
		return err_set(err, "this is a record for stage %s, not %s", stage, want);
	if (!*w) {
		info->stage = l->stage;
		*w = shard_writer_open(path, info, err);
		if (!*w)
			return -1;
	}
	if (l->stage != info->stage)
		return err_set(err, "SFT and preference records cannot share a shard");
	return shard_write(*w, &l->e, err);
}

int shard_from_ids(FILE *in, const char *path, const char *stage, struct shard_info *info,
		   struct err *err)
{
	struct shard_writer *w = NULL;
	struct idline l = { 0 };
	char *text = NULL;
	size_t cap = 0, line = 0;
	ssize_t n;
	int rc = 0;

	while (rc == 0 && (n = getline(&text, &cap, in)) > 0) {
		line++;
		if (idline_parse(&l, text, (size_t)n, err) < 0 ||
		    from_id_line(&w, info, &l, path, stage, err) < 0)
			rc = err_wrap(err, "standard input:%zu", line);
	}
	if (rc == 0 && ferror(in))
		rc = err_sys(err, "standard input");
	if (rc == 0 && !w)
		rc = err_set(err, "standard input: no records");
	if (rc == 0)
		rc = shard_writer_close(w, info, err);
	else
		shard_writer_abort(w);
	idline_free(&l);
	free(text);
	return rc;
}
