/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule's function sees: the data set, one record, and how to report. */
#ifndef DATA_CHECK_H
#define DATA_CHECK_H

#include "data/reader.h"
#include "data/tape.h"
#include "data/turns.h"

struct check {
	struct dataset d; /* a copy: a bare file's shape may be told late */
	bool errors_only;
	finding_fn *report;
	void *arg;
	/* this record */
	const struct element *e;
	struct tape tape; /* its JSON; threads that share a check have each their own */
	struct turns turns;
	bool turns_ok; /* turns hold the whole record */
	size_t errors;
	/* all records so far */
	bool stop; /* report has had enough */
	bool any; /* a record was read */
	unsigned columns_seen; /* bit i: column_at(.., i) was there */
	size_t unseen_missing; /* missing-field findings for columns never seen */
	const char *known[64]; /* unknown fields that were reported */
	size_t n_known;
	char keys[160]; /* what the first record has */
	struct arena arena;
};

/* Report about byte `at` of the record. */
void check_report(struct check *c, enum rule_id rule, size_t at, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Byte where something stands. */
size_t check_at(const struct check *c, struct where where);
enum { N_COLUMNS = 9 };
/* The i-th of all columns, NULL when it is not mapped; *name (may be NULL): what it is called. */
const char *column_at(const struct columns *c, size_t i, const char **name);
/* Whether a column is mapped to this key of the record. */
bool column_used(const struct check *c, uint32_t key);

#endif
