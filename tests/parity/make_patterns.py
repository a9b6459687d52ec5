#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/patterns.json: keys of PEFT's alpha_pattern, and which names each of them means,
by the rule of peft.utils.other.get_pattern_key with Python's re; "error": re refuses the key. "odd" are
keys of what other programs' expressions may take otherwise, to be refused or to mean the same.

    python tests/parity/make_patterns.py > tests/golden/patterns.json
"""
import json
import random
import re
import sys
import warnings

NAMES = [f"model.layers.{i}.{m}" for i in (0, 1, 7, 10, 21) for m in
         ("self_attn.q_proj", "self_attn.k_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj")]
KEYS = ["q_proj", "self_attn.q_proj", "layers.1.mlp.up_proj", "proj", "^q_proj", "^model.layers.0.self_attn.q_proj",
        r"^model\.layers\.1\..*", r"model.layers.\d+.mlp.*", r"layers\.[0-9]\.self_attn\.(q|k)_proj", "q_proj$", ".*",
        "", "()", "|", "q_proj|k_proj", r"(?:q|k|v)_proj", r"layers\.(1|21)\..*", r".*\.1\d?\..*?proj",
        r"layers\.1{1,2}\..*", r"layers\.\d{2}\..*", r"(.*){,3}q_proj", r".{1,}up_proj", "(a*)*q_proj", "(a|b*)+q_proj",
        r"[^.]+", r"[^.]*_proj", r"[a-m]+_proj", r"[]q]_proj", r"[\w]+_proj", r"\w+", r"\W+", r"\D+\.\d\.\S+", r"[\d-]",
        r"[-q]_proj", r"[q-]_proj", r"[\]q]_proj", r"q\_proj", "q_proj)|(mlp.up_proj", "q_proj.", "q.proj", ".q_proj",
        r"(^model|x)\..*", r"(^)*q_proj", r"q_proj($)", r"q_proj(|x)", "((q))_((pro)j)?", r"(up|down)_proj{1}",
        r"o_pr(o|x){1,3}j", r"o_pr(o|x){2}j", r"\s*q_proj", r"[\s\S]*q_proj", r"[^\d]*", r"a{0}q_proj", r"q{,}_proj",
        # refused
        "*q", "q_proj**", "(q_proj", "q_proj)", "[q", "q{3,1}", "?", "^*", "$+", "+", "(|*)", "[z-a]", "\\", r"[\d-a]",
        r"\q", r"\_\y", "q|*", "(?:", "(?"]
PIECES = ["q", "k", "_proj", "proj", ".", r"\.", "layers", r"\d", "[0-9]", "[^.]", "(q|k)", "(?:up|down)", ".*", "mlp", "1",
          "self_attn", "|", "x", "(", ")", "*", "+", "?", "{1,2}", "{2}", "$", "^", r"\w", "[a-z_]", ".*?", "+?"]

# What Python and others may read differently.
ODD = ["\\" + c for c in "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"] + [
    r"\x71", r"\u0071", r"\x{71}", r"\o{161}", r"\N{DIGIT ONE}", r"\Qq_proj\E", r"\Q.\E", r"\p{L}", r"\pL", r"\g1", r"\g{-1}",
    r"\k<n>", r"\cA", "[[:alpha:]]", "[[:alpha:]_]+", "[a[:digit:]]", "[:alpha:]", "[[.q.]]", "[[=q=]]", "[[:<:]]", "[.]",
    "[[]", "[[a-z]", "[a&&q]", "[q--q]", "[{]", "[(?]", "[\\Z]", "[\\A]", "[\\b]", "[\\B]", "(*ACCEPT)", "(*FAIL)", "(*:n)", "(*UTF)",
    "(?R)", "(?0)", "(?1)", "(?2)", "(?-1)", "(?+1)", "(?&n)", "(?P>n)", "(?P=n)", "(?P<n>q)", "(?<n>q)", "(?'n'q)", "(?|q|k)",
    "(?>q|k)", "(?#x)", "(?i)", "(?i:Q)", "(?x: q )", "(?s:.)", "(?^:q)", "(?J)", "(?U)", "(?U:.*)", "(?C)", "(?C1)", "(?(1)q|k)",
    "(?(R)q|k)", "(?(?=q)q|k)", "(?=q)", "(?!k)", "(?<=\\.)", "(?<!x)", "(?<=a|bc)", "(?:)", "(?:q)++", "q{,2}", "q{ 1 }", "q{1, 2}",
    "q{0,1 }", "q{1", "q{1}{1}", "{", "}", "{1}", "\\{", "\\(?", "\\(*", "\\[:", "é", "\\é", "[é]", "ſ", "#", "~", "(*", "(?", "\\"]


def row(key):
    try:
        return {"key": key, "means": [i for i, n in enumerate(NAMES) if re.match(rf"(.*\.)?({key})$", n)]}
    except re.error:
        return {"key": key, "error": True}


def main():
    warnings.simplefilter("ignore")
    r = random.Random(4)
    keys = list(KEYS)
    while len(keys) < 500:
        key = "".join(r.choice(PIECES) for _ in range(r.randint(1, 9)))
        # Python 3.11's possessive forms, and groups with a question mark, are not known here.
        if re.search(r"[*+?}]\+|\(\?(?!:)", key) or key in keys:
            continue
        if "means" not in row(key) and r.random() < 0.8:
            continue
        keys.append(key)
    odd = list(ODD)
    while len(odd) < 500:
        key = "".join(r.choice(ODD) if r.random() < 0.5 else r.choice(PIECES) for _ in range(r.randint(2, 4)))
        if key not in odd:
            odd.append(key)
    print(json.dumps({"made_with": "re of Python " + sys.version.split()[0], "names": NAMES})[:-1] + ', "keys": [')
    print(",\n".join(json.dumps(row(k)) for k in keys) + '\n], "odd": [')
    print(",\n".join(json.dumps(row(k)) for k in odd) + "\n]}")


if __name__ == "__main__":
    main()
