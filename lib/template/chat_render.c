/* SPDX-License-Identifier: Apache-2.0 */
#include "template/chat_render.h"

#include "template/pyjson.h"

#include <jansson.h>
#include <string.h>

struct chat {
	json_t *messages, *tools; /* borrowed; tools NULL when there are none */
	size_t n;
	bool prompt; /* add_generation_prompt */
	bool no_thinking; /* enable_thinking is given and false */
	struct buf *out;
};

static const char *role_of(const struct chat *c, size_t i)
{
	return json_string_value(json_object_get(json_array_get(c->messages, i), "role"));
}

static bool is_role(const struct chat *c, size_t i, const char *role)
{
	return i < c->n && !strcmp(role_of(c, i), role);
}

/* Checked by check_messages: "" stands for null beside tool calls. */
static const char *content_of(const struct chat *c, size_t i)
{
	const char *s =
		json_string_value(json_object_get(json_array_get(c->messages, i), "content"));

	return s ? s : "";
}

static const json_t *calls_of(const struct chat *c, size_t i)
{
	const json_t *calls = json_object_get(json_array_get(c->messages, i), "tool_calls");

	return json_array_size(calls) ? calls : NULL;
}

static void say(const struct chat *c, const char *role, const char *content)
{
	buf_printf(c->out, "<|im_start|>%s\n", role);
	buf_str(c->out, content);
	buf_str(c->out, "<|im_end|>\n");
}

/* The system block of both Qwens when there are tools. */
static void say_tools(const struct chat *c)
{
	buf_str(c->out, "# Tools\n\nYou may call one or more functions to assist with the user "
			"query.\n\nYou are provided with function signatures within "
			"<tools></tools> XML tags:\n<tools>");
	for (size_t i = 0; i < json_array_size(c->tools); i++) {
		buf_char(c->out, '\n');
		pyjson_dump(json_array_get(c->tools, i), c->out);
	}
	buf_str(c->out,
		"\n</tools>\n\nFor each function call, return a json object with function name "
		"and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": "
		"<function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n");
}

static void say_call(const struct chat *c, const json_t *call, bool raw_strings)
{
	const json_t *function = json_object_get(call, "function");
	const json_t *arguments;

	if (function)
		call = function;
	arguments = json_object_get(call, "arguments");
	buf_str(c->out, "<tool_call>\n{\"name\": \"");
	buf_str(c->out, json_string_value(json_object_get(call, "name")));
	buf_str(c->out, "\", \"arguments\": ");
	if (raw_strings && json_is_string(arguments))
		buf_add(c->out, json_string_value(arguments), json_string_length(arguments));
	else
		pyjson_dump(arguments, c->out);
	buf_str(c->out, "}\n</tool_call>");
}

/* Neighbouring tool answers make one user turn. */
static void say_tool_answer(const struct chat *c, size_t i)
{
	if (i == 0 || !is_role(c, i - 1, "tool"))
		buf_str(c->out, "<|im_start|>user");
	buf_str(c->out, "\n<tool_response>\n");
	buf_str(c->out, content_of(c, i));
	buf_str(c->out, "\n</tool_response>");
	if (!is_role(c, i + 1, "tool"))
		buf_str(c->out, "<|im_end|>\n");
}

static void render_qwen2_5(const struct chat *c)
{
	bool own = is_role(c, 0, "system");
	const char *system = own ? content_of(c, 0)
				 : "You are Qwen, created by Alibaba Cloud. You are a helpful "
				   "assistant.";

	if (c->tools) {
		buf_printf(c->out, "<|im_start|>system\n%s\n\n", system);
		say_tools(c);
	} else {
		say(c, "system", system);
	}
	for (size_t i = own ? 1 : 0; i < c->n; i++) {
		const json_t *calls = calls_of(c, i);

		if (is_role(c, i, "tool")) {
			say_tool_answer(c, i);
		} else if (is_role(c, i, "assistant") && calls) {
			buf_str(c->out, "<|im_start|>assistant");
			if (*content_of(c, i)) {
				buf_char(c->out, '\n');
				buf_str(c->out, content_of(c, i));
			}
			for (size_t k = 0; k < json_array_size(calls); k++) {
				buf_char(c->out, '\n');
				say_call(c, json_array_get(calls, k), false);
			}
			buf_str(c->out, "<|im_end|>\n");
		} else {
			say(c, role_of(c, i), content_of(c, i));
		}
	}
	if (c->prompt)
		buf_str(c->out, "<|im_start|>assistant\n");
}

/* The user's last question, not counting tool answers that came as user messages. */
static size_t last_query(const struct chat *c)
{
	static const char open[] = "<tool_response>", shut[] = "</tool_response>";

	for (size_t i = c->n; i-- > 0;) {
		const char *s = content_of(c, i);
		size_t n = strlen(s);

		if (is_role(c, i, "user") &&
		    !(!strncmp(s, open, strlen(open)) && n >= strlen(shut) &&
		      !strcmp(s + n - strlen(shut), shut)))
			return i;
	}
	return c->n - 1;
}

struct text {
	const char *p;
	size_t n;
};

static struct text strip(struct text s, bool left, bool right)
{
	while (left && s.n && *s.p == '\n') {
		s.p++;
		s.n--;
	}
	while (right && s.n && s.p[s.n - 1] == '\n')
		s.n--;
	return s;
}

/* Where the last `what` of s ends, or its start when there is none. */
static const char *after_last(struct text s, const char *what)
{
	const char *at = s.p, *hit;

	while ((hit = memmem(at, (size_t)(s.p + s.n - at), what, strlen(what))))
		at = hit + strlen(what);
	return at;
}

/* An assistant message's thoughts and what it says after them. */
static void split_thoughts(const struct chat *c, size_t i, struct text *thoughts,
			   struct text *content)
{
	const json_t *given = json_object_get(json_array_get(c->messages, i), "reasoning_content");
	const char *end;

	*content = (struct text){ content_of(c, i), strlen(content_of(c, i)) };
	*thoughts = (struct text){ "", 0 };
	if (json_is_string(given)) {
		*thoughts = (struct text){ json_string_value(given), json_string_length(given) };
		return;
	}
	end = strstr(content->p, "</think>");
	if (!end)
		return;
	*thoughts = strip((struct text){ content->p, (size_t)(end - content->p) }, false, true);
	end = after_last(*thoughts, "<think>");
	*thoughts =
		strip((struct text){ end, (size_t)(thoughts->p + thoughts->n - end) }, true, false);
	end = after_last(*content, "</think>");
	*content =
		strip((struct text){ end, (size_t)(content->p + content->n - end) }, true, false);
}

static void say_qwen3_answer(const struct chat *c, size_t i, size_t query)
{
	const json_t *calls = calls_of(c, i);
	struct text thoughts, content;

	split_thoughts(c, i, &thoughts, &content);
	buf_str(c->out, "<|im_start|>assistant\n");
	if (i > query && (i + 1 == c->n || thoughts.n)) {
		struct text t = strip(thoughts, true, true), said = strip(content, true, false);

		buf_str(c->out, "<think>\n");
		buf_add(c->out, t.p, t.n);
		buf_str(c->out, "\n</think>\n\n");
		buf_add(c->out, said.p, said.n);
	} else {
		buf_add(c->out, content.p, content.n);
	}
	for (size_t k = 0; k < json_array_size(calls); k++) {
		if (k || content.n)
			buf_char(c->out, '\n');
		say_call(c, json_array_get(calls, k), true);
	}
	buf_str(c->out, "<|im_end|>\n");
}

static void render_qwen3(const struct chat *c)
{
	bool own = is_role(c, 0, "system");
	size_t query = last_query(c);

	if (c->tools) {
		buf_str(c->out, "<|im_start|>system\n");
		if (own)
			buf_printf(c->out, "%s\n\n", content_of(c, 0));
		say_tools(c);
	} else if (own) {
		say(c, "system", content_of(c, 0));
	}
	for (size_t i = own ? 1 : 0; i < c->n; i++) {
		if (is_role(c, i, "tool"))
			say_tool_answer(c, i);
		else if (is_role(c, i, "assistant"))
			say_qwen3_answer(c, i, query);
		else
			say(c, role_of(c, i), content_of(c, i));
	}
	if (c->prompt)
		buf_printf(c->out, "<|im_start|>assistant\n%s",
			   c->no_thinking ? "<think>\n\n</think>\n\n" : "");
}

static void render_smollm2(const struct chat *c)
{
	if (!is_role(c, 0, "system"))
		say(c, "system",
		    "You are a helpful AI assistant named SmolLM, trained by Hugging Face");
	for (size_t i = 0; i < c->n; i++)
		say(c, role_of(c, i), content_of(c, i));
	if (c->prompt)
		buf_str(c->out, "<|im_start|>assistant\n");
}

static const struct family {
	const char *name;
	void (*render)(const struct chat *c);
} families[] = {
	{ "qwen2_5", render_qwen2_5 },
	{ "qwen3", render_qwen3 },
	{ "smollm2", render_smollm2 },
};

const char *chat_families(void)
{
	return "qwen2_5, qwen3, smollm2";
}

static int check_call(const json_t *call, size_t i, struct err *err)
{
	const json_t *function = json_object_get(call, "function");

	if (function)
		call = function;
	if (!json_is_string(json_object_get(call, "name")) || !json_object_get(call, "arguments"))
		return err_set(err, "message %zu: a tool call needs \"name\" and \"arguments\"",
			       i + 1);
	return 0;
}

static int check_messages(const struct chat *c, struct err *err)
{
	if (!json_is_array(c->messages) || !c->n)
		return err_set(err, "\"messages\" must be an array and not empty");
	for (size_t i = 0; i < c->n; i++) {
		const json_t *m = json_array_get(c->messages, i);
		const json_t *content = json_object_get(m, "content");
		const json_t *calls = calls_of(c, i);
		const char *role = json_string_value(json_object_get(m, "role"));

		if (!role || (strcmp(role, "system") && strcmp(role, "user") &&
			      strcmp(role, "assistant") && strcmp(role, "tool")))
			return err_set(err,
				       "message %zu: \"role\" must be system, user, assistant "
				       "or tool",
				       i + 1);
		if (!json_is_string(content) && !(calls && (!content || json_is_null(content))))
			return err_set(err, "message %zu: \"content\" must be a string", i + 1);
		for (size_t k = 0; k < json_array_size(calls); k++)
			if (check_call(json_array_get(calls, k), i, err) < 0)
				return -1;
	}
	return 0;
}

static int render(const struct family *f, json_t *o, struct buf *out, struct err *err)
{
	json_t *tools = json_object_get(o, "tools");
	struct chat c = { .messages = json_object_get(o, "messages"),
			  .prompt = json_is_true(json_object_get(o, "add_generation_prompt")),
			  .no_thinking = json_is_false(json_object_get(o, "enable_thinking")),
			  .out = out };

	if (tools && !json_is_null(tools) && !json_is_array(tools))
		return err_set(err, "\"tools\" must be an array");
	c.tools = json_array_size(tools) ? tools : NULL;
	c.n = json_array_size(c.messages);
	if (check_messages(&c, err) < 0)
		return -1;
	f->render(&c);
	return 0;
}

int chat_render(const char *family, const char *json, size_t n, struct buf *out, struct err *err)
{
	const struct family *f = NULL;
	json_error_t why;
	json_t *o;
	int rc;

	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		if (!strcmp(families[i].name, family))
			f = &families[i];
	if (!f)
		return err_set(err, "unknown chat family '%s'; there are %s", family,
			       chat_families());
	o = json_loadb(json, n, JSON_REJECT_DUPLICATES, &why);
	if (!o)
		return err_set(err, "column %d: %s", why.column, why.text);
	rc = json_is_object(o) ? render(f, o, out, err) : err_set(err, "no JSON object");
	json_decref(o);
	return rc;
}
