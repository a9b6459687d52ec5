/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions, as far as keys of PEFT's alpha_pattern use Python's: characters, . [] () (?:)
 * | ^ $, \d \w \s and their opposites, * + ? {m,n} and the lazy forms. Matching takes time in
 * proportion to pattern and text, whatever the pattern is.
 */
#ifndef ADAPTER_PATTERN_H
#define ADAPTER_PATTERN_H

#include "base/err.h"

#include <stdbool.h>

struct pattern {
	struct pattern_op *ops; /* owned */
	int n;
};

/* ASCII only. The error says what is wrong, not where the pattern stands. */
int pattern_compile(struct pattern *p, const char *text, struct err *err);
void pattern_free(struct pattern *p); /* fine on {0} */
/* As Python's re.match: from the beginning of s, to wherever the pattern ends. */
bool pattern_matches(const struct pattern *p, const char *s);

#endif
