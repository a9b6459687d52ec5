/* SPDX-License-Identifier: Apache-2.0 */
#include "adapter/pattern.h"

#include <stdint.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* Steps of the search: honest keys take some dozens, ambiguous repetitions billions. */
#define MATCH_LIMIT 100000
#define LENGTH_MAX  10000

int pattern_compile(struct pattern *p, const char *text, struct err *err)
{
	size_t n = strlen(text), at = 0;
	PCRE2_UCHAR why[256];
	int code = 0;

	*p = (struct pattern){ 0 };
	if (strstr(text, "{,") || strstr(text, "(?)")) /* they mean another thing to PCRE2 */
		return err_set(err, "write {0,n} for {,n}, and no (?)");
	if (n > LENGTH_MAX)
		return err_set(err, "it is longer than %d bytes", LENGTH_MAX);
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
