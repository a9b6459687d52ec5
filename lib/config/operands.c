/* SPDX-License-Identifier: Apache-2.0 */
#include "config/operands.h"

#include <stdio.h>
#include <string.h>

static bool is_override(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return n && s[n] == '=';
}

static bool is_yaml(const char *s)
{
	const char *dot = strrchr(s, '.');

	return dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"));
}

int operands_read(struct operands *o, char **v, int n, bool with_shard, struct err *err)
{
	memset(o, 0, sizeof(*o));
	o->overrides = mem_new((size_t)n + 1, sizeof(*o->overrides));
	for (int i = 0; i < n; i++) {
		if (is_override(v[i]))
			o->overrides[o->n_overrides++] = v[i];
		else if (is_yaml(v[i]) && !o->config)
			o->config = v[i];
		else if (is_yaml(v[i]))
			return err_set(err, "one configuration file at a time: '%s', '%s'",
				       o->config, v[i]);
		else if (with_shard && !o->shard)
			o->shard = v[i];
		else
			return err_set(err, "'%s' is neither a .yaml file nor KEY=VALUE%s", v[i],
				       with_shard ? ", and the shard is given" : "");
	}
	if (with_shard && !o->shard)
		return err_set(
			err,
			"no shard: make one with 'ds-tokenize %s -o x.tok.zst', or pipe it in and "
			"say '-'",
			o->config ? o->config : "CONFIG.yaml");
	return 0;
}

int operands_leading(char **v, int n)
{
	int i = 0;

	if (n && is_yaml(v[0]))
		for (i = 1; i < n && is_override(v[i]);)
			i++;
	return i;
}

int operands_explain(const char *key, struct err *err)
{
	struct buf text = { 0 };
	int rc = config_explain(key, &text, err);

	if (rc == 0)
		fputs(text.p, stdout);
	buf_free(&text);
	return rc;
}

void operands_free(struct operands *o)
{
	mem_free(o->overrides);
	memset(o, 0, sizeof(*o));
}

int operands_config(const struct operands *o, struct config *c, enum config_use use,
		    const char *const *required, struct err *err)
{
	struct buf problems = { 0 };
	int rc = config_load(c, use, o->config, o->overrides, o->n_overrides, &problems, err);
	char *last;

	for (; rc == 0 && *required; required++)
		config_require(c, *required, &problems);
	while (problems.n && problems.p[problems.n - 1] == '\n')
		problems.p[--problems.n] = 0;
	if (problems.n) {
		last = strrchr(problems.p, '\n');
		if (last)
			fprintf(stderr, "%.*s\n", (int)(last - problems.p), problems.p);
		rc = err_set(err, "%s", last ? last + 1 : problems.p);
	}
	buf_free(&problems);
	return rc;
}
