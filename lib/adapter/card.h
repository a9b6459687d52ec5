/* SPDX-License-Identifier: Apache-2.0 */
/*
 * README.md beside an adapter or a model: what it is, how it was made, how it is used, with the
 * front matter that model hubs read. Made of the provenance alone: the same run, the same bytes.
 */
#ifndef ADAPTER_CARD_H
#define ADAPTER_CARD_H

#include "adapter/provenance.h"

enum card_kind { CARD_ADAPTER, CARD_MODEL, CARD_GGUF, CARD_LORA_GGUF };

/* own: of what is described; the adapters that it names are described too, where they say anything. */
int card_write(const char *dir, enum card_kind kind, const struct provenance *own, struct err *err);

#endif
