/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command-line options as a table. The table is the only place where an option is named: parsing,
 * range checks and --help come from it. GNU manners: long options, bundled short ones, `--`, `-`
 * as an operand. --help and --version are answered here (stdout, exit 0); misuse prints two lines
 * on stderr and exits 2.
 */
#ifndef BASE_OPT_H
#define BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>

enum opt_type {
	OPT_END,
	OPT_FLAG, /* bool at off */
	OPT_STR, /* const char * at off */
	OPT_INT, /* long at off, within [min, max] */
	OPT_NUM, /* double at off, within [min, max] */
	OPT_LIST, /* struct opt_list at off: may be given again and again */
};

struct opt_list {
	const char **v;
	size_t n;
};

struct opt {
	enum opt_type type;
	char letter; /* 0: long form only */
	const char *name;
	const char *arg; /* what the help calls the argument; NULL for flags */
	const char *help;
	size_t off; /* offsetof(struct args, ...) */
	double min, max; /* numbers; 0, 0: no range */
};

struct cmd {
	const char *name; /* "ds-validate" */
	const char *usage; /* "[OPTION]... FILE..." */
	const char *summary; /* one sentence */
	const char *details; /* examples, exit codes; printed after the options; may be NULL */
	const struct opt *opts; /* ends with { OPT_END } */
	int semantics; /* raised when the same input gives other output: caches ask for it */
};

/* Parse into *args; operands are moved to the front: argv[0..return-1]. */
int opt_parse(const struct cmd *cmd, void *args, int argc, char **argv);
/* Two lines on stderr: what is wrong, where the help is. Exits 2. */
void opt_misuse(const struct cmd *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));

#endif
