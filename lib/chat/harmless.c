/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/harmless.h"

#include "base/utf8.h"

#include <stdbool.h>

static bool turns_direction(uint32_t c)
{
	return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

static bool is_control(uint32_t c)
{
	return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7F && c < 0xA0);
}

void harmless(const char *s, size_t n, struct buf *out)
{
	for (size_t i = 0, len; i < n; i += len) {
		const char *p = s + i;
		uint32_t c;

		len = utf8_check(p, n - i);
		if (!len) {
			buf_str(out, "\xef\xbf\xbd");
			len = utf8_bad_length(p, n - i);
			continue;
		}
		c = utf8_next(&p);
		if (is_control(c))
			buf_printf(out, "\\x%02x", (unsigned)c);
		else if (turns_direction(c))
			buf_printf(out, "\\u%04x", (unsigned)c);
		else
			buf_add(out, s + i, len);
	}
}

void harmless_print(FILE *f, const char *s, size_t n)
{
	struct buf safe = { 0 };

	harmless(s, n, &safe);
	if (safe.n)
		fwrite(safe.p, 1, safe.n, f);
	buf_free(&safe);
}

void harmless_json(const char *s, size_t n, struct buf *out)
{
	for (size_t i = 0, len; i < n; i += len) {
		const char *p = s + i;
		uint32_t c;

		len = utf8_check(p, n - i); /* what jsonw wrote is UTF-8 */
		len = len ? len : 1;
		c = len > 1 ? utf8_next(&p) : 0;
		if ((len > 1 && is_control(c)) || turns_direction(c))
			buf_printf(out, "\\u%04x", (unsigned)c);
		else
			buf_add(out, s + i, len);
	}
}
