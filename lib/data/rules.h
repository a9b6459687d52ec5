/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be wrong with a data set. A rule is a row of `rules[]`: name, severity, what it means,
 * how to fix it, and a function that looks at one record (or none: then the reader or the registry
 * finds it). Names are a contract. To add a rule: one name in the enum, one row, one function.
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
	RULE_UNSUPPORTED_TOOLS,
	RULE_FILE_NOT_FOUND,
	RULE_DATASET_NOT_REGISTERED,
	RULE_UNKNOWN_COLUMN,
	RULE_STAGE_RANKING_MISMATCH,
	RULE_BOM,
	RULE_CONTROL_CHARACTER,
	RULE_SPECIAL_TOKEN_TEXT,
	RULE_UNKNOWN_FIELD,
	RULE_COUNT
};

enum severity { SEVERITY_WARNING, SEVERITY_ERROR };

struct check;

struct rule {
	const char *name;
	enum severity severity;
	const char *what; /* one sentence for people */
	const char *fix;
	void (*record)(struct check *c); /* may be NULL */
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

/* errors_only: leave out the warnings (and their cost). d must stay as long as the check. */
struct check *check_open(const struct dataset *d, bool errors_only, finding_fn *report, void *arg);
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
struct err;
int check_file(struct check *c, struct reader *r, struct check_counts *n, struct err *err);
void check_close(struct check *c);

#endif
