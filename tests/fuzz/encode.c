/* SPDX-License-Identifier: Apache-2.0 */
/* Records of a bare file into ids: tools, calls, thoughts, pairs, cuts; templates and settings by the
 * input's length. What comes out must be an example that the shard takes. */
#include "tests/fuzz/fuzz.h"

#include "data/dataset.h"
#include "template/template.h"

#include <string.h>

/* The printable letters, and the markers of Qwen's and Llama 3's templates. */
static struct token *small_tokenizer(void)
{
	static const char *const markers[] = { "<|im_end|>",      "<|im_start|>",
					       "<|eot_id|>",      "<|start_header_id|>",
					       "<tool_call>",     "</tool_call>",
					       "<tool_response>", "</tool_response>",
					       "<think>",         "</think>" };
	struct buf json = { 0 }, added = { 0 };
	struct err err = { 0 };
	struct token *t;

	buf_str(&json, "{\"model\": {\"type\": \"BPE\", \"merges\": [], \"vocab\": {");
	for (int i = 0; i < 10; i++) {
		buf_printf(&json, "\"%s\": %d, ", markers[i], i);
		buf_printf(&added, "%s{\"id\": %d, \"content\": \"%s\", \"special\": true}",
			   i ? ", " : "", i, markers[i]);
	}
	for (int i = 0; i < 94; i++)
		buf_printf(&json, "\"\\u%04x\": %d, ", '!' + i, 10 + i);
	buf_printf(&json,
		   "\"\\u0120\": 104, \"\\u010a\": 105}}, \"added_tokens\": [%s], "
		   "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, "
		   "\"use_regex\": true}, \"decoder\": {\"type\": \"ByteLevel\"}}",
		   added.p);
	t = token_open(fuzz_file("small.json", (struct part){ (const uint8_t *)json.p, json.n }),
		       &err);
	fuzz_must(t != NULL, err.msg);
	buf_free(&json);
	buf_free(&added);
	return t;
}

static void encode(const struct encode_settings *s, const struct token *tok,
		   const struct record *rec)
{
	struct encode_counts counts = { 0 };
	struct buf spans = { 0 };
	struct ids ids = { 0 };
	struct err err = { 0 };
	struct example e;
	int rc = encode_record(s, tok, rec, &ids, &spans, &e, &counts, &err);

	if (rc < 0)
		fuzz_failed(&err);
	fuzz_must(rc <= 0 || (s->truncation == TRUNCATION_DROP && counts.dropped == 1),
		  "only what is too long is dropped");
	if (rc == 0) {
		fuzz_must(rec->is_preference || e.n_ids <= s->cutoff_len, "it fits");
		fuzz_must(!shard_example_fault(&e, rec->is_preference ? SHARD_DPO : SHARD_SFT,
					       token_count(tok)),
			  "it is an example");
	}
	ids_free(&ids);
	buf_free(&spans);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "qwen3", "qwen", "llama3", "mistral" };
	static struct token *tok;
	struct encode_settings s = { .truncation = (enum truncation)(size / 3 % 3),
				     .thinking = (enum thinking)(size % 3),
				     .mask_history = size / 2 % 2,
				     .preserve_thinking = size / 4 % 2,
				     .cutoff_len = size % 5 ? 4096 : 60 };
	const char *path = fuzz_file("data.json", (struct part){ data, size });
	struct dataset_reader *r = NULL;
	struct err err = { 0 };
	struct record rec;
	struct dataset d;

	tok = tok ? tok : small_tokenizer();
	s.template = template_find(names[size % 4], &err);
	if (dataset_open(&d, path, "nowhere", &err) == 0)
		r = dataset_reader_open(&d, &err);
	for (int n = 0; r && n < 100 && dataset_next(r, &rec, &err) == 1; n++) {
		encode(&s, tok, &rec);
		record_free(&rec);
	}
	dataset_reader_close(r);
	dataset_close(&d);
	return 0;
}
