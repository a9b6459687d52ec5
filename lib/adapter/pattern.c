/* SPDX-License-Identifier: Apache-2.0 */
#include "adapter/pattern.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Steps of the search: honest keys take some dozens, ambiguous repetitions billions. */
#define MATCH_LIMIT 100000
#define LENGTH_MAX  10000

#define DIGITS  "0123456789"
#define ESCAPES "AbBdDsSwWZafnrt" /* after a backslash; the same in both */

/* After "(?": what opens the same group in both. */
static int check_group(const char *s, struct err *err)
{
	static const char *const same[] = { ":", "=", "!", "<=", "<!", "P<", "i:" };

	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		if (!strncmp(s, same[i], strlen(same[i])))
			return 0;
	return err_set(err, "of the groups that begin with (? only (?: (?= (?! (?<= (?<! (?P< and "
			    "(?i: are taken");
}

/* After a brace: {,n} is none to older PCRE2, { n } is one to newer. */
static int check_repeat(const char *s, struct err *err)
{
	size_t n = strspn(s, DIGITS);

	if (n && s[n] == ',')
		n += 1 + strspn(s + n + 1, DIGITS);
	if (n && s[n] == '}')
		return 0;
	return err_set(err, "a brace that is not {n}, {n,} or {n,m}; write {0,n} for {,n}");
}

static bool is_alphanumeric(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Refuses what PCRE2 may take for another thing than Python does, and more rather than less: module
 * names are letters, digits, dots and underscores. */
static int check_same(const char *s, struct err *err)
{
	for (; *s; s++) {
		if (*s & 0x80)
			return err_set(err, "a character beyond ASCII; no module has one");
		if (*s == '\\' && s[1]) {
			s++;
			if (*s & 0x80 || (is_alphanumeric(*s) && !strchr(ESCAPES, *s)))
				return err_set(err, "of the escapes of letters and digits only "
						    "those of " ESCAPES " are taken");
		} else if (*s == '(' && s[1] == '*') {
			return err_set(err, "'(*' repeats nothing");
		} else if (*s == '(' && s[1] == '?') {
			if (check_group(s + 2, err) < 0)
				return -1;
		} else if (*s == '[' && s[1] == ':') {
			return err_set(err, "'[:' is not taken; put the colon elsewhere");
		} else if (*s == '{' && check_repeat(s + 1, err) < 0) {
			return -1;
		}
	}
	return 0;
}

int pattern_compile(struct pattern *p, const char *text, struct err *err)
{
	size_t n = strlen(text), at = 0;
	PCRE2_UCHAR why[256];
	int code = 0;

	*p = (struct pattern){ 0 };
	if (n > LENGTH_MAX)
		return err_set(err, "it is longer than %d bytes", LENGTH_MAX);
	if (check_same(text, err) < 0)
		return -1;
	p->code = pcre2_compile((PCRE2_SPTR)text, n, PCRE2_ANCHORED | PCRE2_DOLLAR_ENDONLY, &code,
				&at, NULL);
	if (p->code)
		p->match = pcre2_match_data_create_from_pattern(p->code, NULL);
	if (p->match)
		return 0;
	pattern_free(p);
	pcre2_get_error_message(code, why, sizeof(why));
	return code ? err_set(err, "%s", (char *)why) : err_set(err, "out of memory");
}

void pattern_free(struct pattern *p)
{
	pcre2_match_data_free(p->match);
	pcre2_code_free(p->code);
	*p = (struct pattern){ 0 };
}

int pattern_matches(const struct pattern *p, const char *s, struct err *err)
{
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	int rc = PCRE2_ERROR_NOMEMORY;

	if (limits) {
		pcre2_set_match_limit(limits, MATCH_LIMIT);
		rc = pcre2_match(p->code, (PCRE2_SPTR)s, strlen(s), 0, 0, p->match, limits);
		pcre2_match_context_free(limits);
	}
	if (rc >= 0)
		return 1;
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	return err_set(err, "it takes too long to match; write it without repeated repetitions");
}
