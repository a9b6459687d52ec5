/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEMPLATE_CHAT_FILTER_H
#define TEMPLATE_CHAT_FILTER_H

#include "base/file.h"

#include <stdio.h>

/* Lines as chat_render takes them, from standard input, to {"text"} lines: ds-tokenize --chat. One
 * that is not as it should be ends the filter with "standard input:LINE: what". */
int chat_filter(const char *family, FILE *in, struct out *out, struct err *err);

#endif
