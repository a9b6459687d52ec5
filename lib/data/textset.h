/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of another data set, as hashes, to ask whether a record's is among them: the answers that SFT
 * data teaches, the questions that an evaluation asks. Case, punctuation and white space do not count.
 */
#ifndef DATA_TEXTSET_H
#define DATA_TEXTSET_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum textset_what { TEXTSET_ANSWERS, TEXTSET_QUESTIONS };
enum { TEXTSET_MAX = 4 << 20 }; /* texts */

struct textset;

struct textset *textset_new(enum textset_what what);
/* Add a data set's texts: every answer (of preference data the chosen one), or every last question. */
int textset_add(struct textset *s, const char *name, const char *dataset_dir, struct err *err);
/* The line of the record that has this text, 0 when none has; *file: where. */
size_t textset_find(const struct textset *s, const char *text, size_t n, const char **file);
void textset_free(struct textset *s);

#endif
