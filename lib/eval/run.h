/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evaluation of a model over data sets. Supervised sets are answered greedily, preference sets are
 * scored by log-probabilities, with an adapter against the same model without it.
 */
#ifndef EVAL_RUN_H
#define EVAL_RUN_H

#include "base/opt.h"
#include "chat/engine.h"
#include "data/dataset.h"
#include "eval/metrics.h"

/* A data set argument: a name or file, and a range of records as Python's [begin:end]. */
struct slice {
	char *name; /* without the range; from the heap */
	bool sliced;
	bool has_begin, has_end;
	long begin, end; /* negative: from the end */
};

int slice_parse(struct slice *s, const char *text, struct err *err);
/* The range within n records: begin <= end <= n. */
void slice_range(const struct slice *s, size_t n, size_t *begin, size_t *end);

/* An answer that was trained, with the prompt it belongs to (the text of its last user message). */
struct trained {
	const char *prompt; /* borrowed from its record */
	size_t n_prompt;
	struct text text;
};

/* One record and what the model made of it. */
struct sample {
	struct record record;
	/* supervised */
	struct buf answer;
	bool exact, cut, repeats;
	double chrf;
	const struct trained *leak; /* NULL: tells no other prompt's answer */
	size_t run; /* the longest run of it in such an answer */
	double share; /* of it that stands in such answers */
	/* preference: log-probabilities; reference: adapter off */
	double chosen, rejected, ref_chosen, ref_rejected;
};

/* Numbers of a whole set; counts are whole. NAN: not measured. */
struct totals {
	double records;
	double exact, chrf, chrf_corpus, leak, repeats, cut;
	double preferred; /* pairs with log p(chosen) > log p(rejected) */
	double rewarded; /* pairs that the adapter moved towards the chosen answer */
	double margin; /* mean of beta ((pc - rc) - (pr - rr)) */
	double chosen_change, rejected_change; /* mean of pc - rc, pr - rr */
	double chosen_change_abs, rejected_change_abs; /* mean of their absolute values */
};

#define EVAL_BETA 0.1

struct eval_set {
	const char *name; /* as it was asked for */
	bool preference;
	struct sample *v;
	size_t n;
	struct totals totals;
};

struct eval_options {
	struct engine_options engine;
	const char *dataset_dir;
	struct opt_list datasets, trained;
	long max_new_tokens, streams;
};

struct eval {
	const struct eval_options *o;
	struct eval_set *sets, *trained_sets;
	size_t n_sets, n_trained_sets;
	struct trained *trained;
	size_t n_trained;
};

/* Reads all data sets; *o is borrowed. eval_close in any case. */
int eval_load(struct eval *e, const struct eval_options *o, struct err *err);
void eval_close(struct eval *e); /* fine on {0} */
/* Runs the model over them and fills in samples and totals. */
int eval_run(struct eval *e, struct engine *engine, struct err *err);

/* score.c: what the samples of a set come to, once answers or log-probabilities are there. */
void eval_score(const struct eval *e, struct eval_set *set, bool has_lora);
/* The text of the record's last user message. */
const struct message *sample_prompt(const struct sample *s);
/* The answer that the data set has: of a pair the chosen one. */
const struct message *sample_reference(const struct sample *s);

#endif
