/* SPDX-License-Identifier: Apache-2.0 */
/* LoRA adapters as llama.cpp keeps them: one GGUF file. Reading only. */
#ifndef ADAPTER_LORA_GGUF_H
#define ADAPTER_LORA_GGUF_H

#include "adapter/adapter.h"

/* Fills a->tensors (under PEFT's names), r and alpha from the file a->path; the rows of q and k that
 * llama.cpp reorders are put back by lora_gguf_unpermute. */
int lora_gguf_read(struct adapter *a, struct err *err);
/* b (rows, r) of q or k: row (head, 2j + p) of the file becomes (head, p * E/2 + j). */
void lora_gguf_unpermute(float *b, int64_t rows, int64_t r, int n_heads);

#endif
