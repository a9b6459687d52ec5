/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/answers.h"

#include "base/mem.h"
#include "chat/harmless.h"

#include <stdio.h>
#include <unistd.h>

struct round {
	struct request *v;
	struct answer *answers;
	size_t n, head; /* the first that is not written */
	bool text, terminal;
	struct buf out;
};

static void write_whole(struct round *round, size_t i)
{
	struct request *r = &round->v[i];

	text_end(&r->text, &r->answer);
	if (!round->text) {
		if (r->stream)
			request_write_delta(r, &round->out);
		request_write(r, &round->answers[i], &round->out);
		return;
	}
	if (round->terminal)
		harmless(r->answer.n ? r->answer.p : "", r->answer.n, &round->out);
	else
		buf_add(&round->out, r->answer.p, r->answer.n);
	buf_char(&round->out, '\n');
}

/* What can be written now. A stop string ends an answer before the engine knows. */
static void write_ready(struct round *round)
{
	for (; round->head < round->n; round->head++) {
		struct request *r = &round->v[round->head];

		if (!round->answers[round->head].done && !r->text.stopped)
			break;
		write_whole(round, round->head);
	}
	if (round->head < round->n && round->v[round->head].stream && !round->text)
		request_write_delta(&round->v[round->head], &round->out);
	if (round->out.n) {
		fwrite(round->out.p, 1, round->out.n, stdout);
		fflush(stdout);
	}
	buf_reset(&round->out);
}

static bool hear(void *arg, size_t i, uint32_t id)
{
	struct round *round = arg;
	struct request *r = &round->v[i];
	bool more = text_add(&r->text, id, &r->answer);

	write_ready(round);
	return more && !ferror(stdout);
}

int answers_write(struct engine *e, struct request *v, size_t n, int streams, bool text,
		  struct err *err)
{
	struct round round = { .v = v,
			       .answers = mem_new(n + 1, sizeof(*round.answers)),
			       .n = n,
			       .text = text,
			       .terminal = isatty(STDOUT_FILENO) };
	int rc;

	/* A request with its own seed gets the same answer wherever it stands. */
	for (size_t i = 0; i < n; i++)
		round.answers[i] =
			(struct answer){ .prompt = v[i].prompt.ids.v,
					 .n_prompt = v[i].prompt.ids.n,
					 .sampling = &v[i].sampling,
					 .stream = v[i].seeded ? 0 : (uint32_t)v[i].line };
	rc = engine_answer(e, round.answers, n, streams, &sampling_default, false, hear, &round,
			   err);
	write_ready(&round);
	for (size_t i = 0; i < n; i++) {
		request_close(&v[i]);
		ids_free(&round.answers[i].out);
	}
	mem_free(round.answers);
	buf_free(&round.out);
	return rc;
}
