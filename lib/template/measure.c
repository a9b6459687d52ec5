/* SPDX-License-Identifier: Apache-2.0 */
#include "template/measure.h"

#include <string.h>

enum { LONGEST = 1 << 16, BARS = 10, BAR_WIDTH = 50 };

struct measure {
	struct token *tok;
	struct encode_settings settings;
	struct ids ids;
	struct buf spans;
	size_t records, most;
	uint64_t count[LONGEST + 1]; /* records by their tokens; the last: all that are longer */
};

struct measure *measure_open(const char *tokenizer, const char *template, long cutoff,
			     struct err *err)
{
	struct measure *m = mem_new(1, sizeof(*m));

	m->settings.template = template_find(template, err);
	m->settings.cutoff_len = (uint32_t)cutoff;
	m->tok = m->settings.template ? token_open(tokenizer, err) : NULL;
	if (m->tok)
		return m;
	mem_free(m);
	return NULL;
}

void measure_close(struct measure *m)
{
	if (!m)
		return;
	token_close(m->tok);
	ids_free(&m->ids);
	buf_free(&m->spans);
	mem_free(m);
}

/* Tokens of a record that are kept, of these trained on, and lost. */
struct cut {
	size_t kept, trained, lost;
};

static int encode(struct measure *m, const struct record *r, uint32_t cutoff, struct cut *cut,
		  struct err *err)
{
	struct encode_settings settings = m->settings;
	struct encode_counts counts = { 0 };
	struct example e;

	settings.cutoff_len = cutoff;
	m->ids.n = 0;
	buf_reset(&m->spans);
	if (encode_record(&settings, m->tok, r, &m->ids, &m->spans, &e, &counts, err) < 0)
		return -1;
	*cut = (struct cut){ .kept = e.n_ids, .lost = counts.tokens_lost };
	for (uint32_t i = 0; i < e.n_spans; i++)
		cut->trained += e.spans[i].end - e.spans[i].begin;
	if (r->is_preference)
		cut->trained = e.n_ids - e.n_prompt;
	return 0;
}

int measure_record(void *arg, const struct record *r, struct lengths *n, struct err *err)
{
	struct measure *m = arg;
	struct cut cut, whole;
	bool fits = encode(m, r, m->settings.cutoff_len, &cut, err) == 0;

	if (fits && !cut.lost) {
		whole = cut;
	} else if (encode(m, r, SHARD_IDS_MAX, &whole, err) < 0) {
		return -1;
	}
	*n = (struct lengths){ .tokens = whole.kept, .lost = fits ? cut.lost : whole.kept };
	n->answer_lost = !fits || cut.trained * 2 < whole.trained;
	m->records++;
	m->most = whole.kept > m->most ? whole.kept : m->most;
	m->count[whole.kept < LONGEST ? whole.kept : LONGEST]++;
	return 0;
}

/* The length that a share of the records does not pass. */
static size_t quantile(const struct measure *m, double share)
{
	uint64_t below = 0;

	for (size_t i = 0; i < LONGEST; i++) {
		below += m->count[i];
		if ((double)below >= share * (double)m->records)
			return i;
	}
	return m->most;
}

static void histogram(const struct measure *m, FILE *out)
{
	size_t width = (m->most < LONGEST ? m->most : LONGEST) / BARS + 1;
	uint64_t n[BARS] = { 0 }, most = 1;

	for (size_t i = 0; i <= LONGEST; i++)
		if (m->count[i])
			n[i / width < BARS ? i / width : BARS - 1] += m->count[i];
	for (size_t i = 0; i < BARS; i++)
		most = n[i] > most ? n[i] : most;
	for (size_t i = 0; i < BARS; i++) {
		int bar = (int)((n[i] * BAR_WIDTH + most - 1) / most);

		fprintf(out, "  %6zu-%-6zu %8llu %.*s\n", i * width, (i + 1) * width - 1,
			(unsigned long long)n[i], bar,
			"##################################################");
	}
}

void measure_sums(struct measure *m, FILE *out, bool bars)
{
	if (m->records) {
		fprintf(out, "  tokens: median %zu, 95 %% up to %zu, longest %zu; cutoff_len %u\n",
			quantile(m, 0.5), quantile(m, 0.95), m->most, m->settings.cutoff_len);
		if (bars)
			histogram(m, out);
	}
	m->records = m->most = 0;
	memset(m->count, 0, sizeof(m->count));
}
