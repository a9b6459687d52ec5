/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token shard (.tok.zst; the page is shard.5): what ds-tokenize writes and the trainers read.
 * `zstd -d` opens it. A reader checks the whole file when it opens it: footer, seek table,
 * checksums, counts, spans and ids against the vocabulary.
 */
#ifndef SHARD_SHARD_H
#define SHARD_SHARD_H

#include "base/err.h"
#include "base/mem.h"

enum shard_stage { SHARD_SFT, SHARD_DPO };

/* Positions [begin, end) of ids that are trained on. */
struct span {
	uint32_t begin, end;
};

/*
 * SFT: ids and spans. DPO: ids = prompt, chosen, rejected end to end; n_prompt and n_chosen say
 * where they part; there are no spans: both answers are trained whole.
 */
struct example {
	const uint32_t *ids;
	uint32_t n_ids;
	const struct span *spans;
	uint32_t n_spans;
	uint32_t n_prompt, n_chosen;
};

/* What the header says. Strings may be NULL: not known. */
struct shard_info {
	enum shard_stage stage;
	const char *tokenizer_hash;
	uint32_t vocab_size; /* one more than the largest id allowed; 0: not known */
	const char *template_name;
	const char *system; /* the system prompt that was put in; NULL: none */
	const char *thinking; /* "true", "false", "null" of a template that thinks; else NULL */
	const char *sources; /* JSON: [{"file": …, "sha256": …, "records": n}, …] */
	const char *settings; /* JSON object: cutoff_len, mask_history, … */
	uint64_t n_examples, n_tokens, n_trained, n_spans; /* filled in by the writer */
};

/* The most ids of one example, so that one record is never more than SHARD_FRAME_MAX bytes. */
#define SHARD_IDS_MAX   ((uint32_t)1 << 24)
#define SHARD_FRAME_MAX ((size_t)1 << 28)

struct shard_writer;

/* path NULL or "-": standard output. Copies what it keeps of info. */
struct shard_writer *shard_writer_open(const char *path, const struct shard_info *info,
				       struct err *err);
/* An example that breaks a rule of shard.5 is an error, and the writer stays usable. */
int shard_write(struct shard_writer *w, const struct example *e, struct err *err);
/* Replace the sources given to shard_writer_open: counts are known only at the end. */
void shard_writer_sources(struct shard_writer *w, const char *json);
/* Writes header, frames, seek table; commits; frees w whatever happens. *done (may be NULL) gets
 * the final counts; its strings are NULL. */
int shard_writer_close(struct shard_writer *w, struct shard_info *done, struct err *err);
void shard_writer_abort(struct shard_writer *w);

/* What both sides hold an example to; NULL, or which rule it breaks. vocab_size 0: any id. */
const char *shard_example_fault(const struct example *e, enum shard_stage stage,
				uint32_t vocab_size);

/* A shard in memory. */
struct shard {
	struct shard_info info;
	struct example *v;
	size_t n;
	const char *header; /* the header's JSON text, ending with a newline */
	uint32_t n_lost; /* shard_salvage: frames that are damaged */
	bool cut; /* shard_salvage: the file's end is missing, or not what was written */
	char hash[65]; /* SHA-256 of the decoded content: header and records */
	struct arena arena; /* owns the strings */
	void *content; /* owns header, ids and spans */
};

/* path "-": standard input. On failure *s is {0}: closing it is fine. */
int shard_open(struct shard *s, const char *path, struct err *err);
/* The whole frames of a damaged shard: those that can be found from the start, and whose checksum and
 * records are right. info's counts are of what is left. Fails when the header is damaged. */
int shard_salvage(struct shard *s, const char *path, struct err *err);
void shard_close(struct shard *s);

#endif
