/* SPDX-License-Identifier: Apache-2.0 */
#include "data/encoding.h"

const char *encoding_utf16(const unsigned char *p, size_t n)
{
	if (n >= 2 && ((p[0] == 0xFF && p[1] == 0xFE) || (p[0] && !p[1])))
		return "UTF-16 (little-endian)";
	if (n >= 2 && ((p[0] == 0xFE && p[1] == 0xFF) || (!p[0] && p[1])))
		return "UTF-16 (big-endian)";
	return NULL;
}

bool encoding_is_gbk(const unsigned char *p, size_t n)
{
	size_t pairs = 0, common = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] < 0x80)
			continue;
		if (i + 1 == n)
			break;
		if (p[i] == 0x80 || p[i] == 0xFF || p[i + 1] < 0x40 || p[i + 1] == 0x7F ||
		    p[i + 1] == 0xFF)
			return false;
		pairs++;
		common += p[i] >= 0xA1 && p[i] <= 0xF7 && p[i + 1] >= 0xA1;
		i++;
	}
	return pairs >= 2 && common * 2 >= pairs;
}
