/* SPDX-License-Identifier: Apache-2.0 */
#include "model/source.h"

#include "model/entries.h"
#include "model/permute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_TOLD 10

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void tell(struct buf *list, size_t n, const char *name)
{
	if (n <= MOST_TOLD)
		buf_printf(list, "%s%s", n > 1 ? ", " : "", name);
	else if (n == MOST_TOLD + 1)
		buf_str(list, ", ...");
}

/* What the file holds beside the weights: tables that follow from the configuration, a head that is
 * the embedding. */
static bool may_stand(const struct source *s, const char *name)
{
	size_t n = strlen(name);

	return !strcmp(name, "rope_freqs.weight") ||
	       (n > 9 && !strcmp(name + n - 9, ".inv_freq")) ||
	       (s->arch.tied && !strcmp(name, s->is_gguf ? "output.weight" : "lm_head.weight"));
}

/* Weights that are left out silently would give another model than the file's. */
static int check_names(const struct source *s, struct err *err)
{
	const struct tensors *t = s->is_gguf ? &s->gguf.t : &s->safetensors;
	struct buf missing = { 0 }, extra = { 0 };
	size_t n_missing = 0, n_extra = 0;
	struct entries e = { 0 };
	const char **names;
	char mapped[160];

	entries_list(&e, &s->arch, DT_F32);
	names = mem_new(e.n, sizeof(*names));
	for (size_t i = 0; i < e.n; i++) {
		names[i] = e.v[i].name;
		if (s->is_gguf && source_gguf_name(names[i], mapped, sizeof(mapped)))
			names[i] = arena_strndup(&e.arena, mapped, strlen(mapped));
		if (!tensors_find(t, names[i]))
			tell(&missing, ++n_missing, names[i]);
	}
	qsort(names, e.n, sizeof(*names), by_text);
	for (size_t i = 0; i < t->n; i++) {
		const char *name = t->v[i].name;

		if (!bsearch(&name, names, e.n, sizeof(*names), by_text) && !may_stand(s, name))
			tell(&extra, ++n_extra, name);
	}
	if (n_missing)
		err_set(err,
			"%s: %zu tensors that the configuration asks for are missing, or of a "
			"type that is not read: %s",
			s->path, n_missing, missing.p);
	else if (n_extra)
		err_set(err, "%s: %zu tensors have no place in the configuration's model: %s",
			s->path, n_extra, extra.p);
	mem_free(names);
	buf_free(&missing);
	buf_free(&extra);
	entries_free(&e);
	return n_missing || n_extra ? -1 : 0;
}

/* A folder may say that the head is the embedding and hold another one all the same: the numbers are
 * right, as for transformers 5. */
static bool really_tied(const struct source *s)
{
	const struct tensor *head = tensors_find(&s->safetensors, "lm_head.weight");
	const struct tensor *embed = tensors_find(&s->safetensors, "model.embed_tokens.weight");

	return s->arch.tied && (!head || !embed ||
				(head->type == embed->type && head->bytes == embed->bytes &&
				 !memcmp(head->data, embed->data, head->bytes)));
}

int source_open(struct source *s, const char *path, struct err *err)
{
	struct file f;
	char *config;
	int rc;

	memset(s, 0, sizeof(*s));
	s->path = mem_strdup(path);
	if (!file_is_dir(path)) {
		if (!file_exists(path))
			rc = err_set(
				err,
				"%s: there is no such model; a folder with config.json or a GGUF "
				"file is needed",
				path);
		else if (!gguf_is(path))
			rc = err_set(err, "%s: is neither a model folder nor a GGUF file", path);
		else
			rc = gguf_open(&s->gguf, path, err) < 0
				     ? -1
				     : arch_from_gguf(&s->arch, &s->gguf, path, err);
		s->is_gguf = true;
	} else {
		config = path_join(path, "config.json");
		rc = file_open(&f, config, err);
		if (rc == 0) {
			rc = arch_from_json(&s->arch, (const char *)f.p, f.n, config, err);
			file_close(&f);
		}
		mem_free(config);
		if (rc == 0)
			rc = safetensors_open_dir(&s->safetensors, path, err);
		s->arch.tied = really_tied(s);
	}
	if (rc == 0)
		rc = check_names(s, err);
	if (rc < 0)
		source_close(s);
	return rc;
}

static bool decides(const char *name)
{
	const char *end = strrchr(name, '.');

	return !strcmp(name, "config.json") || (end && !strcmp(end, ".safetensors"));
}

int source_hash(struct hash_hex *h, const char *path, struct err *err)
{
	return file_is_dir(path) ? hash_dir(h, path, decides, err) : hash_path(h, path, err);
}

void source_release(struct source *s)
{
	gguf_close(&s->gguf);
	tensors_close(&s->safetensors);
}

void source_close(struct source *s)
{
	source_release(s);
	mem_free(s->path);
	memset(s, 0, sizeof(*s));
}

bool source_gguf_name(const char *name, char *out, size_t n)
{
	static const char *const map[][2] = {
		{ "model.embed_tokens.", "token_embd." },
		{ "model.norm.", "output_norm." },
		{ "lm_head.", "output." },
		{ "input_layernorm.", "attn_norm." },
		{ "post_attention_layernorm.", "ffn_norm." },
		{ "self_attn.q_norm.", "attn_q_norm." },
		{ "self_attn.k_norm.", "attn_k_norm." },
		{ "self_attn.q_proj.", "attn_q." },
		{ "self_attn.k_proj.", "attn_k." },
		{ "self_attn.v_proj.", "attn_v." },
		{ "self_attn.o_proj.", "attn_output." },
		{ "mlp.gate_proj.", "ffn_gate." },
		{ "mlp.up_proj.", "ffn_up." },
		{ "mlp.down_proj.", "ffn_down." },
	};
	int layer, used = 0;

	out[0] = 0;
	if (sscanf(name, "model.layers.%d.%n", &layer, &used) == 1 && used) {
		snprintf(out, n, "blk.%d.", layer);
		name += used;
	}
	for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++) {
		size_t len = strlen(map[i][0]), at = strlen(out);

		if (strncmp(name, map[i][0], len))
			continue;
		snprintf(out + at, n - at, "%s%s", map[i][1], name + len);
		return true;
	}
	return false;
}

void source_forget(const struct source *s, const void *data, size_t bytes)
{
	tensors_forget(s->is_gguf ? &s->gguf.t : &s->safetensors, data, bytes);
}

/* The rows of q and k of a GGUF file in torch's order. */
static int unpermute(const struct source *s, struct source_tensor *t, int n_heads, struct err *err)
{
	int64_t rows = t->rows == 1 ? t->cols : t->rows;
	size_t row;

	if (!dtype_bytes(t->type, (uint64_t)(t->rows == 1 ? 1 : t->cols), &row))
		return err_set(err, "a bias of q or k is quantised, which is not understood");
	t->owned = mem_try((size_t)rows, row);
	if (!t->owned)
		return err_set(err, "out of memory");
	rope_permute(t->owned, t->data, rows, row, n_heads, false);
	source_forget(s, t->data, (size_t)rows * row);
	t->data = t->owned;
	return 0;
}

int source_get(const struct source *s, const char *name, int64_t rows, int64_t cols,
	       struct source_tensor *out, struct err *err)
{
	const struct tensor *t;
	char mapped[160];
	int64_t r, c;

	memset(out, 0, sizeof(*out));
	if (s->is_gguf)
		t = source_gguf_name(name, mapped, sizeof(mapped))
			    ? tensors_find(&s->gguf.t, mapped)
			    : NULL;
	else
		t = tensors_find(&s->safetensors, name);
	if (!t)
		return err_set(err, "%s: tensor '%s' is missing", s->path,
			       s->is_gguf ? mapped : name);
	r = t->n_dims == 2 ? (int64_t)t->dims[0] : 1;
	c = t->n_dims ? (int64_t)t->dims[t->n_dims - 1] : 0;
	if (t->type == DT_I32)
		return err_set(err, "%s: tensor '%s' is I32, which is no type of a weight", s->path,
			       t->name);
	if (t->n_dims < 1 || t->n_dims > 2 || r != rows || c != cols)
		return err_set(err,
			       "%s: tensor '%s' is %lld x %lld, the configuration says %lld x %lld",
			       s->path, t->name, (long long)r, (long long)c, (long long)rows,
			       (long long)cols);
	*out = (struct source_tensor){ t->type, rows, cols, t->data, NULL };
	if (s->is_gguf && arch_gguf_permutes(&s->arch)) {
		if (strstr(name, "q_proj"))
			return unpermute(s, out, s->arch.n_heads, err);
		if (strstr(name, "k_proj"))
			return unpermute(s, out, s->arch.n_kv_heads, err);
	}
	return 0;
}

void source_tensor_free(struct source_tensor *t)
{
	mem_free(t->owned);
	memset(t, 0, sizeof(*t));
}
