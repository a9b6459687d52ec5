/* SPDX-License-Identifier: Apache-2.0 */
/* The regular expressions of PEFT's alpha_pattern: Python's in PEFT, PCRE2's here. */
#ifndef ADAPTER_PATTERN_H
#define ADAPTER_PATTERN_H

#include "base/err.h"

struct pattern {
	struct pcre2_real_code_8 *code;
	struct pcre2_real_match_data_8 *match;
};

/* The error says what is wrong, not where the pattern stands. */
int pattern_compile(struct pattern *p, const char *text, struct err *err);
void pattern_free(struct pattern *p); /* fine on {0} */
/* As Python's re.match: from the beginning of s, to wherever the pattern ends. 1: it does, 0: it does
 * not, -1: that takes longer than any honest pattern. */
int pattern_matches(const struct pattern *p, const char *s, struct err *err);

#endif
