/* SPDX-License-Identifier: Apache-2.0 */
/* Rotary settings as config.json has them. */
#include "model/rope.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static const struct {
	const char *name;
	enum rope_type type;
} types[] = {
	{ "default", ROPE_DEFAULT }, { "linear", ROPE_LINEAR }, { "dynamic", ROPE_DYNAMIC },
	{ "llama3", ROPE_LLAMA3 },   { "yarn", ROPE_YARN },     { "longrope", ROPE_DIVISORS },
};

#define N_TYPES  (sizeof(types) / sizeof(*types))
#define REQUIRED ((double)NAN)

/* A number of the scaling's object. */
static int number(const json_t *p, const char *key, double fallback, double min, double max,
		  double *out, const char *name, struct err *err)
{
	const json_t *v = json_object_get(p, key);

	if (!v || json_is_null(v)) {
		*out = fallback;
		return isnan(fallback) ? err_set(err, "%s: the rope scaling lacks '%s'", name, key)
				       : 0;
	}
	*out = json_number_value(v);
	if (!json_is_number(v) || !(*out >= min && *out <= max))
		return err_set(err, "%s: the rope scaling's '%s' is not a number from %g to %g",
			       name, key, min, max);
	return 0;
}

/* transformers: the paper's 0.1 ln(factor) + 1, or the ratio of two such. */
static double yarn_attention(const json_t *p, double factor)
{
	const json_t *given = json_object_get(p, "attention_factor");
	double m = json_number_value(json_object_get(p, "mscale"));
	double all = json_number_value(json_object_get(p, "mscale_all_dim"));

	if (json_is_number(given))
		return json_number_value(given);
	if (factor <= 1)
		return 1;
	return m != 0 && all != 0 ? (0.1 * m * log(factor) + 1) / (0.1 * all * log(factor) + 1)
				  : 0.1 * log(factor) + 1;
}

/* longrope with one list for short and long texts, which is what rope_freqs of a GGUF becomes. */
static int divisors(struct rope *r, const json_t *p, int head_size, const char *name,
		    struct err *err)
{
	const json_t *list = json_object_get(p, "short_factor");
	double attention = json_number_value(json_object_get(p, "attention_factor"));

	if (attention != 1 || !json_equal(list, json_object_get(p, "long_factor")) ||
	    json_array_size(list) != (size_t)head_size / 2)
		return err_set(err,
			       "%s: longrope is known only with short_factor equal to long_factor, "
			       "%d numbers, and attention_factor 1",
			       name, head_size / 2);
	for (int j = 0; j < head_size / 2; j++) {
		r->divisors[j] = (float)json_number_value(json_array_get(list, (size_t)j));
		if (!(r->divisors[j] > 0 && r->divisors[j] < 1e9f))
			return err_set(err, "%s: short_factor holds %g", name,
				       (double)r->divisors[j]);
	}
	return 0;
}

static int llama3(struct rope *r, const json_t *p, const char *name, struct err *err)
{
	if (number(p, "low_freq_factor", REQUIRED, 0, 1e6, &r->low_freq_factor, name, err) < 0 ||
	    number(p, "high_freq_factor", REQUIRED, 0, 1e6, &r->high_freq_factor, name, err) < 0)
		return -1;
	if (r->high_freq_factor <= r->low_freq_factor)
		return err_set(err, "%s: high_freq_factor %g is not above low_freq_factor %g", name,
			       r->high_freq_factor, r->low_freq_factor);
	return 0;
}

static int yarn(struct rope *r, const json_t *p, const char *name, struct err *err)
{
	r->truncate = !json_is_false(json_object_get(p, "truncate"));
	r->attention_factor = yarn_attention(p, r->factor);
	if (!(r->attention_factor > 0 && r->attention_factor < 1e3))
		return err_set(err, "%s: yarn's attention_factor is %g", name, r->attention_factor);
	if (number(p, "beta_fast", 32, 1e-6, 1e6, &r->beta_fast, name, err) < 0)
		return -1;
	return number(p, "beta_slow", 1, 1e-6, 1e6, &r->beta_slow, name, err);
}

static int scaling(struct rope *r, const json_t *p, int head_size, const char *name,
		   struct err *err)
{
	const json_t *type = json_object_get(p, "rope_type");
	double original;
	size_t i;

	if (!type)
		type = json_object_get(p, "type");
	if (!json_is_string(type))
		return err_set(err, "%s: the rope scaling names no rope_type", name);
	for (i = 0; i < N_TYPES && strcmp(types[i].name, json_string_value(type)); i++)
		;
	if (i == N_TYPES)
		return err_set(err,
			       "%s: rope scaling '%s' is not known; there are default, linear, "
			       "dynamic, llama3, yarn and longrope",
			       name, json_string_value(type));
	r->type = types[i].type;
	if (r->type == ROPE_DEFAULT)
		return 0;
	if (r->type == ROPE_DIVISORS)
		return divisors(r, p, head_size, name, err);
	if (number(p, "factor", REQUIRED, 1, 1e6, &r->factor, name, err) < 0 ||
	    number(p, "original_max_position_embeddings", r->type == ROPE_LLAMA3 ? REQUIRED : 0, 1,
		   1 << 28, &original, name, err) < 0)
		return -1;
	r->original = (int)original;
	return r->type == ROPE_LLAMA3 ? llama3(r, p, name, err)
	       : r->type == ROPE_YARN ? yarn(r, p, name, err)
				      : 0;
}

int rope_from_json(struct rope *r, const json_t *config, int head_size, const char *name,
		   struct err *err)
{
	const json_t *p = json_object_get(config, "rope_parameters"), *theta, *all;

	memset(r, 0, sizeof(*r));
	if (!json_is_object(p))
		p = json_object_get(config, "rope_scaling");
	/* transformers 5 may say it by kind of layer. */
	all = json_object_get(p, "full_attention");
	if (json_is_object(all)) {
		const json_t *sliding = json_object_get(p, "sliding_attention");

		if (json_is_object(sliding) && !json_equal(all, sliding))
			return err_set(err,
				       "%s: rope_parameters that differ by layer are not known",
				       name);
		p = all;
	}
	theta = json_object_get(config, "rope_theta");
	if (!json_is_number(theta))
		theta = json_object_get(p, "rope_theta");
	r->theta = json_is_number(theta) ? json_number_value(theta) : 10000;
	if (!(r->theta > 1 && r->theta < 1e12))
		return err_set(err, "%s: rope_theta %g is out of range", name, r->theta);
	for (int i = 0; i < 2; i++) {
		const json_t *part = json_object_get(i ? config : p, "partial_rotary_factor");

		if (json_is_number(part) && json_number_value(part) != 1)
			return err_set(err, "%s: a partial_rotary_factor of %g is not known", name,
				       json_number_value(part));
	}
	return json_is_object(p) ? scaling(r, p, head_size, name, err) : 0;
}

/* The keys of a scaling that is not the default one. */
static void write_scaling(const struct rope *r, int head_size, struct jsonw *w)
{
	static const char *const lists[] = { "short_factor", "long_factor" };

	if (r->type == ROPE_DIVISORS)
		jsonw_kint(w, "attention_factor", 1);
	for (int i = 0; r->type == ROPE_DIVISORS && i < 2; i++) {
		jsonw_key(w, lists[i]);
		jsonw_open(w, '[');
		for (int j = 0; j < head_size / 2; j++)
			jsonw_float(w, r->divisors[j]);
		jsonw_close(w, ']');
	}
	if (r->type == ROPE_YARN) {
		jsonw_knum(w, "attention_factor", r->attention_factor, 17);
		jsonw_knum(w, "beta_fast", r->beta_fast, 17);
		jsonw_knum(w, "beta_slow", r->beta_slow, 17);
		jsonw_kbool(w, "truncate", r->truncate);
	}
	if (r->type == ROPE_LLAMA3) {
		jsonw_knum(w, "high_freq_factor", r->high_freq_factor, 17);
		jsonw_knum(w, "low_freq_factor", r->low_freq_factor, 17);
	}
	jsonw_knum(w, "factor", r->factor, 17);
	if (r->original)
		jsonw_kint(w, "original_max_position_embeddings", r->original);
}

void rope_write_json(const struct rope *r, int head_size, struct jsonw *w)
{
	jsonw_key(w, "rope_scaling");
	if (r->type == ROPE_DEFAULT) {
		jsonw_null(w);
	} else {
		jsonw_open(w, '{');
		for (size_t i = 0; i < N_TYPES; i++)
			if (types[i].type == r->type)
				jsonw_kstr(w, "rope_type", types[i].name);
		write_scaling(r, head_size, w);
		jsonw_close(w, '}');
	}
	jsonw_knum(w, "rope_theta", r->theta, 17);
}
