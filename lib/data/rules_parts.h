/* SPDX-License-Identifier: Apache-2.0 */
/* The functions behind the rows of rules.c that look at what a text says, or at the whole set. */
#ifndef DATA_RULES_PARTS_H
#define DATA_RULES_PARTS_H

#include "data/check.h"

/* ---- one record ---- */
void task_rule(struct check *c);
void unseen_rule(struct check *c);
void leak_rule(struct check *c);
void length_rule(struct check *c);
/* ---- a record beside those before it: counts, and findings of several rules ---- */
void set_rule(struct check *c);
/* ---- at the end ---- */
void dialogue_rule(struct check *c);
void phrasing_rule(struct check *c);
void epochs_rule(struct check *c);
void bias_rule(struct check *c);
void language_rule(struct check *c);

/* What the user says last, and what is answered (the better answer of a pair); NULL: there is none. */
const struct turn *last_question(const struct check *c);
const struct turn *last_answer(const struct check *c);

#endif
