/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chat templates that models ship with (Jinja there), as fixed renderers: nothing from a model's
 * folder is executed. Families: qwen2_5, qwen3, smollm2.
 */
#ifndef TEMPLATE_CHAT_RENDER_H
#define TEMPLATE_CHAT_RENDER_H

#include "base/err.h"
#include "base/mem.h"

/*
 * json[0..n) is an object: "messages" (role, content, tool_calls, reasoning_content), "tools"
 * (array), "add_generation_prompt" and "enable_thinking" (booleans). Other keys are ignored. The text
 * is appended to *out, exactly as the family's Jinja template renders it.
 */
int chat_render(const char *family, const char *json, size_t n, struct buf *out, struct err *err);
/* "qwen2_5, qwen3, smollm2" */
const char *chat_families(void);

#endif
