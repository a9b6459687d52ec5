# SPDX-License-Identifier: Apache-2.0
"""Text to tokenise, and digests of its ids by tokenizers: tests/golden/token/mixed.txt.zst and mixed.digests.txt.

The text is the sentences of data/soviet, cut and joined by chance, with code, numbers, white space, letters
of every script, marks, emoji and long words between them. With a CORPUS only its digests are made.
A digest is the SHA-256 of 1000 lines' ids, each line's joined by one space and ended by a line feed.
Run:  python tests/parity/make_corpus.py TOKENIZER.json OUT_DIR
      python tests/parity/make_corpus.py TOKENIZER.json OUT_DIR CORPUS.txt
Made with tokenizers 0.22.2, Python 3.11 and zstandard.
"""
import glob
import hashlib
import json
import os
import random
import sys
import unicodedata

import zstandard
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
LINES = 12000
ODD = ["don't", "WE'LL", "'S", "\t", "  ", "        ", "\r", "x=1;", "if (a[i] != NULL) {", "\\n", "0x7f", "3.14159", "１２", "½",
       "e\u0301", "ﬁ", "ạ̈", "👩‍👩‍👧", "🇨🇳", "\u200b", "\u00a0", "\u3000", "<|im_start|>", "<|im_end|>", "<|", "__init__",
       "CamelCaseName", "http://a.b/c?d=e&f", "——", "……", "\x01", "\u2028", "'ſ", "\u0130"]


def strings(x):
    if isinstance(x, str):
        yield from (s for s in x.split("\n") if s)
    elif isinstance(x, (list, dict)):
        for y in x.values() if isinstance(x, dict) else x:
            yield from strings(y)


def letters(r, known):
    """A word of one script, or of none."""
    first = r.choice(known)
    return "".join(chr(min(max(first + r.randint(-20, 20), 0xA1), 0x1FFFF)) for _ in range(r.randint(1, 9)))


def line(r, said, known):
    parts = []
    for _ in range(r.randint(1, 5)):
        s, kind = r.choice(said), r.random()
        if kind < 0.6:
            a = r.randrange(len(s))
            parts.append(s[a:a + r.randint(5, 120)])
        elif kind < 0.75:
            parts.append(r.choice(ODD) * r.choice([1, 1, 1, 2, 7]))
        elif kind < 0.85:
            parts.append(str(r.randrange(10 ** r.randint(1, 12))))
        elif kind < 0.95:
            parts.append(letters(r, known))
        else:
            parts.append("".join(r.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(r.randint(3, 150))))
    text = r.choice(["", " ", "  ", ", "]).join(parts).replace("\n", " ")
    return "".join(c for c in text if not 0xD800 <= ord(c) < 0xE000)


def make():
    r = random.Random(20261125)
    said = []
    for path in sorted(glob.glob(f"{HERE}/../../data/soviet/*/*.json")):
        with open(path, encoding="utf-8") as f:
            said += strings(json.load(f))
    known = [c for c in range(0xA1, 0x1FFFF) if unicodedata.category(chr(c))[0] in "LNMPS"]
    return [line(r, said, known) for _ in range(LINES)]


def digests(tok, lines):
    total, every, out = 0, hashlib.sha256(), []
    for at in range(0, len(lines), 1000):
        part = [e.ids for e in tok.encode_batch(lines[at:at + 1000], add_special_tokens=False)]
        text = "".join(" ".join(map(str, ids)) + "\n" for ids in part).encode()
        every.update(text)
        n = sum(map(len, part))
        total += n
        out.append(f"{min(at + 1000, len(lines))} {n} {hashlib.sha256(text).hexdigest()}\n")
    return [f"# ids of each line joined by one space, and a line feed; tokenizers, add_special_tokens=False\n",
            f"# total_lines {len(lines)} total_tokens {total} sha256_all {every.hexdigest()}\n",
            "# columns: last line (from 1, chunks of 1000), tokens, sha256\n"] + out


def main(tokenizer, folder, corpus=None):
    tok = Tokenizer.from_file(tokenizer)
    name = "mixed"
    if corpus:
        name = os.path.basename(corpus).split(".")[0]
        with open(corpus, encoding="utf-8", newline="\n") as f:
            lines = f.read().split("\n")[:-1]
    else:
        lines = make()
        text = "".join(x + "\n" for x in lines).encode()
        with open(f"{folder}/{name}.txt.zst", "wb") as f:
            f.write(zstandard.ZstdCompressor(level=19).compress(text))
    with open(f"{folder}/{name}.digests.txt", "w", encoding="ascii") as f:
        f.writelines(digests(tok, lines))


if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
