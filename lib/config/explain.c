/* SPDX-License-Identifier: Apache-2.0 */
/* A row of the table in words. */
#include "config/schema.h"

#include <math.h>
#include <string.h>

static void list(struct buf *out, const char *choices)
{
	for (; *choices; choices++) {
		if (*choices == ' ')
			buf_char(out, ',');
		buf_char(out, *choices);
	}
}

static void explain_range(const struct key *k, struct buf *out)
{
	const char *above = k->open & OPEN_MIN ? "above " : "";

	if (isinf(k->max))
		buf_printf(out, ", %s%.10g%s", above, k->min, *above ? "" : " or more");
	else if (k->min != 0 || k->max != 0)
		buf_printf(out, ", %s%.10g to %s%.10g", above, k->min,
			   k->open & OPEN_MAX ? "below " : "", k->max);
}

static void explain_type(const struct key *k, struct buf *out)
{
	static const char *const names[] = {
		[KEY_BOOL] = "true or false", [KEY_INT] = "a whole number", [KEY_NUM] = "a number",
		[KEY_STR] = "text",           [KEY_LIST] = "a list",
	};

	if (k->choices && k->type == KEY_LIST)
		buf_str(out, "a list of ");
	if (k->choices)
		list(out, k->choices);
	else
		buf_str(out, names[k->type]);
	explain_range(k, out);
}

static void explain_uses(const struct key *k, struct buf *out)
{
	static const char *const tools[] = { "ft-sft", "ft-dpo", "ds-tokenize", "ft-chat",
					     "ft-merge" };
	const char *sep = "  Read by ";

	for (unsigned i = 0; i < sizeof(tools) / sizeof(*tools); i++)
		if (k->uses >> i & 1) {
			buf_printf(out, "%s%s", sep, tools[i]);
			sep = ", ";
		}
	buf_str(out, ".\n");
}

static void explain(const struct key *k, struct buf *out)
{
	if (k->kind == KEY_IGNORED) {
		buf_printf(out, "%s: accepted, without effect\n  %s\n", k->name, k->help);
		return;
	}
	buf_printf(out, "%s: ", k->name);
	if (k->kind == KEY_MISSING)
		buf_str(out, "not implemented; only its default is accepted");
	else
		explain_type(k, out);
	buf_printf(out, "; default %s\n  %s\n", k->preset ? k->preset : "null", k->help);
	if (k->kind == KEY_USED && k->later) {
		buf_str(out, "  Not implemented yet: ");
		list(out, k->later);
		buf_str(out, ".\n");
	}
	explain_uses(k, out);
}

int config_explain(const char *name, struct buf *out, struct err *err)
{
	const struct key *k = config_key(name);
	const char *near = suggest_key(name);

	if (k)
		explain(k, out);
	for (size_t i = 0; i < config_n_keys && !strcmp(name, "all"); i++)
		explain(&config_keys[i], out);
	if (k || !strcmp(name, "all"))
		return 0;
	if (near)
		return err_set(err, "there is no key '%.60s'; did you mean '%s'?", name, near);
	return err_set(err, "there is no key '%.60s'; --explain all tells all of them", name);
}
