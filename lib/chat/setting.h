/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of struct sampling by name: what JSON requests, /set and saved conversations share. */
#ifndef CHAT_SETTING_H
#define CHAT_SETTING_H

#include "base/err.h"
#include "chat/sample.h"

#include <stdbool.h>

struct json_t;

struct setting {
	const char *name;
	double min, max;
	bool whole;
	enum { SETTING_DOUBLE, SETTING_LONG, SETTING_U64 } type;
	size_t off; /* in struct sampling */
	const char *help;
};

extern const struct setting settings[]; /* ranges as in ft-chat's option table */
extern const size_t n_settings;

const struct setting *setting_find(const char *name); /* NULL: there is none */
/* "; did you mean 'top_p'?", or all names when none is near; stands until the next call. */
const char *setting_hint(const char *name);
double setting_get(const struct setting *k, const struct sampling *s);
/* Refuses what is out of range, and fractions of what is whole. */
int setting_set(const struct setting *k, struct sampling *s, double x, struct err *err);
/* The same from text. */
int setting_parse(const struct setting *k, struct sampling *s, const char *text, struct err *err);
/* The same from JSON. */
int setting_read(const struct setting *k, struct sampling *s, const struct json_t *value,
		 struct err *err);

#endif
