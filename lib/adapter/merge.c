/* SPDX-License-Identifier: Apache-2.0 */
#include "adapter/merge_parts.h"

#include "adapter/provenance.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/quantize.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool merge_holds(enum merge_format f, enum dtype t)
{
	return t == DT_F32 || t == DT_F16 || t == DT_BF16 ||
	       (f == MERGE_GGUF && (t == DT_Q8_0 || t == DT_Q4_0 || t == DT_Q4_K));
}

const char *merge_types(enum merge_format f)
{
	return f == MERGE_GGUF ? "F32, F16, BF16, Q8_0, Q4_0, Q4_K" : "F32, F16, BF16";
}

static enum dtype choose_type(const struct merge_job *job, const struct arch *a)
{
	if (job->type != DT_COUNT)
		return job->type;
	return job->format == MERGE_LORA_GGUF || a->dtype == DT_F32 ? DT_F32 : DT_BF16;
}

static bool is_same(const char *a, const char *b)
{
	struct stat sa, sb;

	return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

/* Is the folder where the model lies? A second run would merge the adapters again. */
static bool holds_model(const char *dir, const char *model)
{
	char *parent = path_dir(model);
	bool same = is_same(dir, file_is_dir(model) ? model : parent);

	mem_free(parent);
	return same;
}

/* A folder that stands there is replaced only when ft-merge made it: nothing else is lost. */
static int may_replace(const struct merge_job *job, struct err *err)
{
	const char *path = job->out;
	struct provenance p;
	int rc;

	if (holds_model(path, job->model))
		return err_set(err, "%s holds the model itself; name another folder", path);
	if (!file_exists(path) || rmdir(path) == 0) /* not there, or empty */
		return 0;
	rc = provenance_read(&p, path, err);
	if (rc == 1 && p.tool && !strcmp(p.tool, "ft-merge"))
		rc = 0;
	else
		rc = err_set(
			err,
			"%s stands there and is no merged model; name another folder, or remove it",
			path);
	provenance_close(&p);
	return rc;
}

/* The tensor's bytes, expanded on the device, and the adapters' share. */
static int widen(struct merge *m, const struct tensor_entry *e, const struct source_tensor *t,
		 struct mat w, struct err *err)
{
	struct weight_hook hook = adapter_list_hook(&m->adapters);
	const struct ops *op = m->dev->ops;
	size_t bytes;
	void *raw;

	dtype_bytes(t->type, (uint64_t)(w.rows * w.cols), &bytes);
	raw = op->alloc(m->dev, bytes, err);
	if (!raw)
		return -1;
	op->upload(m->dev, raw, t->data, bytes);
	op->dequant(m->dev, w, raw, t->type);
	op->free(m->dev, raw);
	return e->n_dims == 2 ? hook.apply(hook.arg, m->dev, e->name, w, err) : 0;
}

/* A tensor in fp32 with the adapters added, from the heap. */
static float *sum_of(struct merge *m, const struct tensor_entry *e, int64_t rows, int64_t cols,
		     struct err *err)
{
	const struct ops *op = m->dev->ops;
	size_t n = (size_t)(rows * cols);
	struct source_tensor t;
	float *host = NULL;
	void *wide;

	if (source_get(&m->src, e->name, rows, cols, &t, err) < 0)
		return NULL;
	wide = op->alloc(m->dev, n * sizeof(*host), err);
	if (wide && widen(m, e, &t, mat_view(wide, DT_F32, rows, cols), err) == 0) {
		host = mem_new(n, sizeof(*host));
		op->download(m->dev, host, wide, n * sizeof(*host));
	}
	op->free(m->dev, wide);
	source_tensor_free(&t);
	return host;
}

/* Rows are whole blocks, so each can be rounded by itself. */
static void *rounded(const float *x, int64_t rows, int64_t cols, enum dtype t, size_t *bytes)
{
	size_t row;
	unsigned char *out;

	dtype_bytes(t, (uint64_t)cols, &row);
	*bytes = (size_t)rows * row;
	out = mem_new(*bytes, 1);
#pragma omp parallel for schedule(static)
	for (int64_t r = 0; r < rows; r++)
		quantize(t, x + r * cols, (size_t)cols, out + (size_t)r * row);
	return out;
}

void *merge_tensor(struct merge *m, const struct tensor_entry *e, enum dtype t, reorder_fn reorder,
		   size_t *bytes, struct err *err)
{
	int64_t rows = e->n_dims == 2 ? (int64_t)e->dims[0] : 1,
		cols = (int64_t)e->dims[e->n_dims - 1];
	float *x = sum_of(m, e, rows, cols, err);
	void *out;

	if (!x)
		return NULL;
	if (reorder)
		x = reorder(x, e, &m->src.arch);
	out = rounded(x, rows, cols, t, bytes);
	mem_free(x);
	return out;
}

/* An adapter says, by its provenance, on which base it was trained. */
static int check_base(const struct merge *m, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->adapters.n; i++) {
		const char *path = m->adapters.v[i].path;
		struct provenance p;

		rc = provenance_read(&p, path, err) < 0 ? -1 : 0;
		if (rc == 0 && p.base_hash && strcmp(p.base_hash, m->base_hash.s))
			rc = err_set(
				err,
				"%s was trained on another base (%s) than %s; name that one, or "
				"merge all the same with --force",
				path, p.base ? p.base : "its name is not known", m->job->model);
		provenance_close(&p);
	}
	return rc;
}

static int open_parts(struct merge *m, const struct merge_job *job, struct err *err)
{
	int64_t stop = job->template && job->template->stop_words[0] ? 0 : -1;

	if (source_open(&m->src, job->model, err) < 0 ||
	    adapter_list_open(&m->adapters, job->adapters, &m->src.arch, err) < 0)
		return -1;
	if (job->adapters && !m->adapters.n) /* an unset variable in a script */
		return err_set(err, "the name of the adapter is empty");
	if (job->format == MERGE_LORA_GGUF && !m->adapters.n)
		return err_set(err, "there is no adapter to write; name one with -a");
	if (source_hash(&m->base_hash, job->model, err) < 0 ||
	    (!job->force && check_base(m, err) < 0))
		return -1;
	m->type = choose_type(job, &m->src.arch);
	m->tok = token_open(job->model, err);
	if (!m->tok)
		return -1;
	if (stop == 0)
		stop = token_id(m->tok, job->template->stop_words[0]);
	m->eos = stop >= 0 ? stop : token_eos(m->tok);
	if (job->template)
		template_jinja(job->template, job->system, thinking_of(job->thinking), &m->chat);
	else if (token_chat_template(m->tok))
		buf_str(&m->chat, token_chat_template(m->tok));
	return 0;
}

static void close_parts(struct merge *m)
{
	buf_free(&m->chat);
	token_close(m->tok);
	adapter_list_close(&m->adapters);
	source_close(&m->src);
}

static int write_all(struct merge *m, const char *dir, struct err *err)
{
	int rc = merge_write_texts(m, dir, err);

	if (rc == 0 && m->job->format == MERGE_HF)
		rc = merge_write_safetensors(m, dir, err);
	else if (rc == 0 && m->job->format == MERGE_GGUF)
		rc = merge_write_gguf(m, dir, err);
	else if (rc == 0)
		rc = merge_write_lora(m, dir, err);
	return rc;
}

int merge_write(const struct merge_job *job, struct dev *dev, struct err *err)
{
	struct merge m = { .job = job, .dev = dev };
	struct outdir out;
	int rc = may_replace(job, err);

	if (rc == 0)
		rc = open_parts(&m, job, err);
	if (rc == 0)
		rc = outdir_open(&out, job->out, err);
	if (rc == 0) {
		rc = write_all(&m, out.tmp, err);
		if (rc == 0)
			rc = outdir_commit(&out, err);
		else
			outdir_abort(&out);
	}
	close_parts(&m);
	return rc;
}
