/* SPDX-License-Identifier: Apache-2.0 */
#include "template/tools.h"

#include "template/pyjson.h"
#include "template/thought.h"

#include <jansson.h>
#include <string.h>

/* What models were trained on, word for word. */
static const char qwen_head[] =
	"\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
	"You are provided with function signatures within <tools></tools> XML tags:\n<tools>";
static const char qwen_tail[] =
	"\n</tools>\n\nFor each function call, return a json object with function name and "
	"arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n"
	"{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>";
/* LLaMA-Factory writes today's date; this is the one in Llama's own template: no clock in a shard. */
static const char llama3_head[] =
	"Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
	"You have access to the following functions. To call a function, please respond with JSON "
	"for a function call. Respond in the format {\"name\": function name, \"parameters\": "
	"dictionary of argument name and its value}. Do not use variables.\n\n";
static const char glue[] = "\n</tool_response>\n<tool_response>\n";

static int no_form(const struct template *t, const char *what, struct err *err)
{
	return err_set(err,
		       "template '%s' has no form for %s; qwen, qwen3, qwen3_nothink and llama3 "
		       "have",
		       t->name, what);
}

static int add_tool(const struct template *t, json_t *tool, struct buf *text, struct err *err)
{
	const char *type = json_string_value(json_object_get(tool, "type"));
	json_t *wrapped;

	if (!json_is_object(tool))
		return err_set(err, "a tool is described by a JSON object");
	wrapped = type && !strcmp(type, "function")
			  ? json_incref(tool)
			  : json_pack("{s:s, s:O}", "type", "function", "function", tool);
	if (t->tools == TOOLS_QWEN) {
		buf_char(text, '\n');
		pyjson_dump(wrapped, text);
	} else {
		pyjson_dump_indented(wrapped, 4, text);
		buf_str(text, "\n\n");
	}
	json_decref(wrapped);
	return 0;
}

int tools_describe(const struct template *t, const char *system, const struct message *tools,
		   struct buf *slot, struct buf *text, struct err *err)
{
	const char *after = strstr(system, "{content}") + strlen("{content}");
	json_error_t why;
	json_t *list;
	int rc = 0;

	if (t->tools == TOOLS_NONE)
		return no_form(t, "descriptions of tools", err);
	list = json_loadb(tools->text, tools->n, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_array(list))
		rc = err_set(err, "tools must be a JSON array of functions%s%s", list ? "" : ": ",
			     list ? "" : why.text);
	for (size_t i = 0; rc == 0 && i < json_array_size(list); i++)
		rc = add_tool(t, json_array_get(list, i), text, err);
	json_decref(list);
	buf_add(slot, system, (size_t)(after - system));
	if (text->n)
		buf_printf(slot, "%s{tools}%s", t->tools == TOOLS_QWEN ? qwen_head : llama3_head,
			   t->tools == TOOLS_QWEN ? qwen_tail : "");
	buf_str(slot, after);
	return rc;
}

const char *tools_glue(const struct template *t)
{
	return t->tools == TOOLS_QWEN ? glue : NULL;
}

/* One call as JSON. */
static int add_call(const struct template *t, const json_t *call, struct buf *text, struct err *err)
{
	const json_t *name = json_object_get(call, "name");
	const json_t *arguments = json_object_get(call, "arguments");

	if (!json_is_string(name) || !arguments)
		return err_set(err, "a function call needs \"name\" and \"arguments\"");
	buf_str(text, "{\"name\": ");
	pyjson_dump(name, text);
	buf_printf(text, ", \"%s\": ", t->tools == TOOLS_QWEN ? "arguments" : "parameters");
	pyjson_dump(arguments, text);
	buf_char(text, '}');
	return 0;
}

/* <tool_call>s below each other; what stands around the first and the last goes with them. */
static int qwen_calls(const struct template *t, const struct token *tok, const json_t *calls,
		      struct slot_fill *fill, struct ids *ids, struct slot_text *where,
		      struct err *err)
{
	const char *end = strstr(t->assistant, "{content}") + strlen("{content}");
	size_t n = json_array_size(calls);
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		struct buf slot = { 0 }, text = { 0 };

		rc = add_call(t, json_array_get(calls, i), &text, err);
		buf_printf(&slot, "<tool_call>\n{content}\n</tool_call>%s", i + 1 < n ? "\n" : end);
		fill->text = text.p;
		fill->n = text.n;
		if (rc == 0)
			rc = slot_encode(t, tok, slot.p, fill, ids, where, err);
		buf_free(&slot);
		buf_free(&text);
	}
	return rc;
}

/* One object, or an array of several. */
static int llama3_calls(const struct template *t, const struct token *tok, const json_t *calls,
			struct slot_fill *fill, struct ids *ids, struct slot_text *where,
			struct err *err)
{
	size_t n = json_array_size(calls);
	struct buf text = { 0 };
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		buf_str(&text, i ? ", " : n > 1 ? "[" : "");
		rc = add_call(t, json_array_get(calls, i), &text, err);
	}
	buf_str(&text, n > 1 ? "]" : "");
	fill->text = text.p;
	fill->n = text.n;
	if (rc == 0)
		rc = slot_encode(t, tok, t->assistant, fill, ids, where, err);
	buf_free(&text);
	return rc;
}

static int calls_of(const struct message *m, json_t **calls, struct err *err)
{
	json_error_t why;
	json_t *v = json_loadb(m->text, m->n, JSON_REJECT_DUPLICATES, &why);

	*calls = NULL;
	if (!v)
		return err_set(err, "a function message must be JSON: %s", why.text);
	*calls = json_is_array(v) ? v : json_pack("[o]", v);
	if (json_array_size(*calls))
		return 0;
	return err_set(err, "a function message without calls");
}

int tools_call(const struct template *t, const struct token *tok, const struct message *m,
	       struct ids *ids, struct slot_text *where, struct err *err)
{
	size_t thought = t->thinks ? thought_length(m->text, m->n) : 0;
	struct message rest = { m->role, m->text + thought, m->n - thought };
	struct slot_fill fill = { 0 };
	json_t *calls = NULL;
	int rc;

	if (t->tools == TOOLS_NONE)
		return no_form(t, "function calls", err);
	/* The thought keeps the empty line behind it. */
	while (thought && rest.n && *rest.text == '\n') {
		rest.text++;
		rest.n--;
	}
	rc = calls_of(&rest, &calls, err);
	if (rc == 0 && thought) {
		fill = (struct slot_fill){ .text = m->text,
					   .n = (size_t)(rest.text - m->text),
					   .n_thought = thought };
		rc = slot_encode(t, tok, "{content}", &fill, ids, NULL, err);
		fill = (struct slot_fill){ 0 };
	}
	if (rc == 0)
		rc = t->tools == TOOLS_QWEN ? qwen_calls(t, tok, calls, &fill, ids, where, err)
					    : llama3_calls(t, tok, calls, &fill, ids, where, err);
	json_decref(calls);
	return rc;
}
