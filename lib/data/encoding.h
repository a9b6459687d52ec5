/* SPDX-License-Identifier: Apache-2.0 */
/* Telling what a text is that is not UTF-8. */
#ifndef DATA_ENCODING_H
#define DATA_ENCODING_H

#include <stdbool.h>
#include <stddef.h>

/* "UTF-16 (little-endian)" or so, told from a file's first bytes; NULL when it is not. */
const char *encoding_utf16(const unsigned char *p, size_t n);
/* Text whose every byte above 127 belongs to a two-byte GBK character, most of them common ones. */
bool encoding_is_gbk(const unsigned char *p, size_t n);

#endif
