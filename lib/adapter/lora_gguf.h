/* SPDX-License-Identifier: Apache-2.0 */
/* LoRA adapters as llama.cpp keeps them: one GGUF file with tensors NAME.lora_a, NAME.lora_b. */
#ifndef ADAPTER_LORA_GGUF_H
#define ADAPTER_LORA_GGUF_H

#include "adapter/adapter.h"

/* Fills a->tensors (under PEFT's names), r and alpha from the file a->path, and says in a->permuted
 * whether the rows of q and k are in llama.cpp's order. */
int lora_gguf_read(struct adapter *a, struct err *err);

/* The adapters of a list as one, which adds the same to every weight: A of all one below the other, B
 * side by side. llama.cpp knows one alpha a file and scales by alpha over the rank of each tensor; what
 * that does not say (rsLoRA, alpha_pattern, other ranks) is multiplied into B. t: F32, F16 or BF16. */
int lora_gguf_write(const char *path, const struct adapter_list *l, struct dev *dev, enum dtype t,
		    struct err *err);

#endif
