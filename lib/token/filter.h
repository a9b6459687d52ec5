/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokenizer as a filter over JSON lines, for ds-tokenize --ids and --decode. Lines may be of any
 * length; one that is not as it should be ends the filter with "standard input:LINE: what". Lines come out in
 * order, the same for any number of threads.
 */
#ifndef TOKEN_FILTER_H
#define TOKEN_FILTER_H

#include "base/file.h"
#include "token/token.h"

/* {"text": "..."} lines to {"ids":[1,2,3]} lines; added tokens are recognised, no BOS is added. */
int token_filter_ids(const struct token *t, FILE *in, struct out *out, int threads,
		     struct err *err);
/* {"ids": [1, 2, 3]} lines to {"text":"..."} lines. */
int token_filter_decode(const struct token *t, FILE *in, struct out *out, bool skip_special,
			int threads, struct err *err);

#endif
