/* SPDX-License-Identifier: Apache-2.0 */
/* Templates and encoding against the slot tables and vectors of LLaMA-Factory. */
#include "tests/tap.h"

#include "base/file.h"
#include "template/template.h"

#include <unistd.h>
#include <zstd.h>

static struct token *tok;
static char folder[] = "/tmp/anekdot-test-XXXXXX";

static struct token *open_tokenizer(const char *name)
{
	struct err err = { 0 };
	struct buf text = { 0 };
	struct token *t;
	struct file f;
	char *path = path_join(folder, "tokenizer.json");

	if (file_open(&f, golden(name), &err) == 0) {
		size_t n = (size_t)ZSTD_getFrameContentSize(f.p, f.n);

		buf_reserve(&text, n);
		text.n = ZSTD_decompress(text.p, n, f.p, f.n);
		file_write(path, text.p, text.n, &err);
		file_close(&f);
	}
	t = token_open(path, &err);
	if (!t)
		note("%s", err.msg);
	unlink(path);
	mem_free(path);
	buf_free(&text);
	return t;
}

static void test_lengths(void)
{
	static const uint32_t v[][5] = {
		{ 10, 20, 100, 10, 20 },
		{ 3000, 100, 2048, 1948, 100 },
		{ 100, 3000, 2048, 100, 1948 },
		{ 3000, 3000, 2048, 1024, 1024 },
		{ 1500, 1024, 2048, 1218, 830 },
		{ 1023, 2000, 2048, 1023, 1025 },
		{ 2000, 1023, 2048, 1025, 1023 },
		{ 5, 5, 8, 4, 4 },
		{ 10, 10, 1, 1, 0 },
		{ 7, 3, 5, 4, 1 },
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		uint32_t s, t;

		encode_lengths(v[i][0], v[i][1], v[i][2], &s, &t);
		check(s == v[i][3] && t == v[i][4], "lengths (%u, %u, %u) -> (%u, %u)", v[i][0],
		      v[i][1], v[i][2], s, t);
	}
}

static struct message say(enum role role, const char *text)
{
	return (struct message){ role, text, text ? strlen(text) : 0 };
}

static void test_find(void)
{
	struct err err = { 0 };

	check(!template_find("qwen2", &err) && strstr(err.msg, "'qwen'"), "%s", err.msg);
	check(!template_find("somethingelse", &err) && strstr(err.msg, "vicuna, zephyr"), "%s",
	      err.msg);
}

/* One turn with a system prompt, in the words of each template; decoded again. */
static void test_slots(void)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{ "qwen", "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n"
			  "<|im_start|>assistant\n|A<|im_end|>\n" },
		{ "default", "System: S<|endoftext|>\nHuman: U<|endoftext|>\nAssistant:|"
			     "A<|endoftext|>\n" },
		{ "alpaca", "S### Instruction:\nU\n\n### Response:\n|A<|endoftext|>\n\n" },
		{ "vicuna", "SUSER: U ASSISTANT:|A<|endoftext|>" },
		{ "zephyr", "<|system|>\nS<|endoftext|><|user|>\nU<|endoftext|><|assistant|>\n|"
			    "A<|endoftext|>" },
		{ "llama2", "[INST] <<SYS>>\nS\n<</SYS>>\n\nU [/INST]|A<|endoftext|>" },
		{ "mistral", "[INST] S\n\nU[/INST]| A<|endoftext|>" },
		{ "deepseek3", "S<｜User｜>U<｜Assistant｜>|A<|endoftext|>" },
		{ "empty", "SU|A" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct message m[2] = { say(ROLE_USER, "U"), say(ROLE_ASSISTANT, "A") };
		struct record r = { .system = say(ROLE_SYSTEM, "S"),
				    .messages = m,
				    .n_messages = 2 };
		struct encode_settings s = { .cutoff_len = 2048 };
		struct buf spans = { 0 }, text = { 0 };
		struct ids ids = { 0 };
		struct err err = { 0 };
		struct example e = { 0 };

		s.template = template_find(cases[i].name, &err);
		if (encode_record(&s, tok, &r, &ids, &spans, &e, NULL, &err) == 0) {
			token_decode(tok, e.ids, e.spans[0].begin, false, &text);
			buf_char(&text, '|');
			token_decode(tok, e.ids + e.spans[0].begin, e.n_ids - e.spans[0].begin,
				     false, &text);
			check(e.n_spans == 1 && e.spans[0].end == e.n_ids, "the answer is trained");
		} else {
			note("%s", err.msg);
		}
		check_str(text.p, cases[i].want, cases[i].name);
		ids_free(&ids);
		buf_free(&spans);
		buf_free(&text);
	}
}

static const char *const long_text =
	"one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
	"sixteen seventeen eighteen nineteen twenty and then some more words, until it is long";

struct encoded {
	struct ids ids;
	struct buf spans;
	struct example e;
	struct encode_counts counts;
	struct err err;
	int rc;
};

static void encode(struct encoded *x, struct encode_settings *s, struct message *m, size_t n,
		   bool pair)
{
	struct record r = { .messages = m, .n_messages = n, .is_preference = pair };

	if (pair) {
		r.n_messages = n - 2;
		r.chosen = m[n - 2];
		r.rejected = m[n - 1];
	}
	*x = (struct encoded){ 0 };
	x->rc = encode_record(s, tok, &r, &x->ids, &x->spans, &x->e, &x->counts, &x->err);
}

static void encoded_free(struct encoded *x)
{
	ids_free(&x->ids);
	buf_free(&x->spans);
}

static char *text_of(const uint32_t *v, size_t n)
{
	struct buf b = { 0 };

	buf_str(&b, "");
	token_decode(tok, v, n, false, &b);
	return b.p;
}

static bool ends_with(const char *s, const char *end)
{
	return strlen(s) >= strlen(end) && !strcmp(s + strlen(s) - strlen(end), end);
}

static void test_truncation(void)
{
	static const char header[] = "<|im_end|>\n<|im_start|>assistant\n";
	struct err err = { 0 };
	struct encode_settings s = { .template = template_find("qwen3_nothink", &err) };
	int bad = 0, refused = 0, worst = 0;

	for (uint32_t cut = 1; cut < 130; cut++) {
		struct message m[2] = { say(ROLE_USER, long_text), say(ROLE_ASSISTANT, long_text) };
		struct encoded x;

		s.cutoff_len = cut;
		encode(&x, &s, m, 2, false);
		if (x.rc < 0) {
			refused++;
			worst = (int)cut;
			bad += !strstr(x.err.msg, "cutoff_len");
		} else {
			uint32_t at = x.e.spans[0].begin;
			char *a = text_of(x.e.ids, at), *b = text_of(x.e.ids + at, x.e.n_ids - at);

			bad += !ends_with(a, header) || !ends_with(b, "<|im_end|>\n") ||
			       x.e.n_ids > cut || !x.counts.truncated != !x.counts.tokens_lost;
			mem_free(a);
			mem_free(b);
		}
		encoded_free(&x);
	}
	check(!bad, "cut at any length, assistant header and end of turn stay");
	check(refused && worst < 30, "only what cannot hold them is refused (up to %d)", worst);
}

/* A long question loses its middle; a system prompt before it stays. */
static void test_cut_middle(void)
{
	static const char begin[] =
		"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\none two";
	struct message m[2] = { say(ROLE_USER, long_text), say(ROLE_ASSISTANT, "yes") };
	struct err err = { 0 };
	struct encode_settings s = { .template = template_find("qwen3_nothink", &err),
				     .system = "Be brief.",
				     .cutoff_len = 36 };
	struct encoded x;
	char *text;

	encode(&x, &s, m, 2, false);
	check(x.rc == 0 && x.e.n_ids == 36 && x.counts.truncated == 1, "cut to cutoff_len");
	text = text_of(x.e.ids, x.e.n_ids);
	check(!strncmp(text, begin, strlen(begin)) && !strstr(text, "twelve"), "the middle goes");
	check(ends_with(text, " is long<|im_end|>\n<|im_start|>assistant\nyes<|im_end|>\n"),
	      "the end stays");
	mem_free(text);
	encoded_free(&x);
}

static void test_history(void)
{
	struct message m[4] = { say(ROLE_USER, "first"), say(ROLE_ASSISTANT, "one"),
				say(ROLE_USER, "second"), say(ROLE_ASSISTANT, "two") };
	struct err err = { 0 };
	struct encode_settings s = { .template = template_find("qwen3_nothink", &err),
				     .cutoff_len = 2048 };
	struct encoded x;
	char *text;

	encode(&x, &s, m, 4, false);
	check(x.rc == 0 && x.e.n_spans == 2, "both answers are trained");
	text = text_of(x.e.ids + x.e.spans[0].begin, x.e.spans[0].end - x.e.spans[0].begin);
	check_str(text, "one<|im_end|>\n", "the first with its end of turn");
	mem_free(text);
	encoded_free(&x);
	s.mask_history = true;
	encode(&x, &s, m, 4, false);
	check(x.rc == 0 && x.e.n_spans == 1 && x.e.spans[0].end == x.e.n_ids,
	      "mask_history: the last alone");
	encoded_free(&x);
	s.mask_history = false;
	s.train_on_prompt = true;
	encode(&x, &s, m, 4, false);
	check(x.rc == 0 && x.e.n_spans == 1 && x.e.spans[0].begin == 0 &&
		      x.e.spans[0].end == x.e.n_ids,
	      "train_on_prompt: everything");
	encoded_free(&x);
	encode(&x, &s, m, 3, false);
	check(x.rc < 0, "no answer: %s", x.err.msg);
	encoded_free(&x);
	m[1].role = ROLE_USER;
	encode(&x, &s, m, 4, false);
	check(x.rc < 0 && strstr(x.err.msg, "message 2"), "two users: %s", x.err.msg);
	encoded_free(&x);
}

static void test_pair(void)
{
	struct message m[3] = { say(ROLE_USER, "ask"), say(ROLE_ASSISTANT, "good"),
				say(ROLE_ASSISTANT, "bad answer") };
	struct err err = { 0 };
	struct encode_settings s = { .template = template_find("qwen3_nothink", &err),
				     .cutoff_len = 2048 };
	struct encoded x;
	char *text;

	encode(&x, &s, m, 3, true);
	check(x.rc == 0, "a pair %s", x.err.msg);
	text = text_of(x.e.ids, x.e.n_prompt);
	check_str(text, "<|im_start|>user\nask<|im_end|>\n<|im_start|>assistant\n", "prompt");
	mem_free(text);
	text = text_of(x.e.ids + x.e.n_prompt, x.e.n_chosen);
	check_str(text, "good<|im_end|>\n", "chosen");
	mem_free(text);
	text = text_of(x.e.ids + x.e.n_prompt + x.e.n_chosen,
		       x.e.n_ids - x.e.n_prompt - x.e.n_chosen);
	check_str(text, "bad answer<|im_end|>\n", "rejected");
	mem_free(text);
	encoded_free(&x);
}

/* What chat feeds is what training saw before the answer; special-token text in data stays text. */
static void test_chat(void)
{
	struct message m[4] = { say(ROLE_SYSTEM, "Be brief."), say(ROLE_USER, "<|im_end|> hi"),
				say(ROLE_ASSISTANT, "hello"), say(ROLE_USER, "again") };
	struct err err = { 0 };
	struct encode_settings s = { .template = template_find("qwen", &err), .cutoff_len = 2048 };
	struct record r = { .system = m[0], .messages = m + 1, .n_messages = 2 };
	struct ids chat = { 0 }, ids = { 0 }, stops = { 0 };
	struct buf spans = { 0 };
	struct example e;
	uint32_t ends = 0;

	check(encode_chat(&s, tok, m, 2, &chat, &err) == 0 &&
		      encode_record(&s, tok, &r, &ids, &spans, &e, NULL, &err) == 0,
	      "chat and training encode %s", err.msg);
	check(chat.n == e.spans[0].begin && !memcmp(chat.v, e.ids, chat.n * 4),
	      "the same ids up to the answer");
	for (size_t i = 0; i < chat.n; i++)
		ends += chat.v[i] == token_id(tok, "<|im_end|>");
	check(ends == 2, "<|im_end|> in the data is text");
	check(encode_chat(&s, tok, m, 3, &chat, &err) < 0, "an answer cannot be last: %s", err.msg);
	check(encode_chat(&s, tok, m, 1, &chat, &err) < 0, "nor a system prompt alone");
	template_stops(s.template, tok, &stops);
	check(stops.n >= 1 && stops.v[0] == token_id(tok, "<|im_end|>"), "stops");
	s.template = template_find("llama3", &err);
	check(encode_chat(&s, tok, m, 2, &chat, &err) < 0 && strstr(err.msg, "<|eot_id|>"),
	      "refused: %s", err.msg);
	ids_free(&chat);
	ids_free(&ids);
	ids_free(&stops);
	buf_free(&spans);
}

/* Rendered by jinja2 once and compared by eye and program; the text must not change unnoticed. */
static void test_jinja(void)
{
	struct err err = { 0 };
	struct buf out = { 0 };

	template_jinja(template_find("smollm", &err), "Don't \"panic\"\n", THINKING_TRUE, &out);
	check_str(out.p,
		  "{% if messages and messages[0]['role'] == 'system' %}{% set system = "
		  "messages[0]['content'] or 'Don\\'t \"panic\"\\n' %}{% set turns = messages[1:] "
		  "%}{% else %}{% set system = 'Don\\'t \"panic\"\\n' %}{% set turns = messages "
		  "%}{% endif %}{% if system %}{{ '<|im_start|>system\\n' + system + "
		  "'<|im_end|>\\n' }}{% endif %}{% for message in turns %}{% if message['role'] == "
		  "'user' %}{{ '<|im_start|>user\\n' + message['content'] + '<|im_end|>\\n' }}{% "
		  "elif message['role'] == 'tool' %}{{ '<|im_start|>user\\n' + message['content'] "
		  "+ '<|im_end|>\\n' }}{% elif message['role'] == 'assistant' %}{{ "
		  "'<|im_start|>assistant\\n' + message['content'] + '<|im_end|>\\n' }}{% elif "
		  "message['role'] == 'system' %}{{ '<|im_start|>system\\n' + message['content'] + "
		  "'<|im_end|>\\n' }}{% else %}{{ raise_exception('Template smollm has no place "
		  "for a message of role ' + message['role'] + ' here') }}{% endif %}{% endfor %}"
		  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
		  "Jinja text");
	buf_reset(&out);
	template_jinja(template_find("gemma", &err), NULL, THINKING_TRUE, &out);
	check_str(out.p,
		  "{% if messages and messages[0]['role'] == 'system' %}{% set system = "
		  "messages[0]['content'] or '' %}{% set turns = messages[1:] %}{% else %}{% set "
		  "system = '' %}{% set turns = messages %}{% endif %}{{ (bos_token if bos_token "
		  "is defined and bos_token else '') }}{% set lead = namespace(text='') %}{% if "
		  "system %}{% set lead.text = system + '\\n\\n' %}{% endif %}{% for message in "
		  "turns %}{% if message['role'] == 'user' %}{{ '<start_of_turn>user\\n' + "
		  "lead.text + message['content'] + '<end_of_turn>\\n' }}{% set lead.text = '' %}"
		  "{% elif message['role'] == 'tool' %}{{ '<start_of_turn>tool\\n' + lead.text + "
		  "message['content'] + '<end_of_turn>\\n' }}{% set lead.text = '' %}{% elif "
		  "message['role'] == 'assistant' %}{{ '<start_of_turn>model\\n' + "
		  "message['content'] + '<end_of_turn>\\n' }}{% else %}{{ raise_exception("
		  "'Template gemma has no place for a message of role ' + message['role'] + "
		  "' here') }}{% endif %}{% endfor %}{{ lead.text }}{% if add_generation_prompt "
		  "%}{{ '<start_of_turn>model\\n' }}{% endif %}",
		  "Jinja text of a fused system prompt");
	buf_free(&out);
}

/* Thoughts of one conversation, in ids and in Jinja. */
static void test_thoughts(void)
{
	static const char thought[] = "<think>\nHm.\n</think>\n\nYes.";
	struct message m[] = { say(ROLE_USER, "A"), say(ROLE_ASSISTANT, thought),
			       say(ROLE_USER, "B") };
	struct encode_settings s = { .cutoff_len = 2048 };
	struct err err = { 0 };

	s.template = template_find("qwen3", &err);
	for (s.thinking = THINKING_TRUE; s.thinking <= THINKING_NULL; s.thinking++) {
		struct buf text = { 0 };
		struct ids ids = { 0 };

		check(!encode_chat(&s, tok, m, 3, &ids, &err), "%s", err.msg);
		token_decode(tok, ids.v, ids.n, false, &text);
		check(!strstr(text.p, "Hm."), "an earlier thought is not fed again");
		check(ends_with(text.p, s.thinking == THINKING_TRUE ? "<|im_start|>assistant\n"
								    : "<think>\n\n</think>\n\n"),
		      "the end of the question says whether to think");
		ids_free(&ids);
		buf_reset(&text);
		template_jinja(s.template, NULL, s.thinking, &text);
		check(strstr(text.p, s.thinking == THINKING_TRUE
					     ? "is defined else true)"
					     : "is defined else false)") != NULL,
		      "so does Jinja");
		buf_reset(&text);
		template_ollama(s.template, tok, s.thinking, &text);
		check(!strstr(text.p, "<think>\n\n</think>\n\n{{ end }}") ==
			      (s.thinking == THINKING_TRUE),
		      "and Ollama's");
		buf_free(&text);
	}
	check(thinking_of(NULL) == THINKING_TRUE && thinking_of("false") == THINKING_FALSE &&
		      thinking_of("null") == THINKING_NULL,
	      "names");
}

static bool ends_in_header(const struct template *t, const char *slot)
{
	const char *hole = strstr(slot, "{content}") + strlen("{content}");

	return strlen(hole) >= strlen(t->header) && ends_with(hole, t->header);
}

/* Jinja takes the header off the end of a slot: it must be there, after the text. */
static void test_headers(void)
{
	char *names = mem_strdup(template_names()), *save = NULL;
	int n = 0, with = 0, bad = 0;

	for (char *name = strtok_r(names, ", ", &save); name; name = strtok_r(NULL, ", ", &save)) {
		struct err err = { 0 };
		const struct template *t = template_find(name, &err);

		n++;
		if (!t->header)
			continue;
		with++;
		if (!ends_in_header(t, t->user) ||
		    (t->observation && !ends_in_header(t, t->observation))) {
			note("%s: a slot does not end in the header", name);
			bad++;
		}
	}
	check(n == 18 && with == 15 && !bad, "%d of %d templates have a header, %d bad", with, n,
	      bad);
	mem_free(names);
}

int main(void)
{
	if (!mkdtemp(folder))
		return 1;
	test_lengths();
	test_find();
	test_jinja();
	test_headers();
	tok = open_tokenizer("token/qwen3.tokenizer.json.zst");
	if (check(tok != NULL, "tokenizer")) {
		test_slots();
		test_truncation();
		test_cut_middle();
		test_history();
		test_pair();
		test_chat();
		test_thoughts();
	}
	token_close(tok);
	rmdir(folder);
	return tap_done();
}
