/* SPDX-License-Identifier: Apache-2.0 */
/* The model as a filter over JSON lines, for ft-eval --logprobs. */
#ifndef EVAL_FILTER_H
#define EVAL_FILTER_H

#include "base/file.h"
#include "chat/engine.h"

/*
 * {"ids": [1, 2, 3]} lines to {"logprobs":[null,-1.5,-0.25]} lines: the natural logarithm of the
 * probability of each id given those before. A line that is not as it should be ends the filter with
 * "standard input:LINE: what".
 */
int eval_filter_logprobs(struct engine *e, FILE *in, struct out *out, struct err *err);

#endif
