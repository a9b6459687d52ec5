/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comma-separated values (RFC 4180): rows as JSON objects of strings, so that everything behind reads
 * one form. The first row names the columns. A cell that begins with '"' goes to the closing one, with
 * "" for one of them and line ends inside; other cells are what stands between commas.
 */
#ifndef DATA_CSV_H
#define DATA_CSV_H

#include "base/mem.h"
#include "data/reader.h"

/* Starts as {0}. */
struct csv {
	struct buf names; /* the columns as JSON strings, each ended by a NUL */
	size_t n_names;
	int state; /* of csv_end; 0 to begin */
	struct buf json; /* the row as an object, */
	struct buf cells; /* and struct element_cell for each cell */
};

/* Looks on from *i for the end of the row; true: it stands at *i . state must be 0 at a row's begin. */
bool csv_end(struct csv *c, const char *p, size_t n, size_t *i);
/* The first row. 0, or -1 with a fault in e, which holds the row. */
int csv_names(struct csv *c, struct element *e);
/* Another one: e's text becomes JSON. */
int csv_row(struct csv *c, struct element *e);
void csv_free(struct csv *c);

#endif
