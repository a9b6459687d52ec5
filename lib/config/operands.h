/* SPDX-License-Identifier: Apache-2.0 */
/* The operands that ds-tokenize, ft-sft and ft-dpo share: CONFIG.yaml, KEY=VALUE and, for the
 * trainers, a shard. */
#ifndef CONFIG_OPERANDS_H
#define CONFIG_OPERANDS_H

#include "config/config.h"

struct operands {
	const char *config; /* NULL: none */
	const char *shard; /* NULL: none; "-": standard input */
	const char **overrides;
	size_t n_overrides;
};

/*
 * An operand whose part before '=' is a key's spelling is an override; one that ends in .yaml or
 * .yml is the configuration; another one, or "-", is the shard (an error unless with_shard, and
 * then it must be there). v is borrowed. operands_free in any case.
 */
int operands_read(struct operands *o, char **v, int n, bool with_shard, struct err *err);
/* How many of the first operands are a .yaml file and the KEY=VALUE behind it; 0 without such a file. */
int operands_leading(char **v, int n);
/* --explain KEY: what config_explain says, on standard output. */
int operands_explain(const char *key, struct err *err);
void operands_free(struct operands *o);

/* config_load with these operands; of several problems all but the last are printed on stderr as
 * they are, the last becomes the error. Then the keys `required` (ends with NULL) must be set. */
int operands_config(const struct operands *o, struct config *c, enum config_use use,
		    const char *const *required, struct err *err);

#endif
