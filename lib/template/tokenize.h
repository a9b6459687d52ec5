/* SPDX-License-Identifier: Apache-2.0 */
/* From a configuration to a shard: what ds-tokenize does with data sets. */
#ifndef TEMPLATE_TOKENIZE_H
#define TEMPLATE_TOKENIZE_H

#include "base/opt.h"
#include "config/config.h"

struct tokenize {
	struct config config; /* stage NULL: the data decides */
	struct opt_list datasets; /* instead of the configuration's */
	const char *out; /* NULL: standard output */
	const char *val; /* for what is held out; NULL: that goes nowhere */
	const char *tool; /* who speaks */
	int semantics; /* as in its struct cmd */
	int threads;
};

/* A path that is not there from where we are, but is from where the configuration is; else path. inside: the
 * file that tells, in a folder; "": the path itself. */
const char *tokenize_find(struct config *c, const char *path, const char *inside);
/* Writes the shard and tells on standard error what became of the records. */
int tokenize_datasets(struct tokenize *t, struct err *err);

#endif
