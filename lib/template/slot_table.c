/* SPDX-License-Identifier: Apache-2.0 */
/* LLaMA-Factory's templates (src/llamafactory/data/template.py at 0.9.4), as data. */
#include "template/slot.h"

#include "base/nearest.h"

#include <stdio.h>
#include <string.h>

#define IM_SYSTEM    "<|im_start|>system\n{content}<|im_end|>\n"
#define IM_HEADER    "<|im_start|>assistant\n"
#define IM_USER      "<|im_start|>user\n{content}<|im_end|>\n" IM_HEADER
#define IM_ASSISTANT "{content}<|im_end|>\n"
#define IM_TOOL                                                                                    \
	"<|im_start|>user\n<tool_response>\n{content}\n</tool_response><|im_end|>\n" IM_HEADER
#define LLAMA3_HEADER "<|start_header_id|>assistant<|end_header_id|>\n\n"
#define IM_MARKERS    "<|im_start|>", "<|im_end|>"
#define QWEN_MARKERS                                                                               \
	IM_MARKERS, "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"

/* clang-format off */
static const struct template table[] = {
	{ .name = "qwen",
	  .system = IM_SYSTEM, .user = IM_USER, .header = IM_HEADER, .assistant = IM_ASSISTANT,
	  .observation = IM_TOOL,
	  .default_system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
	  .stop_words = { "<|im_end|>" }, .markers = { QWEN_MARKERS },
	  .replace_eos = true, .tools = TOOLS_QWEN },
	{ .name = "qwen3",
	  .system = IM_SYSTEM, .user = IM_USER, .header = IM_HEADER, .assistant = IM_ASSISTANT,
	  .observation = IM_TOOL,
	  .stop_words = { "<|im_end|>" }, .markers = { QWEN_MARKERS, THINK_OPEN, THINK_CLOSE },
	  .replace_eos = true, .tools = TOOLS_QWEN, .thinks = true },
	{ .name = "qwen3_nothink",
	  .system = IM_SYSTEM, .user = IM_USER, .header = IM_HEADER, .assistant = IM_ASSISTANT,
	  .observation = IM_TOOL,
	  .stop_words = { "<|im_end|>" }, .markers = { QWEN_MARKERS },
	  .replace_eos = true, .tools = TOOLS_QWEN },
	{ .name = "chatml",
	  .system = IM_SYSTEM, .user = IM_USER, .header = IM_HEADER, .assistant = IM_ASSISTANT,
	  .observation = "<|im_start|>tool\n{content}<|im_end|>\n" IM_HEADER,
	  .stop_words = { "<|im_end|>", "<|im_start|>" }, .markers = { IM_MARKERS },
	  .replace_eos = true },
	{ .name = "smollm",
	  .system = IM_SYSTEM, .user = IM_USER, .header = IM_HEADER, .assistant = IM_ASSISTANT,
	  .stop_words = { "<|im_end|>" }, .markers = { IM_MARKERS } },
	{ .name = "smollm2",
	  .system = IM_SYSTEM, .user = IM_USER, .header = IM_HEADER, .assistant = IM_ASSISTANT,
	  .default_system =
		"You are a helpful AI assistant named SmolLM, trained by Hugging Face.",
	  .stop_words = { "<|im_end|>" }, .markers = { IM_MARKERS } },
	{ .name = "yi",
	  .system = IM_SYSTEM, .user = IM_USER, .header = IM_HEADER, .assistant = IM_ASSISTANT,
	  .stop_words = { "<|im_end|>" }, .markers = { IM_MARKERS } },
	{ .name = "llama3",
	  .prefix = "{bos}",
	  .system = "<|start_header_id|>system<|end_header_id|>\n\n{content}<|eot_id|>",
	  .user = "<|start_header_id|>user<|end_header_id|>\n\n{content}<|eot_id|>"
		  LLAMA3_HEADER,
	  .header = LLAMA3_HEADER, .assistant = "{content}<|eot_id|>",
	  .observation = "<|start_header_id|>ipython<|end_header_id|>\n\n{content}<|eot_id|>"
			 LLAMA3_HEADER,
	  .stop_words = { "<|eot_id|>", "<|eom_id|>" },
	  .markers = { "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>" },
	  .replace_eos = true, .tools = TOOLS_LLAMA3 },
	{ .name = "llama2",
	  .system = "<<SYS>>\n{content}\n<</SYS>>\n\n",
	  .user = "{bos}[INST] {content} [/INST]", .assistant = "{content}{eos}",
	  .fused_system = true },
	{ .name = "mistral",
	  .prefix = "{bos}",
	  .system = "{content}\n\n",
	  .user = "[INST] {content}[/INST]", .assistant = " {content}{eos}",
	  .observation = "[TOOL_RESULTS] {\"content\": {content}}[/TOOL_RESULTS]",
	  .markers = { "[INST]", "[/INST]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]" },
	  .fused_system = true },
	{ .name = "default",
	  .system = "System: {content}{eos}\n",
	  .user = "Human: {content}{eos}\nAssistant:", .header = "Assistant:",
	  .assistant = "{content}{eos}\n" },
	{ .name = "alpaca",
	  .system = "{content}",
	  .user = "### Instruction:\n{content}\n\n### Response:\n", .header = "### Response:\n",
	  .assistant = "{content}{eos}\n\n",
	  .default_system = "Below is an instruction that describes a task. "
			    "Write a response that appropriately completes the request.\n\n" },
	{ .name = "vicuna",
	  .system = "{content}", .user = "USER: {content} ASSISTANT:", .header = "ASSISTANT:",
	  .assistant = "{content}{eos}",
	  .default_system = "A chat between a curious user and an artificial intelligence "
			    "assistant. The assistant gives helpful, detailed, and polite "
			    "answers to the user's questions." },
	{ .name = "zephyr",
	  .system = "<|system|>\n{content}{eos}",
	  .user = "<|user|>\n{content}{eos}<|assistant|>\n", .header = "<|assistant|>\n",
	  .assistant = "{content}{eos}",
	  .default_system = "You are Zephyr, a helpful assistant.",
	  .markers = { "<|system|>", "<|user|>", "<|assistant|>" } },
	{ .name = "gemma",
	  .prefix = "{bos}",
	  .system = "{content}\n\n",
	  .user = "<start_of_turn>user\n{content}<end_of_turn>\n<start_of_turn>model\n",
	  .header = "<start_of_turn>model\n",
	  .assistant = "{content}<end_of_turn>\n",
	  .observation =
		"<start_of_turn>tool\n{content}<end_of_turn>\n<start_of_turn>model\n",
	  .stop_words = { "<end_of_turn>" },
	  .markers = { "<start_of_turn>", "<end_of_turn>" },
	  .replace_eos = true, .fused_system = true },
	{ .name = "phi",
	  .system = "<|system|>\n{content}<|end|>\n",
	  .user = "<|user|>\n{content}<|end|>\n<|assistant|>\n", .header = "<|assistant|>\n",
	  .assistant = "{content}<|end|>\n",
	  .stop_words = { "<|end|>" },
	  .markers = { "<|system|>", "<|user|>", "<|assistant|>", "<|end|>" },
	  .replace_eos = true },
	{ .name = "deepseek3",
	  .prefix = "{bos}",
	  .system = "{content}", .user = "<｜User｜>{content}<｜Assistant｜>", .header = "<｜Assistant｜>",
	  .assistant = "{content}{eos}", .markers = { "<｜User｜>", "<｜Assistant｜>" } },
	{ .name = "empty",
	  .system = "{content}", .user = "{content}", .assistant = "{content}" },
};
/* clang-format on */

enum { N_TEMPLATES = sizeof(table) / sizeof(*table), NAME_MAX_LEN = 32 };

const struct template *template_find(const char *name, struct err *err)
{
	const struct template *nearest = NULL;
	size_t best = 4;

	for (size_t i = 0; i < N_TEMPLATES; i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	for (size_t i = 0; i < N_TEMPLATES; i++)
		if (name_distance(name, table[i].name) < best) {
			best = name_distance(name, table[i].name);
			nearest = &table[i];
		}
	if (nearest)
		err_set(err, "unknown template '%s'; did you mean '%s'?", name, nearest->name);
	else
		err_set(err, "unknown template '%.64s'; there are %s", name, template_names());
	return NULL;
}

const char *template_guess(const struct token *tok)
{
	const char *text = token_chat_template(tok);

	if (!text)
		return NULL;
	if (strstr(text, "<|start_header_id|>"))
		return "llama3";
	if (!strstr(text, "<|im_start|>"))
		return NULL;
	if (strstr(text, "enable_thinking"))
		return "qwen3";
	return strstr(text, "SmolLM") ? "smollm2" : strstr(text, "Qwen") ? "qwen" : "chatml";
}

enum thinking thinking_of(const char *name)
{
	if (!name || !strcmp(name, "true"))
		return THINKING_TRUE;
	return strcmp(name, "false") ? THINKING_NULL : THINKING_FALSE;
}

enum truncation truncation_of(const char *name)
{
	return !strcmp(name, "drop")    ? TRUNCATION_DROP
	       : !strcmp(name, "error") ? TRUNCATION_ERROR
					: TRUNCATION_CUT;
}

const char *template_names(void)
{
	static char names[N_TEMPLATES * NAME_MAX_LEN];
	int n = 0;

	for (size_t i = 0; i < N_TEMPLATES; i++)
		n += snprintf(names + n, sizeof(names) - (size_t)n, "%s%s", i ? ", " : "",
			      table[i].name);
	return names;
}

void template_stops(const struct template *t, const struct token *tok, struct ids *stops)
{
	for (const char *const *w = t->stop_words; *w; w++)
		if (token_id(tok, *w) >= 0)
			ids_push(stops, (uint32_t)token_id(tok, *w));
	if (slot_eos(tok) < 0)
		return;
	for (size_t i = 0; i < stops->n; i++)
		if (stops->v[i] == slot_eos(tok))
			return;
	ids_push(stops, (uint32_t)slot_eos(tok));
}
