/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Findings as people and programs read them: lines as a compiler's, one JSON object, or SARIF 2.1.0; how
 * severe each rule is (-W); and the sums of a file on standard error.
 */
#ifndef DATA_FINDINGS_H
#define DATA_FINDINGS_H

#include "base/jsonw.h"
#include "base/opt.h"
#include "data/rules.h"

enum { FINDINGS_MAX = 1000 }; /* that are shown of a file; there the check of it stops */

enum findings_form { FINDINGS_TEXT, FINDINGS_JSON, FINDINGS_SARIF };
enum findings_level { FINDINGS_OFF, FINDINGS_WARNING, FINDINGS_ERROR };

/* Starts as zeros with form set, then findings_levels. */
struct findings {
	enum findings_form form;
	enum findings_level level[RULE_COUNT];
	char *file; /* that findings are about */
	char *shown; /* the same, fit for a line */
	size_t count[RULE_COUNT]; /* in this file */
	size_t errors, warnings; /* in this file */
	size_t all_errors;
	struct buf found, files;
	struct jsonw wf, wl;
};

/* -W: RULE, no-RULE, error, error=RULE, in the order given. NULL, or what is no rule. */
const char *findings_levels(struct findings *f, const struct opt_list *warn);
void findings_file(struct findings *f, const char *name);
/* A finding_fn; arg is the struct findings. */
bool findings_add(void *arg, const struct finding *f);
/* The sums of the file: records and what was found, by rule, with what to do. */
void findings_sums(struct findings *f, const struct check_counts *n);
/* What is printed when all files are done, JSON and SARIF; tool and version name the program. */
void findings_end(struct findings *f, const char *tool, const char *version);
void findings_list_rules(void);
void findings_free(struct findings *f);

#endif
