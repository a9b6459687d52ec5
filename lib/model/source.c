/* SPDX-License-Identifier: Apache-2.0 */
#include "model/source.h"

#include "model/permute.h"

#include <stdio.h>
#include <string.h>

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
	}
	if (rc < 0)
		source_close(s);
	return rc;
}

void source_close(struct source *s)
{
	gguf_close(&s->gguf);
	tensors_close(&s->safetensors);
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

/* The rows of q and k of a GGUF file in torch's order. */
static int unpermute(struct source_tensor *t, int n_heads, struct err *err)
{
	int64_t rows = t->rows == 1 ? t->cols : t->rows;
	size_t row;

	if (!dtype_bytes(t->type, (uint64_t)(t->rows == 1 ? 1 : t->cols), &row))
		return err_set(err, "a bias of q or k is quantised, which is not understood");
	t->owned = mem_try((size_t)rows, row);
	if (!t->owned)
		return err_set(err, "out of memory");
	rope_permute(t->owned, t->data, rows, row, n_heads, false);
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
	if (t->n_dims < 1 || t->n_dims > 2 || r != rows || c != cols || t->type == DT_I32)
		return err_set(err,
			       "%s: tensor '%s' is %lld x %lld, the configuration says %lld x %lld",
			       s->path, t->name, (long long)r, (long long)c, (long long)rows,
			       (long long)cols);
	*out = (struct source_tensor){ t->type, rows, cols, t->data, NULL };
	if (s->is_gguf && arch_gguf_permutes(&s->arch)) {
		if (strstr(name, "q_proj"))
			return unpermute(out, s->arch.n_heads, err);
		if (strstr(name, "k_proj"))
			return unpermute(out, s->arch.n_kv_heads, err);
	}
	return 0;
}

void source_tensor_free(struct source_tensor *t)
{
	mem_free(t->owned);
	memset(t, 0, sizeof(*t));
}
