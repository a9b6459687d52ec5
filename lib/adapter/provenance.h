/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anekdot.json beside an adapter's or a merged model's files: what made it, from what, and what a
 * program that talks to it must know. No clock and no host in it: the same run, the same bytes.
 */
#ifndef ADAPTER_PROVENANCE_H
#define ADAPTER_PROVENANCE_H

#include "base/err.h"
#include "base/mem.h"

struct provenance {
	const char *tool; /* "ft-sft" */
	const char *config; /* JSON of the effective configuration; NULL */
	const char *base; /* model path, and hash of its content */
	const char *base_hash;
	const char
		*adapters; /* names merged, continued, worn by a reference; comma-separated; NULL */
	const char *adapters_hash; /* of their weights, in that order; NULL */
	const char *shard_hash; /* NULL */
	const char *tokenizer_hash; /* NULL: not known */
	const char *reference; /* DPO: what the reference was; NULL */
	const char *template_name; /* NULL: not known */
	const char *system; /* NULL: the template's own; "" : none */
	const char *thinking; /* "true", "false", "null": enable_thinking; NULL: not known */
	struct arena arena; /* of one that was read */
};

int provenance_write(const char *dir, const struct provenance *p, struct err *err);
/* Of a folder, or of a file by the folder it lies in. 1: read; 0: there is none; -1: it is broken. */
int provenance_read(struct provenance *p, const char *of, struct err *err);
void provenance_close(struct provenance *p);

#endif
