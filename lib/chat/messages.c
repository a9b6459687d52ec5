/* SPDX-License-Identifier: Apache-2.0 */
#include "chat/messages.h"

#include "base/mem.h"

#include <jansson.h>
#include <string.h>

static const struct {
	const char *name;
	enum role role;
} roles[] = { { "system", ROLE_SYSTEM },
	      { "user", ROLE_USER },
	      { "assistant", ROLE_ASSISTANT },
	      { "tool", ROLE_OBSERVATION } };

const char *role_name(enum role role)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (roles[i].role == role)
			return roles[i].name;
	return "";
}

int message_read(struct message *m, const json_t *json, size_t i, const struct element *e,
		 size_t *at, struct err *err)
{
	const char *role = json_string_value(json_object_get(json, "role")), *key;
	const json_t *content = json_object_get(json, "content");
	json_t *value;

	*at = element_find(e, "messages", (long)i, NULL, NULL);
	if (!role || !json_is_string(content))
		return err_set(err, "message %zu must have a \"role\" and a \"content\", both text",
			       i + 1);
	json_object_foreach((json_t *)json, key, value)
	{
		if (!strcmp(key, "role") || !strcmp(key, "content"))
			continue;
		element_find(e, "messages", (long)i, key, at);
		return err_set(err,
			       "message %zu has a key \"%.40s\"; only \"role\" and \"content\" are "
			       "understood",
			       i + 1, key);
	}
	for (size_t k = 0; k < sizeof(roles) / sizeof(*roles); k++)
		if (!strcmp(roles[k].name, role)) {
			*m = (struct message){ roles[k].role, json_string_value(content),
					       json_string_length(content) };
			return 0;
		}
	*at = element_find(e, "messages", (long)i, "role", NULL);
	return err_set(err,
		       "message %zu has the role '%.40s'; there are system, user, assistant, tool",
		       i + 1, role);
}

/* The message after `from` with which the next turn begins; n: there is none. */
static size_t next_turn(const struct message *m, size_t n, size_t from)
{
	do
		from++;
	while (from < n && m[from].role != ROLE_USER);
	return from < n ? from : n;
}

static int too_long(const struct engine *e, size_t n, long reserve, struct err *err)
{
	return err_set(err,
		       "the message has %zu tokens with template and system prompt, the model has "
		       "room for %ld: %ld positions less %ld for the answer; shorten it",
		       n, e->n_positions - reserve, e->n_positions, reserve);
}

static size_t count_turns(const struct message *m, size_t from, size_t to)
{
	size_t n = 0;

	for (; from < to; from++)
		n += m[from].role == ROLE_USER;
	return n;
}

int fit_messages(struct fit *f, const struct engine *e, const struct encode_settings *settings,
		 const struct message *m, size_t n, long max_new_tokens, struct err *err)
{
	size_t head = n && m[0].role == ROLE_SYSTEM, before = f->ids.n, at;
	long reserve = max_new_tokens < e->n_positions / 2 ? max_new_tokens : e->n_positions / 2;
	struct message *tried = mem_new(n + 1, sizeof(*tried));
	int rc = 0;

	for (at = f->first > head ? f->first : head;; at = next_turn(m, n, at)) {
		size_t left = n - at;

		if (head)
			tried[0] = m[0];
		if (left)
			memcpy(tried + head, m + at, left * sizeof(*m));
		f->ids.n = before;
		rc = encode_chat(settings, e->tok, tried, head + left, &f->ids, err);
		if (rc < 0 || (long)(f->ids.n - before) <= e->n_positions - reserve)
			break;
		if (next_turn(m, n, at) == n) {
			rc = too_long(e, f->ids.n - before, reserve, err);
			break;
		}
	}
	f->first = at;
	f->turns = count_turns(m, head, at);
	mem_free(tried);
	return rc;
}
