/* SPDX-License-Identifier: Apache-2.0 */
#include "token/encoder.h"

#include <stdatomic.h>

#define N_IDLE     64
#define IDLE_BYTES ((size_t)1 << 22) /* an encoder that a long text made larger is not kept */

/* One place a thread, each on its own line of the processor's cache, so that threads find their own
 * encoder again; more threads than places share them. */
struct idle {
	_Atomic(struct encoder *) e;
	char line[64 - sizeof(struct encoder *)];
};

struct idle *encoder_idle_new(void)
{
	return mem_new(N_IDLE, sizeof(struct idle));
}

static void encoder_free(struct encoder *e)
{
	if (!e)
		return;
	bpe_free(&e->bpe);
	buf_free(&e->nfc);
	buf_free(&e->spaced);
	buf_free(&e->prefixed);
	mem_free(e);
}

void encoder_idle_free(struct idle *v)
{
	for (size_t i = 0; i < N_IDLE; i++)
		encoder_free(atomic_load(&v[i].e));
	mem_free(v);
}

static struct idle *place_of_thread(const struct token *t)
{
	static atomic_uint n_threads;
	static _Thread_local unsigned me; /* counts from 1 */

	if (!me)
		me = atomic_fetch_add(&n_threads, 1) % N_IDLE + 1;
	return &t->idle[me - 1];
}

struct encoder *encoder_take(const struct token *t)
{
	struct encoder *e = atomic_exchange(&place_of_thread(t)->e, NULL);

	if (!e) {
		e = mem_new(1, sizeof(*e));
		e->t = t;
		bpe_init(&e->bpe, t);
	}
	return e;
}

void encoder_give_back(struct encoder *e)
{
	if (bpe_size(&e->bpe) + e->nfc.cap + e->spaced.cap + e->prefixed.cap > IDLE_BYTES)
		encoder_free(e);
	else
		encoder_free(atomic_exchange(&place_of_thread(e->t)->e, e));
}
