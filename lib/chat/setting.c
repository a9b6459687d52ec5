/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/setting.h"

#include "base/mem.h"
#include "base/nearest.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(kind, field) kind, offsetof(struct sampling, field)

const struct setting settings[] = {
	{ "temperature", 0, 100, false, AT(SETTING_DOUBLE, temperature),
	  "0: always the likeliest token" },
	{ "top_k", 0, 1e6, true, AT(SETTING_LONG, top_k), "draw from so many; 0: all" },
	{ "top_p", 0, 1, false, AT(SETTING_DOUBLE, top_p),
	  "draw from the likeliest that reach this together" },
	{ "min_p", 0, 1, false, AT(SETTING_DOUBLE, min_p),
	  "draw from those with this share of the likeliest's probability" },
	{ "repetition_penalty", 0.01, 100, false, AT(SETTING_DOUBLE, repetition_penalty),
	  "above 1: what was said becomes less likely" },
	{ "seed", 0, 9e15, true, AT(SETTING_U64, seed), "of the draws" },
	{ "max_new_tokens", 1, 1e6, true, AT(SETTING_LONG, max_new_tokens),
	  "an answer's longest; so much of the context is kept free for it" },
};
const size_t n_settings = sizeof(settings) / sizeof(*settings);

const struct setting *setting_find(const char *name)
{
	for (size_t i = 0; i < n_settings; i++)
		if (!strcmp(settings[i].name, name))
			return &settings[i];
	return NULL;
}

const char *setting_hint(const char *name)
{
	static char hint[160];
	struct nearest near = { .name = name };
	size_t n = 0;

	for (size_t i = 0; i < n_settings; i++)
		nearest_try(&near, settings[i].name);
	if (near.best) {
		snprintf(hint, sizeof(hint), "; did you mean '%s'?", near.best);
		return hint;
	}
	for (size_t i = 0; i < n_settings && n < sizeof(hint); i++)
		n += (size_t)snprintf(hint + n, sizeof(hint) - n, "%s%s", i ? ", " : "; there are ",
				      settings[i].name);
	return hint;
}

double setting_get(const struct setting *k, const struct sampling *s)
{
	const char *at = (const char *)s + k->off;

	return k->type == SETTING_DOUBLE ? *(const double *)(const void *)at
	       : k->type == SETTING_LONG ? (double)*(const long *)(const void *)at
					 : (double)*(const uint64_t *)(const void *)at;
}

int setting_set(const struct setting *k, struct sampling *s, double x, struct err *err)
{
	void *at = (char *)s + k->off;

	if (!(x >= k->min && x <= k->max))
		return err_set(err, "'%s' is %.10g; it must be from %.16g to %.16g", k->name, x,
			       k->min, k->max);
	if (k->whole && x != floor(x))
		return err_set(err, "'%s' is %.10g; it must be a whole number", k->name, x);
	if (k->type == SETTING_DOUBLE)
		*(double *)at = x;
	else if (k->type == SETTING_LONG)
		*(long *)at = (long)x;
	else
		*(uint64_t *)at = (uint64_t)x;
	return 0;
}

int setting_parse(const struct setting *k, struct sampling *s, const char *text, struct err *err)
{
	char *end;
	double x = strtod(text, &end);

	/* Only what a decimal number is written with: no "inf", "nan", "0x10". */
	if (end == text || *end || strspn(text, "+-.0123456789eE") != strlen(text))
		return err_set(err, "'%s' must be a %s from %.16g to %.16g, not '%.40s'", k->name,
			       k->whole ? "whole number" : "number", k->min, k->max, text);
	return setting_set(k, s, x, err);
}

int setting_read(const struct setting *k, struct sampling *s, const json_t *value, struct err *err)
{
	if (k->whole ? !json_is_integer(value) : !json_is_number(value))
		return err_set(err, "\"%s\" must be a %s", k->name,
			       k->whole ? "whole number" : "number");
	return setting_set(k, s, json_number_value(value), err);
}
