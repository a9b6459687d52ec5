# SPDX-License-Identifier: Apache-2.0
"""The tokenizer.json that ft-merge writes, loaded by tokenizers and by transformers, against ours.

Compares ids, with special tokens recognised, and decoded text, of 500 texts: English, Chinese, Russian,
code, digits, spaces, emoji, combining marks, control characters, special tokens, and random mixes; and
that ours reads its own tokenizer.json as it reads the GGUF file.
Run:  python tests/parity/tokenizer_in_transformers.py MERGED_HF [MODEL.gguf]
Made with tokenizers 0.22.2, transformers 4.57.6.
"""
import json
import random
import sys

import ours

from tokenizers import Tokenizer
from transformers import AutoTokenizer

PIECES = ["The", " quick", "brown ", "don't", "WE'LL", " I'm", "x=1;", "\n", "\n\n", "\r\n", "\t", " ", "   ",
          "2026", "3.14159", "１２", "½", "²", "你好", "，", "世界。", "Привет", " мир", "ёлка", "é", "e\u0301", "ﬁ",
          "ạ̈", "한국어", "عربى", "हिन्दी", "ไทย", "😀", "👩‍👩‍👧", "🇨🇳", "\u200b", "\u00a0", "\u3000", "\ufeff",
          "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_start", "<file_sep>", "<|", "|>", "##", "://",
          "http://a.b/c?d=e&f", "__init__", "CamelCase", "\\n", "\"", "'", "’s", "—", "…", "\x01", "\x1b[0m",
          "\x7f", "\u2028", "\u0130", "ß", "ǅ", "𝔘𝔫𝔦", "㋿", "\U0001fae8", "0x7f", "1,000,000", "a\u0000b"]


def texts():
    r = random.Random(42)
    fixed = ours.PLAIN + ours.CHATS + PIECES + ["", "a" * 300, " " * 40, "0" * 30, "\n" * 10, "的" * 100]
    while len(fixed) < 500:
        fixed.append("".join(r.choice(PIECES) for _ in range(r.randint(2, 24))))
    return fixed


def differing(report, what, texts, got, want):
    bad = [i for i in range(len(texts)) if got[i] != want[i]]
    n = sum(len(w) for w in want)
    report.line(not bad, f"{what}: {len(texts)} texts, {n} values, {len(bad)} differ")
    for i in bad[:5]:
        report.note(f"{texts[i]!r}: ours {got[i]!r}, theirs {want[i]!r}")


def main(folder, gguf=None):
    report = ours.Report("tokenizer.json in tokenizers")
    all_texts = texts()
    mine = ours.encode(folder, all_texts)
    fast = Tokenizer.from_file(f"{folder}/tokenizer.json")
    auto = AutoTokenizer.from_pretrained(folder)
    ids = [fast.encode(t, add_special_tokens=False).ids for t in all_texts]
    differing(report, "ids, tokenizers", all_texts, mine, ids)
    differing(report, "ids, transformers", all_texts, mine, [auto(t).input_ids for t in all_texts])
    if gguf:
        differing(report, "ids, ours from GGUF", all_texts, ours.encode(gguf, all_texts), mine)
    for skip in (False, True):
        lines = "".join(json.dumps({"ids": i}) + "\n" for i in ids)
        text = ours.tool("ds-tokenize", "--decode", *(["--skip-special"] if skip else []), "-t", folder,
                         text=lines)
        differing(report, f"decoded text, tokenizers, skip_special {skip}", all_texts,
                  [line["text"] for line in ours.json_lines(text)],
                  [fast.decode(i, skip_special_tokens=skip) for i in ids])
    differing(report, "decoded text, transformers", all_texts,
              [line["text"] for line in ours.json_lines(text)],
              [auto.decode(i, skip_special_tokens=True) for i in ids])
    report.finish()


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
