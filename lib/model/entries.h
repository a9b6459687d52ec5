/* SPDX-License-Identifier: Apache-2.0 */
/* The tensors that a model of some shape is made of. */
#ifndef MODEL_ENTRIES_H
#define MODEL_ENTRIES_H

#include "base/mem.h"
#include "format/safetensors.h"
#include "model/arch.h"

/* Every tensor of a model under Hugging Face's names, in the order it is written; vectors have one
 * dimension. All of type t. */
struct entries {
	struct tensor_entry *v;
	size_t n;
	struct arena arena;
};

void entries_list(struct entries *e, const struct arch *a, enum dtype t);
void entries_free(struct entries *e);

#endif
