/* SPDX-License-Identifier: Apache-2.0 */
#include "template/pyjson.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void dump_string(const char *s, size_t n, struct buf *out)
{
	static const char plain[] = "\"\\\n\r\t\b\f", escape[] = "\"\\nrtbf";

	buf_char(out, '"');
	for (size_t i = 0; i < n; i++) {
		const char *at = s[i] ? strchr(plain, s[i]) : NULL;

		if (at)
			buf_printf(out, "\\%c", escape[at - plain]);
		else if ((unsigned char)s[i] < 0x20)
			buf_printf(out, "\\u%04x", (unsigned)s[i]);
		else
			buf_char(out, s[i]);
	}
	buf_char(out, '"');
}

/* float.__repr__: the fewest digits that read back the same; exponents below -4 and from 16 on. */
static void dump_real(double x, struct buf *out)
{
	char digits[40];
	int precision = 0, exponent;

	do
		snprintf(digits, sizeof(digits), "%.*e", precision, x);
	while (strtod(digits, NULL) != x && ++precision < 17);
	exponent = atoi(strchr(digits, 'e') + 1);
	if (exponent >= -4 && exponent < 16) {
		int decimals = precision - exponent;

		buf_printf(out, "%.*f", decimals < 1 ? 1 : decimals, x);
	} else {
		buf_str(out, digits);
	}
}

static void dump(const json_t *v, int indent, int depth, struct buf *out);

/* What stands before an item: ", ", or a line of its own with indent. */
static void separate(bool more, int indent, int depth, struct buf *out)
{
	if (more)
		buf_str(out, indent ? "," : ", ");
	if (indent)
		buf_printf(out, "\n%*s", indent * depth, "");
}

static void dump_object(const json_t *v, int indent, int depth, struct buf *out)
{
	json_t *o = (json_t *)v;
	bool more = false;

	buf_char(out, '{');
	for (void *i = json_object_iter(o); i; i = json_object_iter_next(o, i)) {
		const char *key = json_object_iter_key(i);

		separate(more, indent, depth + 1, out);
		dump_string(key, strlen(key), out);
		buf_str(out, ": ");
		dump(json_object_iter_value(i), indent, depth + 1, out);
		more = true;
	}
	if (more)
		separate(false, indent, depth, out);
	buf_char(out, '}');
}

static void dump_array(const json_t *v, int indent, int depth, struct buf *out)
{
	buf_char(out, '[');
	for (size_t i = 0; i < json_array_size(v); i++) {
		separate(i > 0, indent, depth + 1, out);
		dump(json_array_get(v, i), indent, depth + 1, out);
	}
	if (json_array_size(v))
		separate(false, indent, depth, out);
	buf_char(out, ']');
}

static void dump(const json_t *v, int indent, int depth, struct buf *out)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		dump_object(v, indent, depth, out);
		break;
	case JSON_ARRAY:
		dump_array(v, indent, depth, out);
		break;
	case JSON_STRING:
		dump_string(json_string_value(v), json_string_length(v), out);
		break;
	case JSON_INTEGER:
		buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		break;
	case JSON_REAL:
		dump_real(json_real_value(v), out);
		break;
	default:
		buf_str(out, json_is_true(v) ? "true" : json_is_false(v) ? "false" : "null");
	}
}

void pyjson_dump(const struct json_t *v, struct buf *out)
{
	dump(v, 0, 0, out);
}

void pyjson_dump_indented(const struct json_t *v, int n, struct buf *out)
{
	dump(v, n, 0, out);
}
