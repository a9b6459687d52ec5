/* SPDX-License-Identifier: Apache-2.0 */
/* How long records are as tokens, for ds-validate: a lengths_fn of data/rules.h, and the sums of a set. */
#ifndef TEMPLATE_MEASURE_H
#define TEMPLATE_MEASURE_H

#include "data/rules.h"
#include "template/template.h"

#include <stdio.h>

struct measure;

/* The tokenizer of a path, a template by name. */
struct measure *measure_open(const char *tokenizer, const char *template, long cutoff,
			     struct err *err);
/* arg is the struct measure. -1: the template has no form for the record. */
int measure_record(void *arg, const struct record *r, struct lengths *n, struct err *err);
/* Median, 95 % and longest on a line, and with bars a histogram below it; then begin anew. */
void measure_sums(struct measure *m, FILE *out, bool bars);
void measure_close(struct measure *m);

#endif
