/* SPDX-License-Identifier: Apache-2.0 */
#include "model/rope.h"

#include <math.h>
#include <string.h>

#define TWO_PI 6.283185307179586

static double clamp(double x, double low, double high)
{
	return x < low ? low : x > high ? high : x;
}

/* Long waves (more than original / low positions) are stretched, short ones are not. */
static double llama3(const struct rope *r, double freq)
{
	double waves = r->original * freq / TWO_PI; /* in the original context */
	double s = (waves - r->low_freq_factor) / (r->high_freq_factor - r->low_freq_factor);

	s = clamp(s, 0, 1);
	return (1 - s) * freq / r->factor + s * freq;
}

/* The pair that turns `rotations` times within the original context. */
static double yarn_pair(const struct rope *r, int head_size, int original, double rotations)
{
	return head_size * log(original / (rotations * TWO_PI)) / (2 * log(r->theta));
}

static double yarn(const struct rope *r, int head_size, int original, int j, double freq)
{
	double low = yarn_pair(r, head_size, original, r->beta_fast);
	double high = yarn_pair(r, head_size, original, r->beta_slow), stretched;

	if (r->truncate) {
		low = floor(low);
		high = ceil(high);
	}
	low = fmax(low, 0);
	high = fmin(high, head_size - 1);
	if (low == high)
		high += 0.001;
	stretched = clamp((j - low) / (high - low), 0, 1);
	return freq / r->factor * stretched + freq * (1 - stretched);
}

float rope_frequencies(const struct rope *r, int head_size, int max_positions, int n_positions,
		       float *freq)
{
	int original = r->original ? r->original : max_positions;
	double theta = r->theta, size = head_size;

	if (r->type == ROPE_DYNAMIC && n_positions > max_positions)
		theta *= pow(r->factor * n_positions / max_positions - (r->factor - 1),
			     size / (size - 2));
	for (int j = 0; j < head_size / 2; j++) {
		double f = 1 / pow(theta, 2.0 * j / size);

		if (r->type == ROPE_LINEAR)
			f /= r->factor;
		else if (r->type == ROPE_LLAMA3)
			f = llama3(r, f);
		else if (r->type == ROPE_YARN)
			f = yarn(r, head_size, original, j, f);
		else if (r->type == ROPE_DIVISORS)
			f /= (double)r->divisors[j];
		freq[j] = (float)f;
	}
	return r->type == ROPE_YARN ? (float)r->attention_factor : 1;
}

int rope_context(const struct rope *r, int max_positions)
{
	double n = max_positions;

	if (r->type == ROPE_LINEAR || r->type == ROPE_DYNAMIC)
		n *= r->factor;
	if (r->type == ROPE_YARN)
		n = fmax(n, r->factor * (r->original ? r->original : max_positions));
	return (int)fmin(n, 1 << 28);
}

/* The divisors of rope_freqs are Llama 3's when these numbers make them; then they have a name that
 * every program knows. */
static void name_llama3(struct rope *r, int head_size, double factor)
{
	struct rope named = *r;
	float want[ROPE_MAX_HEAD / 2];

	named.type = ROPE_LLAMA3;
	named.factor = factor;
	named.low_freq_factor = 1;
	named.high_freq_factor = 4;
	named.original = 8192;
	rope_divisors(&named, head_size, want);
	for (int j = 0; j < head_size / 2; j++)
		if (fabs((double)(want[j] / r->divisors[j]) - 1) > 1e-4)
			return;
	*r = named;
}

bool rope_divisors(const struct rope *r, int head_size, float *out)
{
	if (r->type != ROPE_LLAMA3 && r->type != ROPE_DIVISORS)
		return false;
	for (int j = 0; j < head_size / 2; j++) {
		double f = 1 / pow(r->theta, 2.0 * j / head_size);

		out[j] = r->type == ROPE_LLAMA3 ? (float)(f / llama3(r, f)) : r->divisors[j];
	}
	return true;
}

static int divisors(struct rope *r, const struct tensor *t, int head_size, const char *name,
		    struct err *err)
{
	float max = 1;

	if (t->type != DT_F32 || t->n_dims != 1 || t->dims[0] != (uint64_t)head_size / 2)
		return err_set(err, "%s: rope_freqs.weight is not %d numbers of type F32", name,
			       head_size / 2);
	memcpy(r->divisors, t->data, (size_t)head_size / 2 * sizeof(float));
	for (int j = 0; j < head_size / 2; j++) {
		if (!(r->divisors[j] > 0 && r->divisors[j] < 1e9f))
			return err_set(err, "%s: rope_freqs.weight holds %g", name,
				       (double)r->divisors[j]);
		max = r->divisors[j] > max ? r->divisors[j] : max;
	}
	r->type = ROPE_DIVISORS;
	name_llama3(r, head_size, (double)max);
	return 0;
}

static double meta(const struct gguf *g, const char *arch, const char *key, double fallback)
{
	char full[128];
	double v;

	snprintf(full, sizeof(full), "%s.rope.%s", arch, key);
	return gguf_get_num(g, full, &v) ? v : fallback;
}

int rope_from_gguf(struct rope *r, const struct gguf *g, const char *arch, int head_size,
		   const char *name, struct err *err)
{
	const struct tensor *freqs = tensors_find(&g->t, "rope_freqs.weight");
	double original = meta(g, arch, "scaling.original_context_length", 0);
	char key[128];
	const char *type = "none";
	size_t n = 4;

	memset(r, 0, sizeof(*r));
	r->theta = meta(g, arch, "freq_base", 10000);
	if (!(r->theta > 1 && r->theta < 1e12))
		return err_set(err, "%s: rope.freq_base %g is out of range", name, r->theta);
	snprintf(key, sizeof(key), "%s.rope.scaling.type", arch);
	gguf_get_str(g, key, &type, &n);
	r->factor = meta(g, arch, "scaling.factor", meta(g, arch, "scale_linear", 1));
	if (!(r->factor >= 1 && r->factor <= 1e6) || !(original >= 0 && original <= 1 << 28))
		return err_set(err, "%s: rope.scaling: factor %g over %g positions is out of range",
			       name, r->factor, original);
	r->original = (int)original;
	if (freqs)
		return divisors(r, freqs, head_size, name, err);
	if (n == 4 && !memcmp(type, "yarn", 4)) {
		r->type = ROPE_YARN;
		r->truncate = true;
		r->beta_fast = meta(g, arch, "scaling.yarn_beta_fast", 32);
		r->beta_slow = meta(g, arch, "scaling.yarn_beta_slow", 1);
		/* llama.cpp multiplies its own factor with this one. */
		r->attention_factor =
			(0.1 * log(r->factor) + 1) * meta(g, arch, "scaling.attn_factor", 1);
		return 0;
	}
	if (!(n == 4 && !memcmp(type, "none", 4)) && !(n == 6 && !memcmp(type, "linear", 6)))
		return err_set(err,
			       "%s: rope.scaling.type '%.*s' is not known; there are none, linear "
			       "and yarn",
			       name, (int)(n < 40 ? n : 40), type);
	r->type = r->factor > 1 && type[0] == 'l' ? ROPE_LINEAR : ROPE_DEFAULT;
	return 0;
}
