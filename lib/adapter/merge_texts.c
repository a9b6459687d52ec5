/* SPDX-License-Identifier: Apache-2.0 */
/* What lies beside the weights: configuration, tokenizer, licence, provenance. */
#include "adapter/merge_parts.h"

#include "adapter/card.h"
#include "adapter/provenance.h"
#include "base/file.h"
#include "base/jsonw.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int merge_put(const char *dir, const char *name, const struct buf *text, struct err *err)
{
	char *path = path_join(dir, name);
	int rc = file_write(path, text->n ? text->p : "", text->n, err);

	mem_free(path);
	return rc;
}

/* Copies a file of the base, if there is one; *found says so. */
static int copy(const char *from_dir, const char *dir, const char *name, bool *found,
		struct err *err)
{
	char *from = path_join(from_dir, name);
	struct buf text = { 0 };
	struct file f = { 0 };
	int rc = 0;

	*found = file_exists(from);
	if (*found)
		rc = file_open(&f, from, err);
	if (*found && rc == 0) {
		buf_add(&text, f.p, f.n);
		rc = merge_put(dir, name, &text, err);
	}
	file_close(&f);
	buf_free(&text);
	mem_free(from);
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

static int write_tokenizer_config(const struct merge *m, const char *dir, struct err *err)
{
	const struct token *tok = m->tok;
	struct buf text = { 0 };
	struct jsonw w = { .out = &text, .indent = 2 };
	int rc;

	jsonw_open(&w, '{');
	/* transformers and llama.cpp's converter let this win over tokenizer.json. */
	jsonw_kbool(&w, "add_prefix_space", token_adds_space(tok));
	token_key(&w, "bos_token", tok, token_bos(tok));
	jsonw_kstr(&w, "chat_template", m->chat.n ? m->chat.p : NULL);
	jsonw_kbool(&w, "clean_up_tokenization_spaces", false);
	token_key(&w, "eos_token", tok, m->eos);
	jsonw_kint(&w, "model_max_length", m->src.arch.max_positions);
	token_key(&w, "pad_token", tok, token_pad(tok) >= 0 ? token_pad(tok) : token_eos(tok));
	jsonw_kstr(&w, "tokenizer_class", "PreTrainedTokenizerFast");
	jsonw_close(&w, '}');
	buf_char(&text, '\n');
	rc = merge_put(dir, "tokenizer_config.json", &text, err);
	buf_free(&text);
	return rc;
}

static int write_generation_config(const struct merge *m, const char *dir, struct err *err)
{
	const struct arch *a = &m->src.arch;
	struct buf text = { 0 };
	struct jsonw w = { .out = &text, .indent = 2 };
	int rc;

	jsonw_open(&w, '{');
	if (a->bos >= 0)
		jsonw_kint(&w, "bos_token_id", a->bos);
	if (m->sampling.known)
		jsonw_kbool(&w, "do_sample", m->sampling.temperature > 0);
	jsonw_key(&w, "eos_token_id");
	jsonw_open(&w, '[');
	if (m->eos >= 0)
		jsonw_int(&w, m->eos);
	if (a->eos >= 0 && a->eos != m->eos)
		jsonw_int(&w, a->eos);
	jsonw_close(&w, ']');
	if (a->pad >= 0)
		jsonw_kint(&w, "pad_token_id", a->pad);
	if (m->sampling.known) {
		jsonw_knum(&w, "repetition_penalty", m->sampling.repetition_penalty, 9);
		if (m->sampling.temperature > 0) {
			jsonw_knum(&w, "temperature", m->sampling.temperature, 9);
			jsonw_kint(&w, "top_k", m->sampling.top_k);
			jsonw_knum(&w, "top_p", m->sampling.top_p, 9);
		}
	}
	jsonw_close(&w, '}');
	buf_char(&text, '\n');
	rc = merge_put(dir, "generation_config.json", &text, err);
	buf_free(&text);
	return rc;
}

/* tokenizer.json as it is where there is one, else made from the GGUF metadata. */
static int write_tokenizer(const struct merge *m, const char *dir, struct err *err)
{
	struct buf text = { 0 };
	bool found;
	int rc = copy(m->job->model, dir, "tokenizer.json", &found, err);

	if (rc == 0 && !found) {
		token_write_json(m->tok, &text);
		rc = merge_put(dir, "tokenizer.json", &text, err);
		buf_free(&text);
	}
	return rc;
}

static int write_hf(const struct merge *m, const char *dir, struct err *err)
{
	struct buf text = { 0 };
	int rc;

	arch_write_json(&m->src.arch, m->type, &text);
	rc = merge_put(dir, "config.json", &text, err);
	buf_free(&text);
	if (rc < 0 || write_tokenizer(m, dir, err) < 0 || write_tokenizer_config(m, dir, err) < 0 ||
	    write_generation_config(m, dir, err) < 0)
		return -1;
	return m->chat.n ? merge_put(dir, "chat_template.jinja", &m->chat, err) : 0;
}

/* The base's licence goes where its weights go. */
static int copy_licence(const struct merge *m, const char *dir, struct err *err)
{
	static const char *const names[] = { "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE",
					     "USE_POLICY.md" };
	char *parent = path_dir(m->job->model);
	const char *from = m->src.is_gguf ? parent : m->job->model;
	bool found;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(names) / sizeof(*names); i++)
		rc = copy(from, dir, names[i], &found, err);
	mem_free(parent);
	return rc;
}

static int write_provenance(const struct merge *m, const char *dir, struct err *err)
{
	const struct merge_job *job = m->job;
	struct hash_hex adapters;
	struct provenance p = { .tool = job->tool,
				.base = job->model,
				.adapters = job->adapters,
				.tokenizer_hash = token_hash(m->tok),
				.template_name = job->template ? job->template->name : NULL,
				.system = job->system,
				.thinking = job->thinking };

	if (adapter_names_hash(&adapters, job->adapters, err) < 0)
		return -1;
	p.base_hash = m->base_hash.s;
	p.adapters_hash = job->adapters ? adapters.s : NULL;
	if (provenance_write(dir, &p, err) < 0)
		return -1;
	return card_write(dir,
			  job->format == MERGE_HF     ? CARD_MODEL
			  : job->format == MERGE_GGUF ? CARD_GGUF
						      : CARD_LORA_GGUF,
			  &p, err);
}

int merge_write_texts(struct merge *m, const char *dir, struct err *err)
{
	if (merge_read_sampling(m, err) < 0 ||
	    (m->job->format == MERGE_HF && write_hf(m, dir, err) < 0) ||
	    merge_write_modelfile(m, dir, err) < 0 || copy_licence(m, dir, err) < 0)
		return -1;
	return write_provenance(m, dir, err);
}
