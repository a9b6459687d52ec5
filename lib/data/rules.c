/* SPDX-License-Identifier: Apache-2.0 */
#include "data/rules.h"

#include "base/bytes.h"
#include "data/rules_parts.h"
#include "data/speech.h"

#include <jansson.h>
#include <string.h>

static void empty_turns(struct check *c, enum rule_id rule, bool user, const char *what)
{
	for (size_t i = 0; i < c->turns.n; i++) {
		const struct turn *t = &c->turns.v[i];

		if (user != (t->role == ROLE_USER) || (!user && t->role != ROLE_ASSISTANT) ||
		    !text_blank(t->text, t->n))
			continue;
		check_report(c, rule, check_at(c, t->where), "%s is empty", what);
		return;
	}
}

static void empty_instruction(struct check *c)
{
	if (c->turns_ok)
		empty_turns(c, RULE_EMPTY_INSTRUCTION, true, "what the user says");
}

static void empty_output(struct check *c)
{
	const struct turns *t = &c->turns;

	if (!c->turns_ok)
		return;
	empty_turns(c, RULE_EMPTY_OUTPUT, false, "the answer");
	if (!c->d.ranking)
		return;
	if (text_blank(t->chosen.text, t->chosen.n))
		check_report(c, RULE_EMPTY_OUTPUT, check_at(c, t->chosen.where),
			     "the chosen answer is empty");
	if (text_blank(t->rejected.text, t->rejected.n))
		check_report(c, RULE_EMPTY_OUTPUT, check_at(c, t->rejected.where),
			     "the rejected answer is empty");
}

static void chosen_equals_rejected(struct check *c)
{
	const struct turn *a = &c->turns.chosen, *b = &c->turns.rejected;

	if (c->turns_ok && c->d.ranking && a->n == b->n &&
	    (!a->n || !memcmp(a->text, b->text, a->n)))
		check_report(c, RULE_CHOSEN_EQUALS_REJECTED, check_at(c, b->where),
			     "chosen and rejected are the same text");
}

/* A function with a name, alone or as {"type": "function", "function": {...}}. */
static bool is_tool(json_t *tool)
{
	json_t *inner = json_object_get(tool, "function");

	return json_is_string(json_object_get(inner ? inner : tool, "name"));
}

static void malformed_tools(struct check *c)
{
	const struct turn *t = &c->turns.tools;
	json_t *list;
	size_t i = 0;

	if (!t->text)
		return;
	list = json_loadb(t->text, t->n, JSON_REJECT_DUPLICATES, NULL);
	while (i < json_array_size(list) && is_tool(json_array_get(list, i)))
		i++;
	if (!json_is_array(list) || i < json_array_size(list))
		check_report(c, RULE_MALFORMED_TOOLS, check_at(c, t->where),
			     "\"%s\" is not a JSON array of functions that have a \"name\"",
			     t->where.key);
	json_decref(list);
}

/* Every text of the record, one after the other; NULL at the end. */
static const struct turn *text_at(const struct check *c, size_t i)
{
	const struct turns *t = &c->turns;

	if (i < t->n)
		return &t->v[i];
	i -= t->n;
	if (i < 3) {
		static const struct turn none;
		const struct turn *rest[] = { &t->system, &t->chosen, &t->rejected };

		return rest[i]->text ? rest[i] : &none;
	}
	return NULL;
}

/* Where `text` stands in the record's source from `from` on; `from` when it is written otherwise. */
static size_t source_at(const struct check *c, size_t from, const char *text, size_t n)
{
	const char *p = from < c->e->n ? memmem(c->e->p + from, c->e->n - from, text, n) : NULL;

	return p ? (size_t)(p - c->e->p) : from;
}

/* Bytes of a special token's text at s, 0 when there is none. */
static size_t special_token(const char *s, size_t n)
{
	static const char *const fixed[] = {
		"<s>",     "</s>",     "[INST]",          "[/INST]",
		"<<SYS>>", "<</SYS>>", "<start_of_turn>", "<end_of_turn>"
	};

	if (n >= 5 && s[0] == '<' && s[1] == '|') {
		for (size_t i = 2; i + 1 < n && i < 40; i++) {
			if (s[i] == '|')
				return i > 2 && s[i + 1] == '>' ? i + 2 : 0;
			if (!strchr("abcdefghijklmnopqrstuvwxyz_0123456789", s[i]) || !s[i])
				return 0;
		}
		return 0;
	}
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		size_t len = strlen(fixed[i]);

		if (n >= len && !memcmp(s, fixed[i], len))
			return len;
	}
	return 0;
}

static void report_control(struct check *c, const struct turn *t, unsigned char b)
{
	const char *written = b == 0x7F ? "\x7F" : b < 16 ? "\\u000" : "\\u001";

	check_report(c, RULE_CONTROL_CHARACTER,
		     source_at(c, check_at(c, t->where), written, strlen(written)),
		     "control character U+%04X in text", b);
}

/* Control characters and special tokens, the first of each in a record: one look at every text. */
static void odd_text(struct check *c)
{
	bool control = false, token = false;
	const struct turn *t;

	for (size_t i = 0; (t = text_at(c, i)); i++)
		for (size_t j = 0; j < t->n && (j += bytes_odd(t->text + j, t->n - j)) < t->n;
		     j++) {
			bool bracket = t->text[j] == '<' || t->text[j] == '[';
			size_t len = bracket ? special_token(t->text + j, t->n - j) : 0;

			if (!bracket && !control)
				report_control(c, t, (unsigned char)t->text[j]);
			if (len && !token)
				check_report(
					c, RULE_SPECIAL_TOKEN_TEXT,
					source_at(c, check_at(c, t->where), t->text + j, len),
					"\"%.*s\" in text looks like a special token; it will be "
					"trained on as plain text",
					(int)len, t->text + j);
			control |= !bracket;
			token |= len > 0;
		}
}

/* Once for each name: it is the file's habit, not the record's. */
static void unknown_field(struct check *c)
{
	struct tape *t = &c->tape;

	if (c->usual)
		return;
	for (uint32_t k = 0; (k = tape_key(t, 0, k));) {
		size_t i, at, n;
		const char *key;

		if (column_used(c, k))
			continue;
		for (i = 0; i < c->n_known && !tape_is(t, k, c->known[i]); i++)
			;
		if (i < c->n_known || i == sizeof(c->known) / sizeof(c->known[0]))
			continue;
		key = tape_string(t, k, &n);
		c->known[c->n_known++] = arena_strndup(&c->arena, key, n);
		element_find(c->e, c->known[i], -1, NULL, &at);
		check_report(c, RULE_UNKNOWN_FIELD, at,
			     "field \"%.80s\" is not used (said once a file)", c->known[i]);
	}
}

void task_rule(struct check *c)
{
	for (size_t i = 0; c->turns_ok && i < c->turns.n; i++) {
		const struct turn *t = &c->turns.v[i];

		if (t->role != ROLE_USER || !speech_is_task(t->text, t->n))
			continue;
		check_report(
			c, RULE_INSTRUCTION_IS_TASK, check_at(c, t->where),
			"this describes what the model has to do; it is nothing that a user says");
		return;
	}
}

/* What of the record is borrowed stands until the next. */
static void as_record(const struct check *c, struct record *r)
{
	const struct turns *t = &c->turns;

	*r = (struct record){ .n_messages = t->n, .is_preference = c->d.ranking };
	r->messages = arena_new(&r->arena, t->n, sizeof(*r->messages));
	for (size_t i = 0; i < t->n; i++)
		r->messages[i] = (struct message){ t->v[i].role, t->v[i].text, t->v[i].n };
	r->system = (struct message){ ROLE_SYSTEM, t->system.text, t->system.n };
	r->chosen = (struct message){ t->chosen.role, t->chosen.text, t->chosen.n };
	r->rejected = (struct message){ t->rejected.role, t->rejected.text, t->rejected.n };
}

void length_rule(struct check *c)
{
	const struct check_context *x = &c->context;
	struct lengths n;
	struct record r;
	struct err err;
	int rc;

	if (!x->lengths || !c->turns_ok || c->errors)
		return;
	as_record(c, &r);
	rc = x->lengths(x->lengths_arg, &r, &n, &err);
	record_free(&r);
	if (rc < 0)
		check_report(c, RULE_MALFORMED_HISTORY, 0, "%.300s", err.msg);
	else if (n.answer_lost)
		check_report(
			c, RULE_TOO_LONG, 0,
			"%zu tokens: cut to cutoff_len %ld, less than half of the answer remains",
			n.tokens, x->cutoff);
	else if (n.lost)
		check_report(c, RULE_TRUNCATED, 0,
			     "%zu tokens: cutoff_len %ld takes %zu of them away", n.tokens,
			     x->cutoff, n.lost);
}

// clang-format off
#define ERROR   SEVERITY_ERROR
#define WARNING SEVERITY_WARNING

const struct rule rules[RULE_COUNT] = {
	[RULE_JSON_SYNTAX] = { "json-syntax", ERROR, "the text is not JSON",
		"correct it at the place shown", "dataset(5), FILES OF RECORDS", NULL, NULL },
	[RULE_ENCODING] = { "encoding", ERROR, "the text is not UTF-8",
		"convert the file: ds-validate --fix, or iconv -f GB18030 -t UTF-8 (or -f UTF-16)",
		"dataset(5), FILES OF RECORDS", NULL, NULL },
	[RULE_NOT_ARRAY_OF_OBJECTS] = { "not-array-of-objects", ERROR,
		"the file is not an array (or lines) of objects", "write one JSON object a record",
		"dataset(5), FILES OF RECORDS", NULL, NULL },
	[RULE_NO_RECORDS] = { "no-records", ERROR, "the file holds no records",
		"check that this is the file you meant", "dataset(5), FILES OF RECORDS", NULL, NULL },
	[RULE_MISSING_FIELD] = { "missing-field", ERROR, "a record lacks a field it needs",
		"add it, or map the column in dataset_info.json", "dataset(5), RECORDS", NULL, NULL },
	[RULE_WRONG_TYPE] = { "wrong-type", ERROR, "a field is not of the type it must have",
		"write text as a JSON string", "dataset(5), RECORDS", NULL, NULL },
	[RULE_EMPTY_INSTRUCTION] = { "empty-instruction", ERROR, "the user says nothing",
		"write what the user says, or remove the record", "dataset(5), RECORDS",
		empty_instruction, NULL },
	[RULE_EMPTY_OUTPUT] = { "empty-output", ERROR, "an answer is empty: it teaches silence",
		"write the answer, or remove the record", "dataset(5), RECORDS", empty_output, NULL },
	[RULE_MALFORMED_HISTORY] = { "malformed-history", ERROR,
		"a conversation is not user and assistant in turn",
		"mend the order; history is a list of [user, assistant]", "dataset(5), RECORDS",
		NULL, NULL },
	[RULE_DUPLICATE_KEY] = { "duplicate-key", ERROR, "an object has the same key twice",
		"remove one", "dataset(5), FILES OF RECORDS", NULL, NULL },
	[RULE_CHOSEN_EQUALS_REJECTED] = { "chosen-equals-rejected", ERROR,
		"both answers of a pair are the same", "write a rejected answer that is worse",
		"dataset(5), Preference pairs", chosen_equals_rejected, NULL },
	[RULE_MALFORMED_TOOLS] = { "malformed-tools", ERROR, "tools are not a JSON array of functions",
		"write [{\"name\": ..., \"parameters\": ...}]", "dataset(5), RECORDS", malformed_tools,
		NULL },
	[RULE_CSV_SYNTAX] = { "csv-syntax", ERROR, "a row of a .csv file is not what the first row says",
		"mend it; a text with a comma, quote or line end stands in quotes",
		"dataset(5), FILES OF RECORDS", NULL, NULL },
	[RULE_FILE_NOT_FOUND] = { "file-not-found", ERROR, "the data file is not there",
		"correct the path, or file_name in dataset_info.json", "dataset(5), DATASET_INFO.JSON",
		NULL, NULL },
	[RULE_DATASET_NOT_REGISTERED] = { "dataset-not-registered", ERROR,
		"dataset_info.json has no such data set", "use a name it has, or give the file's path",
		"dataset(5), DATASET_INFO.JSON", NULL, NULL },
	[RULE_UNKNOWN_COLUMN] = { "unknown-column", ERROR,
		"dataset_info.json maps a column that no record has", "correct the name under columns",
		"dataset(5), DATASET_INFO.JSON", NULL, NULL },
	[RULE_STAGE_RANKING_MISMATCH] = { "stage-ranking-mismatch", ERROR,
		"the data does not fit the stage",
		"dpo takes preference data (\"ranking\": true), sft other",
		"dataset(5), Preference pairs", NULL, NULL },
	[RULE_BOM] = { "bom", WARNING, "the file begins with a byte order mark",
		"save it as UTF-8 without BOM: ds-validate --fix does", "dataset(5), FILES OF RECORDS",
		NULL, NULL },
	[RULE_CONTROL_CHARACTER] = { "control-character", WARNING, "text holds a control character",
		"remove it", "ds-validate(1), RULES", odd_text, NULL },
	[RULE_SPECIAL_TOKEN_TEXT] = { "special-token-text", WARNING,
		"text holds the text of a special token",
		"remove it, unless the model should learn to write it", "ds-validate(1), RULES",
		NULL, NULL },
	[RULE_UNKNOWN_FIELD] = { "unknown-field", WARNING, "a field is not used",
		"map it in dataset_info.json, or remove it", "dataset(5), DATASET_INFO.JSON",
		unknown_field, NULL },
	[RULE_INSTRUCTION_IS_TASK] = { "instruction-is-task", WARNING,
		"an instruction describes the model's task instead of being what a user says",
		"write what a user says: not \"greet the user\" but \"Hello\"", "ds-validate(1), RULES",
		task_rule, NULL },
	[RULE_DPO_UNSEEN_CHOSEN] = { "dpo-unseen-chosen", WARNING,
		"a preferred answer that no SFT record teaches (--sft): DPO will not teach it",
		"add the answer to the SFT data", "ds-validate(1), RULES", unseen_rule, NULL },
	[RULE_NO_DIALOGUE] = { "no-dialogue", WARNING,
		"the set has one kind of content and no conversation: the model forgets how to talk",
		"mix in small talk, about a third of the records", "ds-validate(1), RULES", set_rule,
		dialogue_rule },
	[RULE_SINGLE_PHRASING] = { "single-phrasing", WARNING,
		"each content is asked for in one wording only: the model depends on its keywords",
		"add records that ask for the same answers in other words", "ds-validate(1), RULES",
		NULL, phrasing_rule },
	[RULE_FEW_EXAMPLES_MANY_EPOCHS] = { "few-examples-many-epochs", WARNING,
		"few records are seen many times (--config): they are learnt by heart",
		"add data, or take fewer epochs, unless learning by heart is the aim",
		"ds-validate(1), RULES", NULL, epochs_rule },
	[RULE_CONFLICTING_ANSWERS] = { "conflicting-answers", WARNING,
		"the same question has different answers", "keep one, or ask differently",
		"ds-validate(1), RULES", NULL, NULL },
	[RULE_NEAR_DUPLICATE] = { "near-duplicate", WARNING,
		"a record is there already, word for word or nearly", "remove one of them",
		"ds-validate(1), RULES", NULL, NULL },
	[RULE_LEAKS_INTO_EVAL] = { "leaks-into-eval", WARNING,
		"a question of the evaluation (--eval) is trained on", "remove it from one of the two",
		"ds-validate(1), RULES", leak_rule, NULL },
	[RULE_LENGTH_BIAS] = { "length-bias", WARNING,
		"chosen answers differ from rejected ones by their length: that is what is learnt",
		"write pairs of about the same length", "ds-validate(1), RULES", NULL, bias_rule },
	[RULE_TRUNCATED] = { "truncated", WARNING,
		"a record is longer than cutoff_len (--tokenizer)",
		"raise cutoff_len, or shorten the record", "ds-validate(1), RULES", length_rule, NULL },
	[RULE_TOO_LONG] = { "too-long", WARNING,
		"cutoff_len leaves too little of an answer to learn from (--tokenizer)",
		"raise cutoff_len, or shorten the record", "ds-validate(1), RULES", NULL, NULL },
	[RULE_LANGUAGE_MISMATCH] = { "language-mismatch", WARNING,
		"a record is in another language than its question, the set or the base (--language)",
		"translate or remove it", "ds-validate(1), RULES", NULL, language_rule },
};
// clang-format on

enum rule_id rule_find(const char *name)
{
	int i = 0;

	while (i < RULE_COUNT && strcmp(rules[i].name, name))
		i++;
	return (enum rule_id)i;
}
