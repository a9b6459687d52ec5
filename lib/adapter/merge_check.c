/* SPDX-License-Identifier: Apache-2.0 */
/* Is the merged model the base with its adapter? Logits of probe texts, both ways. */
#include "adapter/merge.h"

#include "base/file.h"
#include "base/mem.h"
#include "model/pass.h"

#include <math.h>
#include <string.h>

/* Ordinary text of several kinds: where the adapter was trained and where it was not. */
static const char *const probes[] = {
	"Tell me a joke about the queue for bread.",
	"Hello! How are you today?",
	"The capital of France is Paris, and the capital of Italy is",
	"int main(void) { return 0; }",
	"\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xBB\x8A\xE5\xA4\xA9\xE5\xA4\xA9\xE6\xB0\x94\xE6"
	"\x80\x8E"
	"\xE4\xB9\x88\xE6\xA0\xB7\xEF\xBC\x9F",
};

#define N_PROBES ((int)(sizeof(probes) / sizeof(*probes)))

/* One probe's ids, no more of them than the model has positions. */
static int one_probe(const struct token *tok, const struct arch *a, const char *text,
		     struct ids *ids, struct err *err)
{
	size_t begin = ids->n;

	if (token_encode(tok, text, strlen(text), TOKEN_PLAIN, ids, err) < 0)
		return -1;
	if (ids->n - begin > (size_t)a->max_positions)
		ids->n = begin + (size_t)a->max_positions;
	for (size_t i = begin; i < ids->n; i++)
		if (ids->v[i] >= (uint32_t)a->vocab)
			return err_set(err,
				       "the tokenizer made id %u, the model's vocabulary ends at "
				       "%d; is it the model's own?",
				       ids->v[i], a->vocab - 1);
	return 0;
}

/* Ids of all probes, end to end; begin[i] is where probe i starts. */
static int probe_ids(const char *model, struct ids *ids, int begin[N_PROBES + 1], struct err *err)
{
	struct source src;
	struct token *tok;
	int rc;

	if (source_open(&src, model, err) < 0)
		return -1;
	tok = token_open(model, err);
	rc = tok ? 0 : -1;
	for (int i = 0; rc == 0 && i < N_PROBES; i++) {
		begin[i] = (int)ids->n;
		rc = one_probe(tok, &src.arch, probes[i], ids, err);
	}
	begin[N_PROBES] = (int)ids->n;
	token_close(tok);
	source_close(&src);
	return rc;
}

static int logits_of(struct model *m, const struct lora *lora, const struct ids *ids,
		     const int begin[N_PROBES + 1], float *logits, struct err *err)
{
	int n = (int)ids->n;
	struct batch_limits limits = { n, N_PROBES, N_PROBES, n, n, n };
	struct pass_options o = { .limits = limits };
	struct pass p;
	struct batch b;

	if (lora)
		lora_widths(lora, &o.lora_width, &o.lora_rows);
	if (pass_open(&p, m, &o, err) < 0)
		return -1;
	batch_open(&b, &limits);
	for (int i = 0; i < N_PROBES; i++)
		if (begin[i + 1] > begin[i])
			batch_segment(&b, ids->v + begin[i], begin[i + 1] - begin[i], -1);
	for (int i = 0; i < n; i++)
		batch_row(&b, i, 0);
	pass_forward(&p, &b, lora, NULL);
	pass_logits(&p, &b, logits);
	batch_close(&b);
	pass_close(&p);
	return 0;
}

static double log_sum_exp(const float *x, int n)
{
	double max = -INFINITY, sum = 0;

	for (int i = 0; i < n; i++)
		max = fmax(max, x[i]);
	for (int i = 0; i < n; i++)
		sum += exp(x[i] - max);
	return max + log(sum);
}

static void compare_token(const float *a, const float *b, int n, struct merge_difference *d,
			  double *diff, double *size)
{
	double mean = 0, kl = 0, la = log_sum_exp(a, n), lb = log_sum_exp(b, n);
	int top_a = 0, top_b = 0;

	for (int i = 0; i < n; i++) {
		double delta = (double)a[i] - b[i];

		mean += a[i];
		*diff += delta * delta;
		d->max_abs = fmax(d->max_abs, fabs(delta));
		kl += exp(a[i] - la) * (delta - (la - lb));
		top_a = a[i] > a[top_a] ? i : top_a;
		top_b = b[i] > b[top_b] ? i : top_b;
	}
	mean /= n;
	for (int i = 0; i < n; i++)
		*size += (a[i] - mean) * (a[i] - mean);
	d->kl = fmax(d->kl, kl);
	d->same_top += top_a == top_b;
	d->n_tokens++;
}

/* Logits with the adapters beside the base: all but the last merged in fp32, the last as LoRA. */
static int beside(const struct merge_job *job, struct dev *dev, const struct ids *ids,
		  const int begin[N_PROBES + 1], float **logits, int *vocab, struct err *err)
{
	struct model_options o = { .act = DT_F32 };
	struct adapter_list adapters = { 0 }, first;
	struct weight_hook hook;
	struct source src;
	struct model m = { 0 };
	struct lora lora = { 0 };
	int rc = source_open(&src, job->model, err);

	if (rc == 0)
		rc = adapter_list_open(&adapters, job->adapters, &src.arch, err);
	first = (struct adapter_list){ adapters.v, adapters.n ? adapters.n - 1 : 0 };
	hook = adapter_list_hook(&first);
	o.hook = first.n ? &hook : NULL;
	if (rc == 0)
		rc = model_open(&m, dev, &src, &o, err);
	if (rc == 0 && adapters.n)
		rc = adapter_to_lora(&adapters.v[adapters.n - 1], &lora, dev, DT_F32, err);
	if (rc == 0) {
		*vocab = m.arch.vocab;
		*logits = mem_new(ids->n * (size_t)m.arch.vocab, sizeof(**logits));
		rc = logits_of(&m, adapters.n ? &lora : NULL, ids, begin, *logits, err);
	}
	lora_close(&lora);
	model_close(&m);
	adapter_list_close(&adapters);
	source_close(&src);
	return rc;
}

/*
 * bf16 keeps 8 bits of a weight, so logits move by about 2^-9 of their size a layer and add up like a
 * random walk; a tenth of their spread is far above that and far below a wrong merge. 8-bit blocks
 * stay below it, too; 4-bit ones do not: there only what is no model any more is found.
 */
static double bound_of(const struct merge_job *job)
{
	return job->type == DT_Q4_0 || job->type == DT_Q4_K ? 0.6 : 0.1;
}

/* What was written, as a job without adapters, or with the one that was written. */
static struct merge_job written(const struct merge_job *job, char **path)
{
	*path = job->format == MERGE_HF
			? mem_strdup(job->out)
			: path_join(job->out, job->format == MERGE_GGUF ? MERGE_MODEL_GGUF
									: MERGE_ADAPTER_GGUF);
	if (job->format == MERGE_LORA_GGUF)
		return (struct merge_job){ .model = job->model, .adapters = *path };
	return (struct merge_job){ .model = *path };
}

int merge_compare(const struct merge_job *job, struct dev *dev, struct merge_difference *d,
		  struct err *err)
{
	char *path;
	struct merge_job merged = written(job, &path);
	struct ids ids = { 0 };
	float *a = NULL, *b = NULL;
	int begin[N_PROBES + 1], vocab = 0, vocab_b = 0, rc;
	double diff = 0, size = 0;

	*d = (struct merge_difference){ .bound = bound_of(job) };
	rc = probe_ids(job->model, &ids, begin, err);
	if (rc == 0)
		rc = beside(job, dev, &ids, begin, &a, &vocab, err);
	if (rc == 0)
		rc = beside(&merged, dev, &ids, begin, &b, &vocab_b, err);
	for (size_t i = 0; rc == 0 && i < ids.n; i++)
		compare_token(a + i * (size_t)vocab, b + i * (size_t)vocab, vocab, d, &diff, &size);
	d->relative = sqrt(diff / (size > 0 ? size : 1));
	ids_free(&ids);
	mem_free(a);
	mem_free(b);
	mem_free(path);
	return rc;
}
