/* SPDX-License-Identifier: Apache-2.0 */
/* The adapters of an engine that keeps them apart; engine_set_adapters and engine_active_adapters are here, too. */
#ifndef CHAT_ENGINE_ADAPTERS_H
#define CHAT_ENGINE_ADAPTERS_H

#include "chat/engine.h"

/* Opens them, none of them on; names as in engine_options. */
int engine_adapters_open(struct engine *e, const char *names, struct err *err);
void engine_adapters_close(struct engine *e);

#endif
