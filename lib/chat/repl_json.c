/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/lines.h"
#include "chat/repl.h"
#include "chat/request.h"

#include <stdio.h>
#include <unistd.h>

#define TOGETHER 256 /* lines that are answered before anything is written */

/* Requests that came together. */
struct round {
	struct request *v;
	struct answer *answers;
	size_t n;
};

static bool hear(void *arg, size_t i, uint32_t id)
{
	struct request *r = &((struct round *)arg)->v[i];

	return text_add(&r->text, id, &r->answer);
}

/* Waits for one line and takes those that are there beside it. 1: there may be more. */
static int collect(struct round *round, struct lines *in, const struct engine *e,
		   const struct sampling *s, const struct opt_list *stops, struct err *err)
{
	enum lines_result r = LINES_ONE;
	char *line;
	size_t n;

	while (round->n < TOGETHER) {
		struct request *new = &round->v[round->n];

		r = lines_next(in, round->n == 0, &line, &n, err);
		if (r == LINES_SIGNAL)
			continue;
		if (r != LINES_ONE)
			break;
		if (!n)
			continue;
		if (request_read(new, e, s, stops, line, n, err) < 0) {
			request_close(new);
			err_wrap(err, "standard input:%zu", in->number);
			return -1;
		}
		/* A request with its own seed gets the same answer wherever it stands. */
		round->answers[round->n++] =
			(struct answer){ .prompt = new->prompt.v,
					 .n_prompt = new->prompt.n,
					 .sampling = &new->sampling,
					 .stream = new->seeded ? 0 : (uint32_t)in->number };
	}
	return r == LINES_ERROR ? -1 : r != LINES_END;
}

static int answer(struct round *round, struct engine *e, const struct sampling *s, int streams,
		  struct err *err)
{
	struct buf out = { 0 };
	int rc = engine_answer(e, round->answers, round->n, streams, s, false, hear, round, err);

	for (size_t i = 0; i < round->n; i++) {
		struct request *r = &round->v[i];

		if (rc == 0) {
			text_end(&r->text, &r->answer);
			request_write(r, &round->answers[i], &out);
		}
		request_close(r);
		ids_free(&round->answers[i].out);
	}
	if (out.n)
		fwrite(out.p, 1, out.n, stdout);
	fflush(stdout);
	buf_free(&out);
	round->n = 0;
	return rc;
}

int repl_json(struct engine *e, const struct sampling *s, const struct opt_list *stops, int streams,
	      struct err *err)
{
	struct lines in = { .fd = STDIN_FILENO };
	struct round round = { .v = mem_new(TOGETHER, sizeof(*round.v)),
			       .answers = mem_new(TOGETHER, sizeof(*round.answers)) };
	int more = 1, rc = 0;

	while (more == 1 && rc == 0 && !ferror(stdout)) {
		struct err late = { 0 };

		more = collect(&round, &in, e, s, stops, &late);
		rc = answer(&round, e, s, streams, err);
		if (rc == 0 && more < 0) {
			*err = late;
			rc = -1;
		}
	}
	lines_close(&in);
	mem_free(round.v);
	mem_free(round.answers);
	return rc;
}
