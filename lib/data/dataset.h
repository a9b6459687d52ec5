/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data sets by name (dataset_info.json, as LLaMA-Factory reads it) or by file path, read as a
 * stream of records: memory does not grow with the file.
 */
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include "base/err.h"
#include "data/reader.h"
#include "data/record.h"
#include "data/rules.h"

enum formatting { FMT_ALPACA, FMT_SHAREGPT, FMT_OPENAI };

/* NULL: the column is not mapped. */
struct columns {
	const char *prompt, *query, *response, *history, *messages, *system, *tools, *chosen,
		*rejected, *kto_tag;
};

struct tags {
	const char *role, *content, *user, *assistant, *observation, *function, *system;
};

struct dataset {
	const char *name; /* as asked for */
	const char *path; /* the data file */
	enum formatting formatting;
	bool ranking;
	uint64_t num_samples; /* so many records of it, by chance; 0: all */
	bool columns_given; /* dataset_info.json maps columns: un-named ones are none */
	struct columns columns;
	struct tags tags;
	/* A bare file's shape was told from its first record (false: that one could not be read). */
	bool detected;
	struct reader *first; /* the open file; the first dataset_reader takes it */
	struct arena arena;
};

/* Where and why an open failed, for those who list findings. rule RULE_COUNT: trouble, no finding. */
struct dataset_fault {
	enum rule_id rule;
	char file[512];
	size_t line, column;
};

/*
 * name: a name in <dataset_dir>/dataset_info.json, or a path of a .json/.jsonl file. A bare file's
 * formatting, and whether it ranks, is told from the keys of its first record; "-" is standard
 * input. An unknown name is an error that lists the nearest one. *d can be closed either way.
 */
int dataset_open(struct dataset *d, const char *name, const char *dataset_dir, struct err *err);
/* The same; the message comes without its place, which goes to *fault. */
int dataset_find(struct dataset *d, const char *name, const char *dataset_dir,
		 struct dataset_fault *fault, struct err *err);
/* Tell formatting, ranking and columns from the keys of a record; NULL: as one of no keys. */
struct tape;
void dataset_detect(struct dataset *d, const struct tape *tape);
/* Close its readers first. */
void dataset_close(struct dataset *d);
/* What messages call the file: its path or "<stdin>". */
const char *dataset_label(const struct dataset *d);
/* Preference data for dpo and other data for sft, or an error that says what to change. */
int dataset_fits(const struct dataset *d, bool want_ranking, struct err *err);

struct dataset_reader;

struct dataset_reader *dataset_reader_open(const struct dataset *d, struct err *err);
/* 1: a record, 0: the end, -1: an error "path:line:column: what". The record is the caller's. What
 * ds-validate calls an error ends the reading here: no record is dropped in silence. */
int dataset_next(struct dataset_reader *r, struct record *rec, struct err *err);
/* The parts of dataset_next, for those who parse on several threads. dataset_cut: as reader_next. */
int dataset_cut(struct dataset_reader *r, struct element *e, struct err *err);
/* The next cut gives the same element again; the first one. */
void dataset_again(struct dataset_reader *r);
int dataset_rewind(struct dataset_reader *r, struct err *err);
/* 0 or -1. Elements may be parsed at the same time. */
int dataset_parse(struct dataset_reader *r, const struct element *e, struct record *rec,
		  struct err *err);
/* What can be said when all are parsed: 0 or -1. */
int dataset_end(struct dataset_reader *r, struct err *err);
void dataset_reader_close(struct dataset_reader *r);

#endif
