/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a back end may be from ref. An element of an output is right when
 *
 *	|got - want| <= (rel + half) |want| + abs * magnitude
 *
 * where magnitude is what the case says the largest term of the element's sum is about (so that
 * cancellation is not held against anybody), and half is BF16_STEP for an output in bf16. rel = abs
 * = 0: the same bits, whatever the type. fp32 rounds by 2^-24 = 6e-8.
 */
#ifndef TESTS_OPS_TOLERANCES_H
#define TESTS_OPS_TOLERANCES_H

#include <stddef.h>
#include <string.h>

/* One unit in the last place of bf16: where ref rounds up, another order of summing may round
 * down. */
#define BF16_STEP 0x1p-7

struct tolerance {
	const char *op;
	double rel, abs_f32, abs_bf16;
	const char *reason;
};

static const struct tolerance tolerances[] = {
	{ "copy", 0, 0, 0, "bytes" },
	{ "zero", 0, 0, 0, "bytes" },
	{ "cast", 0, 0, 0, "rounding to nearest even has one answer" },
	{ "dequant", 0, 0, 0, "ggml's floats are the definition" },
	{ "embed", 0, 0, 0, "a copy" },
	{ "gather", 0, 0, 0, "a copy" },
	{ "scatter_add", 0, 0, 0, "one fp32 sum an element, in the order of i" },
	{ "add", 0, 0, 0, "one fp32 sum" },
	{ "scale_rows", 0, 0, 0, "one fp32 product" },
	{ "dropout", 0, 0, 0, "the mask is a function of the counter; one fp32 product" },
	{ "linear", 2e-7, 2e-6, 2e-6,
	  "K fp32 roundings of a partial sum, which is in the magnitude (sqrt(K) terms); with "
	  "random signs sqrt(K) 2^-24 remain, 8e-7 for K = 200; bf16 products are exact in fp32" },
	{ "linear_bwd", 2e-7, 2e-6, 2e-6, "as linear" },
	{ "gemm", 2e-7, 2e-6, 2e-6, "as linear" },
	{ "rmsnorm", 2e-6, 0, 0, "fp32 sum of squares: all terms have one sign" },
	{ "rmsnorm_bwd", 1e-6, 1e-6, 1e-6, "fp32 mean of g x, taken from g" },
	{ "rmsnorm_heads", 2e-6, 0, 0, "as rmsnorm" },
	{ "rmsnorm_heads_bwd", 1e-6, 1e-6, 1e-6, "as rmsnorm_bwd" },
	{ "rope", 2e-7, 2e-7, 2e-7, "two products, one difference" },
	{ "attn", 1e-6, 1e-6, 1e-6,
	  "an error in a score (E terms) is a relative error of its weight; only o is rounded to "
	  "bf16" },
	{ "attn_bwd", 1e-6, 3e-6, 1.5e-3,
	  "as attn, one difference dP - delta more; delta is read from o, which is bf16 there: "
	  "2^-9 of o's share" },
	{ "attn cuda", 1e-6, 1e-6, 0x1p-9,
	  "tensor cores take the weights in bf16: each is off by 2^-9, and so is their mean of v" },
	{ "attn_bwd cuda", 1e-6, 3e-6, 0x1.8p-7,
	  "weights and dS in bf16: 2^-9 of each term, and a key's weights in all queries of H/K "
	  "heads sum to a few; delta as above" },
	{ "swiglu", 1e-6, 1e-30, 1e-30, "exp to 2e-7; gates below -88 are clamped (6e-37)" },
	{ "swiglu_bwd", 1e-6, 5e-7, 5e-7, "1 + g (1 - z) has a zero near g = -1.28" },
	{ "xent", 5e-6, 5e-7, 5e-7,
	  "exp(x - max) of a difference of 100: 100 * 2^-24; of no account where it is large" },
	{ "sumsq", 0x1p-23, 0, 0, "a sum in double, rounded once, perhaps from a tie" },
	{ "adamw", 2e-7, 4e-7, 4e-7, "some ten fp32 roundings of numbers up to the magnitude" },
};

/* The row "OP BACKEND" if there is one, else the row "OP". */
static const struct tolerance *tolerance_of(const char *op, const char *backend)
{
	size_t n = strlen(op);

	for (int any = 0; any < 2; any++)
		for (size_t i = 0; i < sizeof(tolerances) / sizeof(*tolerances); i++) {
			const char *row = tolerances[i].op;

			if (any ? !strcmp(row, op)
				: !strncmp(row, op, n) && row[n] == ' ' &&
					    !strcmp(row + n + 1, backend))
				return &tolerances[i];
		}
	return NULL;
}

#endif
