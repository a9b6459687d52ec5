/* SPDX-License-Identifier: Apache-2.0 */
/* Rules over a set: each record beside those before it, and what can be said when all were read. */
#include "data/rules_parts.h"

#include "data/seen.h"
#include "data/speech.h"
#include "data/textset.h"

#include <stdio.h>
#include <string.h>

enum {
	TALK_LOOKED = 20000, /* records among which conversation is looked for */
	KIND_LOOKED =
		1000, /* questions whose words are counted, and the largest set they matter for */
	SMALL_SET = 200, /* records: so few are learnt by heart */
	MANY_EPOCHS = 10,
	SET_LEAST = 10, /* records that make a set to say something about */
	PAIRS_LEAST = 20,
	LANGUAGE_LEAST = 20,
};

const struct turn *last_question(const struct check *c)
{
	for (size_t i = c->turns.n; i-- > 0;)
		if (c->turns.v[i].role == ROLE_USER)
			return &c->turns.v[i];
	return NULL;
}

const struct turn *last_answer(const struct check *c)
{
	const struct turns *t = &c->turns;

	if (c->d.ranking)
		return t->chosen.text ? &t->chosen : NULL;
	return t->n && t->v[t->n - 1].role == ROLE_ASSISTANT ? &t->v[t->n - 1] : NULL;
}

/* ---- likeness ---- */

/* All that stands before the answer. */
static uint64_t hash_before(const struct check *c)
{
	const struct turns *t = &c->turns;
	uint64_t h = t->system.text ? sketch_hash(1, t->system.text, t->system.n) : 0;

	for (size_t i = 0; i < t->n - !c->d.ranking; i++)
		h = sketch_hash(h, t->v[i].text, t->v[i].n);
	return h;
}

static void look(struct check *c, const struct turn *question, const struct turn *answer,
		 struct sketch *k)
{
	sketch_make(k, question->text, question->n, answer->text, answer->n);
	k->prompt = hash_before(c);
	k->answer = sketch_hash(2, answer->text, answer->n);
	if (c->d.ranking) {
		const struct turn *rejected = &c->turns.rejected;

		k->answer = sketch_hash(k->answer, rejected->text, rejected->n);
		k->numbers ^= (uint32_t)sketch_hash_words(rejected->text, rejected->n);
	}
	if (!c->set->seen)
		c->set->seen = seen_new();
	seen_look(c->set->seen, k);
}

static void compare(struct check *c, const struct turn *question, const struct sketch *k)
{
	struct set *s = c->set;
	struct seen_like like;
	size_t at;

	seen_add(s->seen, k, c->e->line, &like);
	s->answers += !like.asked && !like.same;
	s->asked += like.asked;
	if (!like.same && !like.near && !like.conflict)
		return;
	at = check_at(c, question->where);
	if (like.same)
		check_report(c, RULE_NEAR_DUPLICATE, at, "the same record stands at line %llu",
			     (unsigned long long)like.same);
	else if (like.near)
		check_report(c, RULE_NEAR_DUPLICATE, at,
			     "nearly the same question and answer stand at line %llu",
			     (unsigned long long)like.near);
	else if (!c->d.ranking)
		check_report(c, RULE_CONFLICTING_ANSWERS, at,
			     "the same question has another answer at line %llu",
			     (unsigned long long)like.conflict);
}

void leak_rule(struct check *c)
{
	const struct turn *question = last_question(c);
	const char *file;
	size_t line;

	if (!c->context.eval || !c->turns_ok || !question)
		return;
	line = textset_find(c->context.eval, question->text, question->n, &file);
	if (line)
		check_report(c, RULE_LEAKS_INTO_EVAL, check_at(c, question->where),
			     "the evaluation asks this too, at %.200s:%zu", file, line);
}

void unseen_rule(struct check *c)
{
	const struct turn *chosen = &c->turns.chosen;
	const char *file;

	if (!c->context.taught || !c->turns_ok || !c->d.ranking)
		return;
	if (!textset_find(c->context.taught, chosen->text, chosen->n, &file))
		check_report(c, RULE_DPO_UNSEEN_CHOSEN, check_at(c, chosen->where),
			     "no record of the SFT data has this answer");
}

/* ---- counts ---- */

static void note_odd(struct check *c, struct odd *o)
{
	if (o->n < ODD_MAX) {
		o->at[o->n].line = c->e->line;
		o->at[o->n].column = c->e->column;
	}
	o->n++;
}

/* Records in English may still turn out to be few, and have room. */
static bool may_be_few(const struct set *s)
{
	return s->odd_en.n < ODD_MAX && (s->en <= ODD_MAX || s->en * 20 <= s->zh);
}

static void count_languages(struct check *c, const struct turn *question, const struct turn *answer)
{
	enum speech_script q = speech_script(question->text, question->n);
	enum speech_script a = speech_script(answer->text, answer->n);
	const struct turn *system = &c->turns.system;
	struct set *s = c->set;

	if (q == SPEECH_OTHER || a == SPEECH_OTHER || q == a) {
		q = q == SPEECH_OTHER ? a : q;
		s->zh += q == SPEECH_ZH;
		s->en += q == SPEECH_LATIN;
		if (q == SPEECH_ZH && a == q)
			note_odd(c, &s->odd_zh);
		else if (q == SPEECH_LATIN && a == q && may_be_few(s) &&
			 speech_is_english(answer->text, answer->n))
			note_odd(c, &s->odd_en);
		return;
	}
	if (s->crossed.n < ODD_MAX && c->turns.n <= 2 &&
	    !speech_names_language(question->text, question->n) &&
	    !(system->text && speech_names_language(system->text, system->n)) &&
	    (a == SPEECH_ZH || speech_is_english(answer->text, answer->n)))
		note_odd(c, &s->crossed);
}

static uint32_t kind_slot(const char *s, size_t n)
{
	return (uint32_t)(sketch_hash(3, s, n) % KIND_WORDS);
}

/* Counts a word or pair once for a question. */
static void count_kind(struct set *s, uint8_t *told, const char *p, size_t n)
{
	uint32_t slot = kind_slot(p, n);

	if (!(told[slot / 8] >> slot % 8 & 1) && s->kinds[slot] < UINT16_MAX)
		s->kinds[slot]++;
	told[slot / 8] |= (uint8_t)(1 << slot % 8);
}

/* Words of four letters and more, and pairs of Chinese characters. */
static void count_kinds(struct set *s, const struct turn *question)
{
	const unsigned char *p = (const unsigned char *)question->text;
	uint8_t told[KIND_WORDS / 8] = { 0 };
	size_t n = question->n < 300 ? question->n : 300;

	for (size_t i = 0; i < n; i++) {
		size_t from = i;

		while (i < n && (p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'z')
			i++;
		if (i - from >= 4)
			count_kind(s, told, question->text + from, i - from);
		if (i + 6 <= n && p[i] >= 0xE4 && p[i + 3] >= 0xE4)
			count_kind(s, told, question->text + i, 6);
	}
	s->kind_looked++;
}

static void count_pair(struct set *s, const struct turn *chosen, const struct turn *rejected)
{
	s->longer += chosen->n > rejected->n;
	s->shorter += chosen->n < rejected->n;
	s->chosen_bytes += chosen->n;
	s->rejected_bytes += rejected->n;
}

void set_rule(struct check *c)
{
	const struct turn *question = last_question(c), *answer = last_answer(c);
	struct set *s = c->set;
	struct sketch k;

	if (!c->turns_ok || !question || !answer || c->errors)
		return;
	s->records++;
	look(c, question, answer, &k);
	count_languages(c, question, answer);
	if (c->d.ranking)
		count_pair(s, answer, &c->turns.rejected);
	else if (s->talk_looked < TALK_LOOKED && ++s->talk_looked)
		s->talk += c->turns.n > 2 || speech_is_talk(question->text, question->n);
	if (s->kind_looked < KIND_LOOKED)
		count_kinds(s, question);
	compare(c, question, &k);
}

/* ---- at the end ---- */

void dialogue_rule(struct check *c)
{
	const struct set *s = c->set;
	char message[160];

	if (c->d.ranking || s->records < SET_LEAST || s->talk * 100 >= s->talk_looked)
		return;
	snprintf(message, sizeof(message), "%llu of %llu records are conversation",
		 (unsigned long long)s->talk, (unsigned long long)s->talk_looked);
	check_whole(c, RULE_NO_DIALOGUE, message);
}

/* The most questions that share a word, those left out that stand in any question. */
static uint64_t most_alike(const struct set *s)
{
	static const char *const any[] = {
		"什么",    "怎么",  "如何",  "一个",   "一下",   "我的",   "你的",  "请问",
		"可以",    "是什",  "么样",  "帮我",   "给我",   "这个",   "没有",  "为什",
		"那么",    "哪些",  "我们",  "有什",   "个人",   "一首",   "一段",  "请你",
		"What",    "what",  "Tell",  "tell",   "Please", "please", "about", "with",
		"this",    "that",  "have",  "does",   "your",   "from",   "when",  "where",
		"which",   "would", "could", "should", "there",  "Could",  "Would", "Explain",
		"explain", "Write", "write", "Give",   "give",   "Does",   "they",  "between",
		"into",    "some",
	};
	uint64_t most = 0;

	for (uint32_t i = 0; i < KIND_WORDS; i++) {
		size_t k = 0;

		while (s->kinds[i] > most && k < sizeof(any) / sizeof(any[0]) &&
		       kind_slot(any[k], strlen(any[k])) != i)
			k++;
		if (k == sizeof(any) / sizeof(any[0]))
			most = s->kinds[i];
	}
	return most;
}

void phrasing_rule(struct check *c)
{
	const struct set *s = c->set;
	char message[200];
	uint64_t alike;

	if (c->d.ranking || s->records < SET_LEAST || s->records > KIND_LOOKED ||
	    s->asked * 10 > s->answers || s->answers * 10 < s->records * 9)
		return;
	alike = most_alike(s);
	if (alike * 10 < s->records * 3)
		return;
	snprintf(message, sizeof(message),
		 "%llu of %llu questions ask for the same kind of thing, and each answer has one "
		 "wording of "
		 "its question",
		 (unsigned long long)alike, (unsigned long long)s->records);
	check_whole(c, RULE_SINGLE_PHRASING, message);
}

void epochs_rule(struct check *c)
{
	const struct set *s = c->set;
	char message[160];

	if (c->context.epochs < MANY_EPOCHS || s->records == 0 || s->records > SMALL_SET)
		return;
	snprintf(message, sizeof(message), "%llu records, each seen %g times",
		 (unsigned long long)s->records, c->context.epochs);
	check_whole(c, RULE_FEW_EXAMPLES_MANY_EPOCHS, message);
}

void bias_rule(struct check *c)
{
	const struct set *s = c->set;
	bool longer =
		s->longer * 10 >= s->records * 9 && s->chosen_bytes * 2 >= s->rejected_bytes * 3;
	bool shorter =
		s->shorter * 10 >= s->records * 9 && s->rejected_bytes * 2 >= s->chosen_bytes * 3;
	char message[200];

	if (!c->d.ranking || s->records < PAIRS_LEAST || !(longer || shorter))
		return;
	snprintf(message, sizeof(message),
		 "the chosen answer is the %s one in %llu of %llu pairs, %.1f times as long on "
		 "average",
		 longer ? "longer" : "shorter",
		 (unsigned long long)(longer ? s->longer : s->shorter),
		 (unsigned long long)s->records,
		 (double)s->chosen_bytes / (double)(s->rejected_bytes ? s->rejected_bytes : 1));
	check_whole(c, RULE_LENGTH_BIAS, message);
}

static void report_odd(struct check *c, const struct odd *o, const char *what)
{
	for (uint64_t i = 0; i < o->n && i < ODD_MAX; i++)
		check_report_place(c, RULE_LANGUAGE_MISMATCH, o->at[i].line, o->at[i].column, "%s",
				   what);
}

void language_rule(struct check *c)
{
	const struct set *s = c->set;
	uint64_t all = s->zh + s->en;
	bool zh_base = c->context.language && !strcmp(c->context.language, "zh");
	uint64_t other = zh_base ? s->en : s->zh;
	char message[160];

	if (s->records >= LANGUAGE_LEAST && s->crossed.n * 20 <= s->records)
		report_odd(c, &s->crossed, "the answer is in another language than the question");
	if (all >= LANGUAGE_LEAST && s->zh * 50 <= all)
		report_odd(c, &s->odd_zh, "the record is in Chinese, the set in English");
	else if (all >= LANGUAGE_LEAST && s->en * 50 <= all)
		report_odd(c, &s->odd_en, "the record is in English, the set in Chinese");
	if (!c->context.language || all == 0 || other * 10 < all * 9)
		return;
	snprintf(message, sizeof(message), "%llu of %llu records are in %s, the base speaks %s",
		 (unsigned long long)other, (unsigned long long)all,
		 zh_base ? "English" : "Chinese", zh_base ? "Chinese" : "English");
	check_whole(c, RULE_LANGUAGE_MISMATCH, message);
}
