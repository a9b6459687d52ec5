/* SPDX-License-Identifier: Apache-2.0 */
#include "template/tokenize.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/jsonw.h"
#include "base/tool.h"
#include "data/dataset.h"
#include "shard/shard.h"
#include "template/bulk.h"
#include "template/template.h"
#include "token/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Data sets that become one shard. */
struct part {
	const char *keys; /* names, a list; NULL: those of the options */
	struct dataset *sets;
	size_t n;
	struct buf sources; /* JSON */
	uint64_t records, held;
};

/* What is open while it runs. */
struct job {
	struct tokenize *t;
	double *shares;
	size_t n_shares;
	struct token *tok;
	struct encode_settings settings;
	struct encode_counts counts;
	enum shard_stage stage;
	struct shard_writer *writer, *held;
	struct part train, eval;
};

static void summary(const struct job *job, const struct shard_info *done)
{
	const struct encode_counts *counts = &job->counts;
	long cutoff = (long)job->settings.cutoff_len;

	progress_end();
	fprintf(stderr, "%s: %llu examples, %llu tokens, %llu trained, %llu truncated",
		job->t->tool, (unsigned long long)done->n_examples,
		(unsigned long long)done->n_tokens, (unsigned long long)done->n_trained,
		(unsigned long long)counts->truncated);
	if (counts->truncated)
		fprintf(stderr, " (%llu tokens lost to cutoff_len %ld)",
			(unsigned long long)counts->tokens_lost, cutoff);
	if (done->n_examples != job->train.records)
		fprintf(stderr, "; of %llu records", (unsigned long long)job->train.records);
	if (counts->dropped)
		fprintf(stderr, "; %llu dropped, for they are longer than cutoff_len %ld",
			(unsigned long long)counts->dropped, cutoff);
	if (counts->bad)
		fprintf(stderr, "; %llu left out, for kto_tag is false",
			(unsigned long long)counts->bad);
	fputc('\n', stderr);
}

const char *tokenize_find(struct config *c, const char *path, const char *inside)
{
	char *home = path_dir(c->file), *there = path_join(home, path);
	char *here_file = path_join(path, inside), *there_file = path_join(there, inside);
	const char *found = path;

	if (*path != '/' && !file_exists(*inside ? here_file : path) &&
	    file_exists(*inside ? there_file : there)) {
		found = arena_strndup(&c->arena, there, strlen(there));
		tool_note("%s is not here; read from %s", path, found);
	}
	mem_free(home);
	mem_free(there);
	mem_free(here_file);
	mem_free(there_file);
	return found;
}

static int add_dataset(struct job *job, struct part *p, const char *name, struct err *err)
{
	p->sets = mem_grow(p->sets, p->n + 1, sizeof(*p->sets));
	p->sets[p->n] = (struct dataset){ 0 };
	return dataset_open(&p->sets[p->n++], name, job->t->config.dataset_dir, err);
}

static int open_datasets(struct job *job, struct part *p, struct err *err)
{
	const struct opt_list *given = &job->t->datasets;
	const char *rest = p->keys, *item;
	size_t n;

	for (size_t i = 0; !rest && i < given->n; i++)
		if (add_dataset(job, p, given->v[i], err) < 0)
			return -1;
	while ((item = config_list_next(&rest, &n)))
		if (add_dataset(job, p,
				tokenize_find(&job->t->config,
					      arena_strndup(&job->t->config.arena, item, n), ""),
				err) < 0)
			return -1;
	return 0;
}

static void close_part(struct part *p)
{
	for (size_t i = 0; i < p->n; i++)
		dataset_close(&p->sets[i]);
	mem_free(p->sets);
	buf_free(&p->sources);
}

static int check_settings(struct job *job, struct err *err)
{
	const struct config *c = &job->t->config;
	bool packs;

	job->train.keys = job->t->datasets.n ? NULL : c->dataset;
	job->eval.keys = c->eval_dataset;
	if (!job->train.keys && !job->t->datasets.n)
		return err_set(err, "no data set; give --dataset or the key dataset");
	if (!c->model_name_or_path)
		return err_set(err, "no tokenizer; give --tokenizer or model_name_or_path");
	if (c->stage && strcmp(c->stage, "sft") && strcmp(c->stage, "dpo"))
		return err_set(err, "stage '%s' is not supported; it takes sft or dpo", c->stage);
	if (c->mask_history && c->train_on_prompt)
		return err_set(err, "mask_history and train_on_prompt exclude each other");
	if (job->t->val && !job->eval.keys && c->val_size == 0)
		return err_set(err, "--val: nothing is held out; give val_size or eval_dataset");
	packs = c->packing || c->neat_packing;
	job->settings = (struct encode_settings){ .system = c->default_system,
						  .cutoff_len = (uint32_t)(c->cutoff_len - packs),
						  .truncation = truncation_of(c->truncation),
						  .train_on_prompt = c->train_on_prompt,
						  .mask_history = c->mask_history,
						  .thinking = thinking_of(c->enable_thinking),
						  .preserve_thinking = c->preserve_thinking };
	if (c->template)
		job->settings.template = template_find(c->template, err);
	return c->template && !job->settings.template ? -1 : 0;
}

/* What shaped the examples, as far as it was not left alone. */
static void write_settings(const struct job *job, struct buf *out)
{
	const struct config *c = &job->t->config;
	struct jsonw w = { .out = out };

	jsonw_open(&w, '{');
	jsonw_kint(&w, "cutoff_len", job->settings.cutoff_len);
	jsonw_kbool(&w, "mask_history", c->mask_history);
	jsonw_kbool(&w, "train_on_prompt", c->train_on_prompt);
	if (job->settings.template->thinks)
		jsonw_kbool(&w, "preserve_thinking", c->preserve_thinking);
	jsonw_kint(&w, "max_samples", c->max_samples);
	if (job->train.n > 1 && strcmp(c->mix_strategy, "concat")) {
		jsonw_kstr(&w, "mix_strategy", c->mix_strategy);
		jsonw_kstr(&w, "interleave_probs", c->interleave_probs);
	}
	if (job->settings.truncation != TRUNCATION_CUT)
		jsonw_kstr(&w, "truncation", c->truncation);
	if (c->val_size > 0)
		jsonw_knum(&w, "val_size", c->val_size, 17);
	if (c->seed != 42)
		jsonw_kint(&w, "seed", c->seed);
	jsonw_kint(&w, "semantics", job->t->semantics);
	jsonw_close(&w, '}');
}

static struct shard_writer *open_writer(struct job *job, const char *path, struct err *err)
{
	const struct config *c = &job->t->config;
	const struct template *t = job->settings.template;
	const char *system = c->default_system ? c->default_system : t->default_system;
	struct buf settings = { 0 };
	struct shard_info info = { .stage = job->stage,
				   .tokenizer_hash = token_hash(job->tok),
				   .vocab_size = token_count(job->tok),
				   .template_name = t->name,
				   .system = system && *system ? system : NULL,
				   .thinking = t->thinks ? c->enable_thinking : NULL };
	struct shard_writer *w;

	write_settings(job, &settings);
	info.settings = settings.p;
	w = shard_writer_open(path, &info, err);
	buf_free(&settings);
	return w;
}

static int list_sources(struct part *p, const struct mix *mix, struct err *err)
{
	struct jsonw w = { .out = &p->sources };

	jsonw_open(&w, '[');
	for (size_t i = 0; i < p->n; i++) {
		struct hash_hex hash = { "" };

		if (strcmp(p->sets[i].path, "-") && hash_path(&hash, p->sets[i].path, err) < 0)
			return -1;
		jsonw_open(&w, '{');
		jsonw_kstr(&w, "file", p->sets[i].path);
		jsonw_kstr(&w, "sha256", hash.s[0] ? hash.s : NULL);
		jsonw_kint(&w, "records", (int64_t)mix_given(mix, i));
		jsonw_close(&w, '}');
	}
	jsonw_close(&w, ']');
	return 0;
}

/* A part's records into `to`, what is held out of them into `held`. */
static int encode_part(struct job *job, struct part *p, double val_size, struct shard_writer *to,
		       struct shard_writer *held, struct err *err)
{
	const struct config *c = &job->t->config;
	struct mix_settings s = { .strategy = mix_strategy_of(c->mix_strategy),
				  .shares = p == &job->train ? job->shares : NULL,
				  .max_samples = (uint64_t)c->max_samples,
				  .val_size = val_size,
				  .seed = (uint64_t)c->seed };
	struct mix *mix = mix_open(&s, p->sets, p->n, err);
	struct bulk bulk = { .settings = &job->settings,
			     .tok = job->tok,
			     .mix = mix,
			     .writer = to,
			     .held = held,
			     .counts = &job->counts,
			     .threads = job->t->threads };
	int rc = mix ? bulk_encode(&bulk, p->sets, &p->held, err) : -1;
	uint64_t n = 0;

	for (size_t i = 0; rc == 0 && i < p->n; i++)
		n += mix_given(mix, i);
	p->records = n;
	if (rc == 0 && n == 0)
		rc = err_set(err, "%s: no records", dataset_label(&p->sets[0]));
	if (rc == 0 && n == job->counts.bad + job->counts.dropped)
		rc = err_set(
			err,
			"%s: nothing to train on: of %llu records kto_tag is false in %llu, and "
			"%llu are longer than cutoff_len %u",
			dataset_label(&p->sets[0]), (unsigned long long)n,
			(unsigned long long)job->counts.bad,
			(unsigned long long)job->counts.dropped, job->settings.cutoff_len);
	if (rc == 0)
		rc = list_sources(p, mix, err);
	mix_close(mix);
	return rc;
}

/* Without a stage the first data set decides. */
static int find_stage(struct job *job, struct err *err)
{
	const char *stage = job->t->config.stage;

	if (!stage)
		stage = job->train.sets[0].ranking ? "dpo" : "sft";
	job->stage = strcmp(stage, "dpo") ? SHARD_SFT : SHARD_DPO;
	for (size_t i = 0; i < job->train.n; i++)
		if (dataset_fits(&job->train.sets[i], job->stage == SHARD_DPO, err) < 0)
			return -1;
	for (size_t i = 0; i < job->eval.n; i++)
		if (dataset_fits(&job->eval.sets[i], job->stage == SHARD_DPO, err) < 0)
			return -1;
	return 0;
}

static int commit(struct shard_writer **w, const struct part *p, struct shard_info *done,
		  struct err *err)
{
	struct shard_writer *mine = *w;

	*w = NULL;
	shard_writer_sources(mine, p->sources.p);
	return shard_writer_close(mine, done, err);
}

static int finish(struct job *job, struct err *err)
{
	struct shard_info done, held = { 0 };
	bool val = job->held != NULL;

	if (val && commit(&job->held, job->eval.n ? &job->eval : &job->train, &held, err) < 0)
		return -1;
	if (commit(&job->writer, &job->train, &done, err) < 0)
		return -1;
	summary(job, &done);
	if (val)
		tool_say(job->t->tool, "%llu more examples are in %s",
			 (unsigned long long)held.n_examples, job->t->val);
	else if (job->train.held)
		tool_say(job->t->tool, "%llu more are held out by val_size; --val SHARD keeps them",
			 (unsigned long long)job->train.held);
	else if (job->t->config.eval_dataset)
		tool_note("eval_dataset is not read; --val SHARD keeps it");
	return 0;
}

/* The model's own chat template says whether it thinks. */
static void check_thoughts(const struct job *job)
{
	const char *text = token_chat_template(job->tok);
	bool knows = text && strstr(text, "enable_thinking");

	if (text && knows != job->settings.template->thinks &&
	    !strncmp(job->settings.template->name, "qwen3", 5))
		tool_note("by its own chat template the model %s; its template is %s",
			  knows ? "thinks unless it is told not to" : "has no thoughts",
			  knows ? "qwen3" : "qwen3_nothink");
}

/* Without a template: the one that the model's own looks like. */
static int guess_template(struct job *job, struct err *err)
{
	const char *name = job->settings.template ? NULL : template_guess(job->tok);

	if (job->settings.template)
		return 0;
	if (!name)
		return err_set(err, "no template; give --template or the key template: %s",
			       template_names());
	tool_note("template %s, by the model's own chat template", name);
	job->settings.template = template_find(name, err);
	return job->settings.template ? 0 : -1;
}

static int run(struct job *job, struct err *err)
{
	if (open_datasets(job, &job->train, err) < 0 ||
	    (job->t->val && job->eval.keys && open_datasets(job, &job->eval, err) < 0) ||
	    find_stage(job, err) < 0)
		return -1;
	if (job->n_shares && job->n_shares != job->train.n)
		return err_set(err, "interleave_probs has %zu numbers for %zu data sets",
			       job->n_shares, job->train.n);
	job->tok = token_open(job->t->config.model_name_or_path, err);
	if (!job->tok || guess_template(job, err) < 0)
		return -1;
	check_thoughts(job);
	job->writer = open_writer(job, job->t->out, err);
	if (!job->writer || (job->t->val && !(job->held = open_writer(job, job->t->val, err))))
		return -1;
	if (encode_part(job, &job->train, job->t->config.val_size, job->writer, job->held, err) < 0)
		return -1;
	if (job->eval.n && encode_part(job, &job->eval, 0, job->held, NULL, err) < 0)
		return -1;
	return finish(job, err);
}

static void read_shares(struct job *job)
{
	const char *rest = job->t->config.interleave_probs, *item;
	size_t n;

	while ((item = config_list_next(&rest, &n))) {
		job->shares = mem_grow(job->shares, job->n_shares + 1, sizeof(*job->shares));
		job->shares[job->n_shares++] = strtod(item, NULL);
	}
}

int tokenize_datasets(struct tokenize *t, struct err *err)
{
	struct job job = { .t = t };
	int rc;

	read_shares(&job);
	rc = check_settings(&job, err);
	if (rc == 0)
		rc = run(&job, err);
	shard_writer_abort(job.writer);
	shard_writer_abort(job.held);
	token_close(job.tok);
	close_part(&job.train);
	close_part(&job.eval);
	mem_free(job.shares);
	return rc;
}
