/* SPDX-License-Identifier: Apache-2.0 */
/* What came out: a table for people, JSON for programs, and gates for both. */
#ifndef EVAL_REPORT_H
#define EVAL_REPORT_H

#include "eval/run.h"

#include <stdio.h>

/* A number of struct totals by its name in the report. */
struct metric;

/* NAME:METRIC>=NUMBER; also <=, >, < and ==. With one data set NAME: may be left out. */
struct gate {
	const char *text;
	const struct eval_set *set;
	const struct metric *metric;
	char op[3];
	double bound;
};

/* Parses list into *gates (owned by the caller, mem_free). A metric that will not be measured is an
 * error: e is loaded, not run. */
int gates_parse(struct gate **gates, const struct opt_list *list, const struct eval *e,
		struct err *err);
double gate_value(const struct gate *g);
bool gate_met(const struct gate *g);

void report_table(const struct eval *e, FILE *f);
/* One object without clock, host or order of work: the same run, the same bytes. */
void report_json(const struct eval *e, const struct engine *engine, const struct gate *gates,
		 size_t n_gates, struct buf *out);

#endif
