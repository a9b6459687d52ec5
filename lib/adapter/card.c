/* SPDX-License-Identifier: Apache-2.0 */
#include "adapter/card.h"

#include "adapter/adapter.h"
#include "base/file.h"
#include "base/jsonw.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const struct kind {
	const char *library, *tags[3], *title, *use;
} kinds[] = {
	[CARD_ADAPTER] = { "peft",
			   { "lora" },
			   "A LoRA adapter",
			   "    ft-chat -m BASE -a DIR\n"
			   "    ft-merge -m BASE -a DIR -o merged\n\n"
			   "PEFT loads the folder: `PeftModel.from_pretrained(base, \"DIR\")`.\n" },
	[CARD_MODEL] = { "transformers",
			 { NULL },
			 "A chat model",
			 "    ft-chat -m DIR\n"
			 "    ollama create NAME -f DIR/Modelfile\n\n"
			 "transformers loads the folder: "
			 "`AutoModelForCausalLM.from_pretrained(\"DIR\")`.\n" },
	[CARD_GGUF] = { "gguf",
			{ "gguf" },
			"A chat model as a GGUF file",
			"    ft-chat -m DIR/model.gguf\n"
			"    llama-cli -m DIR/model.gguf\n"
			"    ollama create NAME -f DIR/Modelfile\n" },
	[CARD_LORA_GGUF] = { "gguf",
			     { "lora", "gguf" },
			     "A LoRA adapter as a GGUF file",
			     "    ft-chat -m BASE -a DIR/adapter.gguf\n"
			     "    llama-cli -m BASE.gguf --lora DIR/adapter.gguf\n"
			     "    ollama create NAME -f DIR/Modelfile\n" },
};

/* Text as one cell of a table. */
static void cell(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '|' || *s == '\\' || *s == '`' || *s == '<' || *s == '*' || *s == '_')
			buf_char(out, '\\');
		if (*s == '\n')
			buf_str(out, "<br>");
		else if ((unsigned char)*s >= 0x20)
			buf_char(out, *s);
	}
}

static void row(struct buf *out, const char *name, const char *value)
{
	if (!value)
		return;
	buf_printf(out, "| %s | ", name);
	cell(out, value);
	buf_str(out, " |\n");
}

static void rows_of(struct buf *out, const struct provenance *p)
{
	buf_str(out, "| | |\n|---|---|\n");
	row(out, "made by", p->tool);
	row(out, "base", p->base);
	row(out, "base, SHA-256", p->base_hash);
	row(out, "adapters", p->adapters);
	row(out, "adapters, SHA-256", p->adapters_hash);
	row(out, "training data (shard), SHA-256", p->shard_hash);
	row(out, "tokenizer, SHA-256", p->tokenizer_hash);
	row(out, "reference", p->reference);
	row(out, "chat template", p->template_name);
	row(out, "system prompt", p->system && *p->system ? p->system : NULL);
}

/* The settings of a run, as a table. */
static void settings(struct buf *out, const struct provenance *p)
{
	json_t *root = p->config ? json_loads(p->config, JSON_DECODE_ANY, NULL) : NULL, *value;
	const char *key;

	if (json_object_size(root))
		buf_str(out, "\n| setting | value |\n|---|---|\n");
	json_object_foreach(root, key, value)
	{
		char *text = json_is_string(value)
				     ? NULL
				     : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));

		buf_str(out, "| ");
		cell(out, key);
		buf_str(out, " | ");
		cell(out, text ? text : json_string_value(value));
		buf_str(out, " |\n");
		free(text);
	}
	json_decref(root);
}

static void front_matter(struct buf *out, const struct kind *k, const struct provenance *p)
{
	struct jsonw w = { .out = out };

	buf_str(out, "---\n");
	if (p->base) { /* a JSON string is a YAML string */
		buf_str(out, "base_model: ");
		jsonw_str(&w, p->base, strlen(p->base));
		buf_char(out, '\n');
	}
	buf_printf(out, "library_name: %s\npipeline_tag: text-generation\ntags:\n- anekdot\n",
		   k->library);
	for (const char *const *t = k->tags; *t; t++)
		buf_printf(out, "- %s\n", *t);
	buf_str(out, "---\n\n");
}

/* Every adapter that went in, by its own provenance. */
static int adapters_of(struct buf *out, const struct provenance *own, struct err *err)
{
	const char *names = own->adapters;
	char *one;
	int rc = 0;

	while (rc >= 0 && (one = adapter_names_next(&names))) {
		struct provenance p;

		rc = provenance_read(&p, one, err);
		if (rc == 1) {
			buf_str(out, "\n## The adapter ");
			cell(out, one);
			buf_str(out, "\n\n");
			rows_of(out, &p);
			settings(out, &p);
		}
		provenance_close(&p);
		mem_free(one);
	}
	return rc < 0 ? -1 : 0;
}

int card_write(const char *dir, enum card_kind kind, const struct provenance *own, struct err *err)
{
	const struct kind *k = &kinds[kind];
	char *path = path_join(dir, "README.md");
	struct buf text = { 0 };
	int rc;

	front_matter(&text, k, own);
	buf_printf(&text, "# %s\n\nMade with anekdot " VERSION ". To use it:\n\n%s", k->title,
		   k->use);
	buf_str(&text, "\n## How it was made\n\n");
	rows_of(&text, own);
	settings(&text, own);
	rc = adapters_of(&text, own, err);
	if (rc == 0)
		rc = file_write(path, text.p, text.n, err);
	buf_free(&text);
	mem_free(path);
	return rc;
}
