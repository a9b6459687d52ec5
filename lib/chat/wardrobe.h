/* SPDX-License-Identifier: Apache-2.0 */
/* The adapters of an engine that keeps them apart; engine_wear and engine_wears are here, too. */
#ifndef CHAT_WARDROBE_H
#define CHAT_WARDROBE_H

#include "chat/engine.h"

/* Opens them, none of them on; names as in engine_options. */
int wardrobe_open(struct engine *e, const char *names, struct err *err);
void wardrobe_close(struct engine *e);

#endif
