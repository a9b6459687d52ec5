/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule's function sees: the data set, one record, and how to report. */
#ifndef DATA_CHECK_H
#define DATA_CHECK_H

#include "data/reader.h"
#include "data/tape.h"
#include "data/turns.h"

enum { ODD_MAX = 64, KIND_WORDS = 4096 };

/* Records of one sort whose places are told at the end, when it is known that they are few. */
struct odd {
	uint64_t n;
	struct {
		size_t line, column;
	} at[ODD_MAX];
};

/* What is counted over a set for the rules at its end. */
struct set {
	struct seen *seen; /* NULL until the first record */
	uint64_t records; /* that are whole */
	uint64_t answers,
		asked; /* different ones; answers that were met again with another question */
	uint64_t talk, talk_looked; /* records that are conversation, of those looked at */
	uint64_t longer, shorter, chosen_bytes, rejected_bytes; /* of pairs */
	uint64_t zh, en; /* records in a language */
	struct odd odd_zh, odd_en; /* the same, as far as they may turn out to be few */
	struct odd crossed; /* question in one language, answer in another */
	uint64_t kind_looked;
	uint16_t kinds[KIND_WORDS]; /* in how many questions a word or pair of characters stands */
};

struct check {
	struct dataset d; /* a copy: a bare file's shape may be told late */
	bool errors_only;
	finding_fn *report;
	void *arg;
	struct check_context context;
	/* this record */
	const struct element *e;
	struct tape tape; /* its JSON; threads that share a check have each their own */
	struct turns turns;
	bool turns_ok; /* turns hold the whole record */
	bool usual; /* its keys are those of the record before, in the same order */
	size_t errors;
	/* all records so far */
	bool stop; /* report has had enough */
	bool any; /* a record was read */
	uint64_t keys_hash; /* of the record before */
	unsigned columns_seen; /* bit i: column_at(.., i) was there */
	size_t unseen_missing; /* missing-field findings for columns never seen */
	const char *known[64]; /* unknown fields that were reported */
	size_t n_known;
	char keys[160]; /* what the first record has */
	struct arena arena;
	struct set *set; /* NULL with errors_only */
};

/* Report about byte `at` of the record. */
void check_report(struct check *c, enum rule_id rule, size_t at, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Report about a place that is past. */
void check_report_place(struct check *c, enum rule_id rule, size_t line, size_t column,
			const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Byte where something stands. */
size_t check_at(const struct check *c, struct where where);
enum { N_COLUMNS = 10 };
/* The i-th of all columns, NULL when it is not mapped; *name (may be NULL): what it is called. */
const char *column_at(const struct columns *c, size_t i, const char **name);
/* Whether a column is mapped to this key of the record. */
bool column_used(const struct check *c, uint32_t key);

#endif
