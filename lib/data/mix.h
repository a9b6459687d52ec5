/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several data sets as one row of records: one behind the other or interleaved, parts of them, and
 * which records are held out for evaluation. Every choice is a function of (seed, counter), so the
 * same settings give the same row; memory does not grow with the files. What cannot be known while
 * reading (how many records there are) is counted in a pass of its own, only where it is needed.
 */
#ifndef DATA_MIX_H
#define DATA_MIX_H

#include "data/dataset.h"

/* LLaMA-Factory's mix_strategy: until the first set ends, until all have ended (those that have begin
 * anew), each record once. */
enum mix_strategy { MIX_CONCAT, MIX_UNDER, MIX_OVER, MIX_ONCE };

/* "concat", "interleave_under", "interleave_over", "interleave_once". */
enum mix_strategy mix_strategy_of(const char *name);

/* Which set has its turn. Fill in the first five; free with mix_order_free. */
struct mix_order {
	enum mix_strategy strategy;
	const uint64_t *n; /* records of each set; none is 0 */
	size_t n_sets;
	const double *shares; /* how often each has its turn; NULL: one after the other */
	uint64_t seed;
	uint64_t turn; /* turns taken */
	uint64_t *given; /* records of each set */
};

/* The set that gives the next record; -1: the end. */
long mix_order_next(struct mix_order *o);
void mix_order_free(struct mix_order *o);

struct mix_settings {
	enum mix_strategy strategy;
	const double *shares; /* as many as sets, or NULL */
	uint64_t max_samples; /* the first of each set; 0: all */
	double val_size; /* above 1: records, else a part of all; 0: none are held out */
	uint64_t seed;
};

struct mix;

/* A record of the row, or what is wrong between records: an element of set `set`. */
struct mix_item {
	struct element e; /* its text stands until the next mix_next */
	size_t set;
	bool held; /* out, for evaluation */
};

/* The sets stay the caller's, open until mix_close. */
struct mix *mix_open(const struct mix_settings *s, const struct dataset *sets, size_t n,
		     struct err *err);
/* 1, 0: the end, -1. */
int mix_next(struct mix *m, struct mix_item *item, struct err *err);
/* Its record; from any thread. */
int mix_parse(struct mix *m, const struct mix_item *item, struct record *rec, struct err *err);
/* What can be said when all are parsed. */
int mix_end(struct mix *m, struct err *err);
/* Records that set i gave. */
uint64_t mix_given(const struct mix *m, size_t i);
void mix_close(struct mix *m);

#endif
