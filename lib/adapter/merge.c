/* SPDX-License-Identifier: Apache-2.0 */
#include "adapter/merge.h"

#include "adapter/provenance.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/jsonw.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Every tensor of a model, in the order it is written. Vectors have rows = 0. */
struct entries {
	struct tensor_entry *v;
	size_t n;
	struct arena arena;
};

static void entry(struct entries *e, enum dtype t, int64_t rows, int64_t cols, const char *fmt,
		  int layer, const char *part)
{
	char name[160];

	snprintf(name, sizeof(name), fmt, layer, part);
	e->v = mem_grow(e->v, e->n + 1, sizeof(*e->v));
	e->v[e->n++] = (struct tensor_entry){ arena_strndup(&e->arena, name, strlen(name)),
					      t,
					      rows ? 2 : 1,
					      { (uint64_t)(rows ? rows : cols), (uint64_t)cols } };
}

static void list_entries(struct entries *e, const struct arch *a, enum dtype t)
{
	const char *weight = "model.layers.%d.%s.weight", *bias = "model.layers.%d.%s.bias";

	entry(e, t, a->vocab, a->hidden, "model.embed_tokens.weight", 0, "");
	for (int l = 0; l < a->n_layers; l++) {
		entry(e, t, 0, a->hidden, weight, l, "input_layernorm");
		entry(e, t, 0, a->hidden, weight, l, "post_attention_layernorm");
		if (a->qk_norm) {
			entry(e, t, 0, a->head_size, weight, l, "self_attn.q_norm");
			entry(e, t, 0, a->head_size, weight, l, "self_attn.k_norm");
		}
		for (int m = 0; m < LORA_MODULES; m++) {
			int out = lora_out(a, (enum lora_module)m);
			bool biased = m <= LORA_V   ? a->qkv_bias
				      : m == LORA_O ? a->o_bias
						    : a->mlp_bias;

			entry(e, t, out, lora_in(a, lora_group_of[m]), weight, l,
			      lora_module_path[m]);
			if (biased)
				entry(e, t, 0, out, bias, l, lora_module_path[m]);
		}
	}
	entry(e, t, 0, a->hidden, "model.norm.weight", 0, "");
	if (!a->tied)
		entry(e, t, a->vocab, a->hidden, "lm_head.weight", 0, "");
}

/* One tensor: the file's bytes, fp32 on the device, adapters added, rounded, written. */
static int put_tensor(struct st_writer *w, const struct source *src, struct adapter_list *adapters,
		      struct dev *dev, const struct tensor_entry *e, struct err *err)
{
	const struct ops *op = dev->ops;
	int64_t rows = e->n_dims == 2 ? (int64_t)e->dims[0] : 1,
		cols = (int64_t)e->dims[e->n_dims - 1];
	size_t n = (size_t)(rows * cols), raw_bytes, out_bytes = n * mat_elem(e->type);
	struct weight_hook hook = adapter_list_hook(adapters);
	struct source_tensor t;
	void *raw, *wide = NULL, *out = NULL, *host = NULL;
	int rc = -1;

	if (source_get(src, e->name, rows, cols, &t, err) < 0)
		return -1;
	dtype_bytes(t.type, n, &raw_bytes);
	raw = op->alloc(dev, raw_bytes, err);
	if (raw && (wide = op->alloc(dev, n * sizeof(float), err)) &&
	    (out = op->alloc(dev, out_bytes, err))) {
		struct mat w32 = mat_view(wide, DT_F32, rows, cols);

		host = mem_new(1, out_bytes);
		op->upload(dev, raw, t.data, raw_bytes);
		op->dequant(dev, w32, raw, t.type);
		rc = e->n_dims == 2 ? hook.apply(hook.arg, dev, e->name, w32, err) : 0;
		op->cast(dev, mat_view(out, e->type, rows, cols), w32);
		op->download(dev, host, out, out_bytes);
	}
	if (rc == 0)
		rc = st_writer_put(w, host, out_bytes, err);
	op->free(dev, raw);
	op->free(dev, wide);
	op->free(dev, out);
	mem_free(host);
	source_tensor_free(&t);
	return rc;
}

static int write_weights(const char *dir, const struct source *src, struct adapter_list *adapters,
			 struct dev *dev, enum dtype type, struct err *err)
{
	char *path = path_join(dir, "model.safetensors");
	struct entries e = { 0 };
	struct st_writer w;
	int rc;

	list_entries(&e, &src->arch, type);
	rc = st_writer_open(&w, path, e.v, e.n, NULL, err);
	if (rc == 0) {
		for (size_t i = 0; rc == 0 && i < e.n; i++)
			rc = put_tensor(&w, src, adapters, dev, &e.v[i], err);
		if (rc == 0)
			rc = st_writer_close(&w, err);
		else
			st_writer_abort(&w);
	}
	arena_free(&e.arena);
	mem_free(e.v);
	mem_free(path);
	return rc;
}

static int write_text(const char *dir, const char *name, const struct buf *text, struct err *err)
{
	char *path = path_join(dir, name);
	int rc = file_write(path, text->p, text->n, err);

	mem_free(path);
	return rc;
}

static void token_key(struct jsonw *w, const char *key, const struct token *tok, int64_t id)
{
	size_t n = 0;
	const char *s = id < 0 ? NULL : token_bytes(tok, (uint32_t)id, &n);

	jsonw_key(w, key);
	if (s)
		jsonw_str(w, s, n);
	else
		jsonw_null(w);
}

/* The id that ends an answer: the template's first stop word, else the tokenizer's. */
static int64_t end_id(const struct merge_job *job, const struct token *tok)
{
	int64_t id = job->template && job->template->stop_words[0]
			     ? token_id(tok, job->template->stop_words[0])
			     : -1;

	return id >= 0 ? id : token_eos(tok);
}

static int write_tokenizer_config(const char *dir, const struct merge_job *job,
				  const struct token *tok, const char *chat, int max_positions,
				  struct err *err)
{
	struct buf text = { 0 };
	struct jsonw w = { .out = &text, .indent = 2 };
	int rc;

	jsonw_open(&w, '{');
	jsonw_kbool(&w, "add_prefix_space", false);
	token_key(&w, "bos_token", tok, token_bos(tok));
	jsonw_kstr(&w, "chat_template", chat);
	jsonw_kbool(&w, "clean_up_tokenization_spaces", false);
	token_key(&w, "eos_token", tok, end_id(job, tok));
	jsonw_kint(&w, "model_max_length", max_positions);
	token_key(&w, "pad_token", tok, token_pad(tok) >= 0 ? token_pad(tok) : token_eos(tok));
	jsonw_kstr(&w, "tokenizer_class", "PreTrainedTokenizerFast");
	jsonw_close(&w, '}');
	buf_char(&text, '\n');
	rc = write_text(dir, "tokenizer_config.json", &text, err);
	buf_free(&text);
	return rc;
}

static int write_generation_config(const char *dir, const struct merge_job *job,
				   const struct arch *a, const struct token *tok, struct err *err)
{
	struct buf text = { 0 };
	struct jsonw w = { .out = &text, .indent = 2 };
	int64_t end = end_id(job, tok), eos = a->eos;
	int rc;

	jsonw_open(&w, '{');
	if (a->bos >= 0)
		jsonw_kint(&w, "bos_token_id", a->bos);
	jsonw_key(&w, "eos_token_id");
	jsonw_open(&w, '[');
	if (end >= 0)
		jsonw_int(&w, end);
	if (eos >= 0 && eos != end)
		jsonw_int(&w, eos);
	jsonw_close(&w, ']');
	if (a->pad >= 0)
		jsonw_kint(&w, "pad_token_id", a->pad);
	jsonw_close(&w, '}');
	buf_char(&text, '\n');
	rc = write_text(dir, "generation_config.json", &text, err);
	buf_free(&text);
	return rc;
}

/* tokenizer.json as it is where there is one, else made from the GGUF metadata. */
static int write_tokenizer(const char *dir, const struct merge_job *job, const struct token *tok,
			   struct err *err)
{
	char *from = path_join(job->model, "tokenizer.json");
	struct buf text = { 0 };
	struct file f;
	int rc = -1;

	if (!file_exists(from)) {
		token_write_json(tok, &text);
		rc = write_text(dir, "tokenizer.json", &text, err);
	} else if (file_open(&f, from, err) == 0) {
		buf_add(&text, f.p, f.n);
		file_close(&f);
		rc = write_text(dir, "tokenizer.json", &text, err);
	}
	buf_free(&text);
	mem_free(from);
	return rc;
}

static int write_texts(const char *dir, const struct merge_job *job, const struct source *src,
		       enum dtype type, struct err *err)
{
	struct token *tok = token_open(job->model, err);
	struct buf text = { 0 }, chat = { 0 };
	struct hash_hex base, adapters;
	int rc = -1;

	if (!tok)
		return -1;
	arch_write_json(&src->arch, type, &text);
	if (job->template)
		template_jinja(job->template, job->system, &chat);
	else if (token_chat_template(tok))
		buf_str(&chat, token_chat_template(tok));
	if (write_text(dir, "config.json", &text, err) == 0 &&
	    write_tokenizer(dir, job, tok, err) == 0 &&
	    write_tokenizer_config(dir, job, tok, chat.n ? chat.p : NULL, src->arch.max_positions,
				   err) == 0 &&
	    write_generation_config(dir, job, &src->arch, tok, err) == 0 &&
	    (!chat.n || write_text(dir, "chat_template.jinja", &chat, err) == 0) &&
	    hash_path(&base, job->model, err) == 0 &&
	    adapter_names_hash(&adapters, job->adapters, err) == 0)
		rc = provenance_write(dir,
				      &(struct provenance){
					      .tool = job->tool,
					      .base = job->model,
					      .base_hash = base.s,
					      .adapters = job->adapters,
					      .adapters_hash = job->adapters ? adapters.s : NULL,
					      .tokenizer_hash = token_hash(tok),
					      .template_name =
						      job->template ? job->template->name : NULL,
					      .system = job->system },
				      err);
	buf_free(&text);
	buf_free(&chat);
	token_close(tok);
	return rc;
}

static bool is_same(const char *a, const char *b)
{
	struct stat sa, sb;

	return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

/* A folder that stands there is replaced only when ft-merge made it: nothing else is lost. */
static int may_replace(const char *path, struct err *err)
{
	struct provenance p;
	int rc;

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

int merge_write(const struct merge_job *job, struct dev *dev, struct err *err)
{
	struct adapter_list adapters = { 0 };
	struct source src;
	struct outdir out;
	enum dtype type;
	int rc;

	if (is_same(job->out, job->model)) /* a second run would merge the adapters again */
		return err_set(err, "%s is the model itself; name another folder", job->out);
	if (may_replace(job->out, err) < 0 || source_open(&src, job->model, err) < 0)
		return -1;
	type = src.arch.dtype == DT_F32 ? DT_F32 : DT_BF16;
	rc = adapter_list_open(&adapters, job->adapters, &src.arch, err);
	if (rc == 0 && job->adapters && !adapters.n) /* an unset variable in a script */
		rc = err_set(err, "the name of the adapter is empty");
	if (rc == 0)
		rc = outdir_open(&out, job->out, err);
	if (rc == 0) {
		rc = write_texts(out.tmp, job, &src, type, err);
		if (rc == 0)
			rc = write_weights(out.tmp, &src, &adapters, dev, type, err);
		if (rc == 0)
			rc = outdir_commit(&out, err);
		else
			outdir_abort(&out);
	}
	adapter_list_close(&adapters);
	source_close(&src);
	return rc;
}
