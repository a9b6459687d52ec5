/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts a file into its top-level elements: the members of a JSON array, or JSON lines, whatever the
 * extension says; or the rows of a .csv file, as objects. Only the structure is looked at (strings, escapes, depth); parsing an element is
 * another's business. The file passes through one window, so memory is bounded by the longest
 * record (64 MiB at most), never by the file.
 */
#ifndef DATA_READER_H
#define DATA_READER_H

#include "base/err.h"
#include "base/mem.h"
#include "data/rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ELEMENT_BYTES_MAX = 64 << 20 };

/* Where the part of an element from byte `at` stands, if not where its text is. */
struct element_cell {
	size_t at, line, column;
};

/*
 * One element, or one thing that is wrong between elements (is_record false). Lines and columns
 * count from 1, columns in characters. fault is "" or says what is wrong at p + fault_at; then the
 * text may be incomplete and must not be parsed.
 */
struct element {
	const char *p; /* until the next reader_next */
	size_t n;
	uint64_t offset; /* of p, in bytes from the start of the file */
	size_t line, column;
	const struct element_cell *cells; /* of a row; NULL: the text is the file's own */
	size_t n_cells;
	bool is_record;
	enum rule_id rule;
	size_t fault_at;
	char fault[240];
};

struct reader;

/* Whether the rows of a table are read from it. */
bool reader_is_csv(const char *path);
/* "-" is standard input. */
struct reader *reader_open(const char *path, struct err *err);
/* 1: *e is filled, 0: the end, -1: the file cannot be read. After a fault it goes on with the next
 * element where that can be found, else the next call returns 0. */
int reader_next(struct reader *r, struct element *e, struct err *err);
/* Let the next reader_next give the same element again. */
void reader_again(struct reader *r);
/* Whether the file began with a UTF-8 byte order mark; known after the first reader_next. */
bool reader_bom(const struct reader *r);
/* The first call returns true, the others false: a stream can be read only once. */
bool reader_take(struct reader *r);
void reader_close(struct reader *r);

/* Copies what e points to into *room, whose old content goes. */
void element_keep(struct element *e, struct buf *room);
/* Line and column of byte `at` of the element. */
void element_place(const struct element *e, size_t at, size_t *line, size_t *column);
/*
 * Where in the text the value of member `key` starts; index >= 0: that element of it; inner not
 * NULL: that member of it. Falls back to the nearest thing around it that is there. *at_key (may be
 * NULL) gets the place of the innermost key. The element must be valid JSON.
 */
size_t element_find(const struct element *e, const char *key, long index, const char *inner,
		    size_t *at_key);
/* Where the token begins that jansson stumbled over: its error's position (the token's end) and text. */
size_t element_fault(const struct element *e, int position, const char *text);
/*
 * The line around byte `at`, at most about 100 columns of it, control characters made harmless;
 * into out (size bytes). Returns the display column of `at` within it, from 0.
 */
size_t element_excerpt(const struct element *e, size_t at, char *out, size_t size);

#endif
