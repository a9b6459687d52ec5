/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model that answers: weights, adapter, tokenizer and template together, and answers for many
 * prompts at a time. Template and system prompt come from the adapter's (or the merged model's)
 * provenance, so that training and talking cannot disagree; options override them.
 */
#ifndef CHAT_ENGINE_H
#define CHAT_ENGINE_H

#include "adapter/adapter.h"
#include "adapter/provenance.h"
#include "chat/sample.h"
#include "model/pass.h"
#include "template/template.h"
#include "token/token.h"

struct engine_options {
	const char *model; /* folder or GGUF */
	const char *adapters; /* comma-separated, all but the last merged; NULL: none */
	bool apart; /* none is merged: engine_set_adapters can change them */
	const char *tokenizer; /* NULL: the model's own */
	const char *template; /* NULL: provenance, else a guess from the chat template's text */
	const char *system; /* NULL: provenance, else the template's own; "": none */
	const char *thinking; /* "true", "false", "null"; NULL: provenance, else "true" */
	const char *device; /* "auto" */
	long threads; /* 0: all */
	const char *dtype; /* "auto", "float32", "bfloat16" */
	long context; /* positions; 0: the model's, at most 8192 */
};

/* An adapter beside the weights. */
struct loaded_adapter {
	struct adapter adapter;
	int on; /* how many times it is applied; 0: off */
};

struct engine {
	struct dev *dev;
	struct source source;
	struct model model;
	struct adapter_list merged;
	struct loaded_adapter
		*loaded; /* the adapters of an engine with `apart`, in the order they came */
	size_t n_loaded;
	struct lora lora;
	bool has_lora;
	struct token *tok;
	long n_positions; /* that a conversation may take */
	struct encode_settings settings; /* template and system prompt */
	struct ids stops; /* ids that end an answer */
	struct provenance provenance; /* owns the system prompt when it came from there */
};

/* All but the weights: what encodes a conversation. need_template false: for --logprobs, where ids come
 * ready made. */
int engine_prepare(struct engine *e, const struct engine_options *o, bool need_template,
		   struct err *err);
/* The weights and adapters; with the same options. engine_close after an error of either. */
int engine_load(struct engine *e, const struct engine_options *o, struct err *err);
/* Both; closed after an error. */
int engine_open(struct engine *e, const struct engine_options *o, bool need_template,
		struct err *err);
void engine_close(struct engine *e); /* fine on {0} */
bool engine_is_stop(const struct engine *e, uint32_t id);
/* The adapter in use: NULL when off or absent. */
static inline const struct lora *engine_lora(const struct engine *e, bool off)
{
	return e->has_lora && !off ? &e->lora : NULL;
}

/*
 * With `apart`: puts these adapters on and takes the others off (names: comma-separated folders, GGUF
 * files, or the last parts of those that are there; "": none). The weights stay as they are; what is
 * kept in a KV cache is worth nothing afterwards. After an error nothing has changed.
 */
int engine_set_adapters(struct engine *e, const char *names, struct err *err);
/* The adapters that are on, as engine_set_adapters takes them, from the heap. */
char *engine_active_adapters(const struct engine *e);

/* One prompt and its answer. */
struct answer {
	const uint32_t *prompt;
	size_t n_prompt;
	struct ids out; /* the answer's ids, without the stop id */
	bool stopped; /* by a stop id; false: max_new_tokens, context, or told to */
	bool done; /* nothing more will come */
	const struct sampling *sampling; /* its own, drawn from stream `stream`; NULL: the call's */
	uint32_t stream;
	double began, prompt_seconds; /* clock_now when its prompt was fed; until its first token */
	double answer_seconds; /* from the first token to the last */
};

/*
 * Called with every new token of answer i; returning false ends that answer. May be NULL.
 */
typedef bool (*token_fn)(void *arg, size_t i, uint32_t id);

/*
 * Answers n prompts: `streams` of them at a time share each read of the weights; a stream that ends
 * takes the next prompt. Answer i draws from stream i of the seed. Greedy answers do not depend on
 * what else runs. lora_off: the base alone.
 */
int engine_answer(struct engine *e, struct answer *v, size_t n, int streams,
		  const struct sampling *s, bool lora_off, token_fn fn, void *arg, struct err *err);

/* logp[i] = natural log-probability of ids[i] given those before; logp[0] is unused (0). */
int engine_logprobs(struct engine *e, const uint32_t *ids, size_t n, bool lora_off, float *logp,
		    struct err *err);

#endif
