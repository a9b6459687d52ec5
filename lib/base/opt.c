/* SPDX-License-Identifier: Apache-2.0 */
#include "base/opt.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef VERSION
#define VERSION "unknown"
#endif

void opt_misuse(const struct cmd *cmd, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s: %s\nTry '%s --help'.\n", cmd->name, err_printable(text), cmd->name);
	exit(2);
}

static void help(const struct cmd *cmd)
{
	char left[80];

	printf("Usage: %s %s\n%s\n\n", cmd->name, cmd->usage, cmd->summary);
	for (const struct opt *o = cmd->opts; o->type; o++) {
		int n = o->letter ? snprintf(left, sizeof(left), "  -%c, --%s", o->letter, o->name)
				  : snprintf(left, sizeof(left), "      --%s", o->name);

		if (o->arg)
			snprintf(left + n, sizeof(left) - (size_t)n, "=%s", o->arg);
		printf("%-32s %s\n", left, o->help);
	}
	printf("%-32s %s\n%-32s %s\n", "  -h, --help", "this text", "  -V, --version",
	       "the version");
	if (cmd->details)
		printf("\n%s", cmd->details);
	exit(fflush(stdout) ? 2 : 0);
}

static void number(const struct cmd *cmd, const struct opt *o, const char *s, void *args)
{
	char *end;
	double x;

	errno = 0;
	x = o->type == OPT_INT ? (double)strtol(s, &end, 10) : strtod(s, &end);
	if (end == s || *end || errno || !isfinite(x))
		opt_misuse(cmd, "--%s: '%s' is not %s", o->name, s,
			   o->type == OPT_INT ? "a whole number" : "a number");
	if ((o->min != 0 || o->max != 0) && (x < o->min || x > o->max))
		opt_misuse(cmd, "--%s: %s is out of range; it takes %.10g to %.10g", o->name, s,
			   o->min, o->max);
	if (o->type == OPT_INT)
		*(long *)((char *)args + o->off) = strtol(s, NULL, 10);
	else
		*(double *)((char *)args + o->off) = x;
}

static void store(const struct cmd *cmd, const struct opt *o, const char *s, void *args)
{
	char *at = (char *)args + o->off;
	struct opt_list *list;

	switch (o->type) {
	case OPT_FLAG:
		*(bool *)at = true;
		break;
	case OPT_STR:
		*(const char **)at = s;
		break;
	case OPT_LIST:
		list = (struct opt_list *)at;
		list->v = mem_grow(list->v, list->n + 1, sizeof(*list->v));
		list->v[list->n++] = s;
		break;
	default:
		number(cmd, o, s, args);
	}
}

static void parse_long(const struct cmd *cmd, void *args, char **argv, int argc, int *i)
{
	const char *name = argv[*i] + 2;
	size_t n = strcspn(name, "=");
	const struct opt *o;

	if (!strcmp(name, "help"))
		help(cmd);
	if (!strcmp(name, "version")) {
		printf("%s (anekdot) %s, semantics %d\n", cmd->name, VERSION, cmd->semantics);
		exit(fflush(stdout) ? 2 : 0);
	}
	for (o = cmd->opts; o->type; o++)
		if (strlen(o->name) == n && !strncmp(o->name, name, n))
			break;
	if (!o->type)
		opt_misuse(cmd, "unknown option '--%.*s'", (int)n, name);
	if (o->type == OPT_FLAG) {
		if (name[n])
			opt_misuse(cmd, "--%s takes no argument", o->name);
		store(cmd, o, NULL, args);
	} else if (name[n]) {
		store(cmd, o, name + n + 1, args);
	} else if (*i + 1 < argc) {
		store(cmd, o, argv[++*i], args);
	} else {
		opt_misuse(cmd, "--%s needs an argument (%s)", o->name, o->arg);
	}
}

static void parse_short(const struct cmd *cmd, void *args, char **argv, int argc, int *i)
{
	for (const char *p = argv[*i] + 1; *p; p++) {
		const struct opt *o;

		if (*p == 'h')
			help(cmd);
		if (*p == 'V')
			parse_long(cmd, args, (char *[]){ "--version" }, 1, &(int){ 0 });
		for (o = cmd->opts; o->type; o++)
			if (o->letter == *p)
				break;
		if (!o->type)
			opt_misuse(cmd, "unknown option '-%c'", *p);
		if (o->type == OPT_FLAG) {
			store(cmd, o, NULL, args);
			continue;
		}
		if (!p[1] && *i + 1 >= argc)
			opt_misuse(cmd, "-%c needs an argument (%s)", *p, o->arg);
		store(cmd, o, p[1] ? p + 1 : argv[++*i], args);
		return;
	}
}

int opt_parse(const struct cmd *cmd, void *args, int argc, char **argv)
{
	int n = 0, i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--")) {
			i++;
			break;
		}
		if (argv[i][0] != '-' || !argv[i][1])
			argv[n++] = argv[i];
		else if (argv[i][1] == '-')
			parse_long(cmd, args, argv, argc, &i);
		else
			parse_short(cmd, args, argv, argc, &i);
	}
	while (i < argc)
		argv[n++] = argv[i++];
	return n;
}
