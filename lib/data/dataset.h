/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data sets by name (dataset_info.json, as LLaMA-Factory reads it) or by file path, read as a
 * stream of records: memory does not grow with the file.
 */
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include "base/err.h"
#include "data/record.h"

enum formatting { FMT_ALPACA, FMT_SHAREGPT, FMT_OPENAI };

/* NULL: the column is not mapped. */
struct columns {
	const char *prompt, *query, *response, *history, *messages, *system, *tools, *chosen,
		*rejected;
};

struct tags {
	const char *role, *content, *user, *assistant, *observation, *function, *system;
};

struct dataset {
	const char *name; /* as asked for */
	const char *path; /* the data file */
	enum formatting formatting;
	bool ranking;
	bool columns_given; /* dataset_info.json maps columns: un-named ones are none */
	struct columns columns;
	struct tags tags;
	struct arena arena;
};

/*
 * name: a name in <dataset_dir>/dataset_info.json, or a path of a .json/.jsonl file. A bare file's
 * formatting, and whether it ranks, is told from the keys of its first record. An unknown name is
 * an error that lists the nearest one.
 */
int dataset_open(struct dataset *d, const char *name, const char *dataset_dir, struct err *err);
void dataset_close(struct dataset *d);

struct dataset_reader;

struct dataset_reader *dataset_reader_open(const struct dataset *d, struct err *err);
/* 1: a record, 0: the end, -1: an error "path:line:column: what". The record is the caller's. */
int dataset_next(struct dataset_reader *r, struct record *rec, struct err *err);
void dataset_reader_close(struct dataset_reader *r);

#endif
