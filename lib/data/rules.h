/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be wrong with a data set. A rule is a row of `rules[]`: name, severity, what it means,
 * how to fix it, where the manual says more, and a function that looks at one record, or at the set when
 * all were read (or none: then the reader, the registry or another rule's function finds it). Names are
 * a contract. To add a rule: one name in the enum, one row, one function.
 */
#ifndef DATA_RULES_H
#define DATA_RULES_H

#include "base/mem.h"

#include <stdbool.h>
#include <stddef.h>

enum rule_id {
	RULE_JSON_SYNTAX,
	RULE_ENCODING,
	RULE_NOT_ARRAY_OF_OBJECTS,
	RULE_NO_RECORDS,
	RULE_MISSING_FIELD,
	RULE_WRONG_TYPE,
	RULE_EMPTY_INSTRUCTION,
	RULE_EMPTY_OUTPUT,
	RULE_MALFORMED_HISTORY,
	RULE_DUPLICATE_KEY,
	RULE_CHOSEN_EQUALS_REJECTED,
	RULE_MALFORMED_TOOLS,
	RULE_CSV_SYNTAX,
	RULE_FILE_NOT_FOUND,
	RULE_DATASET_NOT_REGISTERED,
	RULE_UNKNOWN_COLUMN,
	RULE_STAGE_RANKING_MISMATCH,
	RULE_BOM,
	RULE_CONTROL_CHARACTER,
	RULE_SPECIAL_TOKEN_TEXT,
	RULE_UNKNOWN_FIELD,
	RULE_INSTRUCTION_IS_TASK,
	RULE_DPO_UNSEEN_CHOSEN,
	RULE_NO_DIALOGUE,
	RULE_SINGLE_PHRASING,
	RULE_FEW_EXAMPLES_MANY_EPOCHS,
	RULE_CONFLICTING_ANSWERS,
	RULE_NEAR_DUPLICATE,
	RULE_LEAKS_INTO_EVAL,
	RULE_LENGTH_BIAS,
	RULE_TRUNCATED,
	RULE_TOO_LONG,
	RULE_LANGUAGE_MISMATCH,
	RULE_COUNT
};

enum severity { SEVERITY_WARNING, SEVERITY_ERROR };

struct check;

struct rule {
	const char *name;
	enum severity severity;
	const char *what; /* one sentence for people */
	const char *fix;
	const char *manual; /* page and section that say more */
	void (*record)(struct check *c); /* may be NULL */
	void (*end)(struct check *c); /* after the last record; may be NULL */
};

extern const struct rule rules[RULE_COUNT];

/* RULE_COUNT when there is none of that name. */
enum rule_id rule_find(const char *name);

/* All pointers are good during the call only. */
struct finding {
	enum rule_id rule;
	size_t line, column;
	const char *message;
	const char *excerpt; /* "" : none */
	size_t caret; /* display column within the excerpt */
};

/* Returns false to end the pass. */
typedef bool finding_fn(void *arg, const struct finding *f);

struct dataset;
struct element;
struct reader;
struct record;
struct textset;
struct err;

/* How long a record is for a tokenizer and a template. */
struct lengths {
	size_t tokens; /* of all of it */
	size_t lost; /* that a cutoff takes away */
	bool answer_lost; /* nothing, or less than half of the answer would be trained on */
};
/* -1: no template has a form for it. */
typedef int lengths_fn(void *arg, const struct record *r, struct lengths *n, struct err *err);

/* What data is compared with. All zero: with itself alone. It must stay as long as the check. */
struct check_context {
	double epochs; /* 0: not known */
	const char *language; /* what the base speaks: "zh", "en"; NULL: not known */
	const struct textset *taught; /* answers that SFT data teaches; NULL: none given */
	const struct textset *eval; /* questions that an evaluation asks; NULL: none given */
	lengths_fn *lengths; /* NULL: no tokenizer */
	void *lengths_arg;
	long cutoff;
};

/* errors_only: leave out the warnings (and their cost). d must stay as long as the check. */
struct check *check_open(const struct dataset *d, bool errors_only, finding_fn *report, void *arg);
void check_compare(struct check *c, const struct check_context *context);
/* Something about the data set as a whole. */
void check_whole(struct check *c, enum rule_id rule, const char *message);
/* One record: true when no error was found in it. */
bool check_element(struct check *c, const struct element *e);
/* After the last record: columns that none of them has. check_file does it too. */
void check_columns(struct check *c);
/* All of a file; counts are exact unless report ended the pass. -1 only when it cannot be read. */
struct check_counts {
	size_t records, valid;
};
int check_file(struct check *c, struct reader *r, struct check_counts *n, struct err *err);
void check_close(struct check *c);

#endif
