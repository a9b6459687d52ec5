#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/token/tiny_{llama2,mistral,metaspace}.*: small tokenizers of SentencePiece's kind
(characters, U+2581 for spaces, bytes where a character has no token), trained on data/soviet, and
texts with the ids and the decoded texts that Hugging Face tokenizers gives; tiny_{llama2,mistral}_flags.*,
the same with merges written the other way and added tokens of all flags.

    python tests/parity/make_spaces_tokenizers.py FOLDER     then zstd -19 --rm the files
"""
import copy
import glob
import itertools
import json
import random
import sys

import tokenizers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

SPACE = "\u2581"


def texts():
    out = []
    for path in sorted(glob.glob("data/soviet/*/*.json")):
        for record in json.load(open(path, encoding="utf-8")):
            out += [v for v in record.values() if isinstance(v, str)]
    return out


def train():
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.Replace(" ", SPACE)
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    trainer = trainers.BpeTrainer(vocab_size=900, show_progress=False, limit_alphabet=300)
    t.train_from_iterator(texts(), trainer)
    return json.loads(t.to_str())["model"]


REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
UNSPACE = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
STRIP = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
BYTES = [{"type": "ByteFallback"}, {"type": "Fuse"}]
KINDS = {
    "llama2": {
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE}, REPLACE]},
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": [UNSPACE, *BYTES, STRIP]},
    },
    "mistral": {
        "normalizer": None,
        "pre_tokenizer": {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": False},
        "decoder": {"type": "Sequence", "decoders": [UNSPACE, *BYTES, STRIP]},
    },
    "metaspace": {
        "normalizer": None,
        "pre_tokenizer": {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True},
        "decoder": {"type": "Sequence", "decoders": [UNSPACE, *BYTES]},
    },
}


def added(i, content, special=True, **flags):
    return {"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": special, **flags}


def with_flags(doc):
    """The same, merges written the other way, and added tokens of all flags, plain and with odd text."""
    doc = copy.deepcopy(doc)
    merges = doc["model"]["merges"]
    doc["model"]["merges"] = [m.split(" ") if isinstance(m, str) else " ".join(m) for m in merges]
    n = max(max(doc["model"]["vocab"].values()), *(a["id"] for a in doc["added_tokens"])) + 1
    kinds = itertools.product((False, True), repeat=5)
    names = ["<t>", "word", "слово", " sp", "é", "e\u0301x", "图片", "<t><u>"]
    for i, (single, left, right, normal, special) in enumerate(kinds):
        doc["added_tokens"].append(added(n + i, f"{names[i % 8]}{i}", special, single_word=single, lstrip=left,
                                         rstrip=right, normalized=normal))
    return doc


def make(model, kind, parts):
    names = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    names += [k for k, _ in sorted(model["vocab"].items(), key=lambda kv: kv[1])]
    added = [{"id": i, "content": c, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": kind == "metaspace" and c == "[INST]", "special": c != "[INST]"}
             for i, c in enumerate(names[:3] + ["[INST]"])]
    added[3]["id"] = len(names)
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, **parts,
            "post_processor": None,
            "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>",
                      "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": True,
                      "byte_fallback": True, "ignore_merges": False,
                      "vocab": {k: i for i, k in enumerate(names)}, "merges": model["merges"]}}


def cases():
    rng = random.Random(7)
    lines = texts()
    odd = ["", " ", "  ", "a", " a", "a ", "  two  spaces ", "\n", "\n\n a", "\ttab", SPACE, "a" + SPACE + "b",
           SPACE + "x", "<s>", " <s> ", "<s>a</s>", "a <s> b", "[INST] hi [/INST]", "x[INST]y", "[INST]", "<0x41>",
           "\U0001F600", "\u00e9\u0301", "\u20ac\u4e2d\U00020000", "caf\u00e9 \u200b\u00a0z", "<unk>", "</s></s> a",
           "x" * 300, " " * 40, "\u4f60\u597d \u4f60", "ab\u0000c", "long " * 60]
    for s in odd:
        yield s
    for _ in range(300):
        s = rng.choice(lines)
        a = rng.randrange(len(s) + 1)
        s = s[a:a + rng.randrange(1, 60)]
        yield rng.choice(["", "", "", "<s>", " ", "[INST]", "\U0001F3ED"]) + s + rng.choice(["", "", "</s>", " ", "\n"])


def flag_cases(doc):
    """Added tokens beside white space of all kinds, and beside what is none."""
    rng = random.Random(8)
    names = [a["content"] for a in doc["added_tokens"]]
    gaps = ["", "", " ", "  ", SPACE, " " + SPACE, SPACE + " ", "\n", " \n", "\t", "\u3000", "a", "7", "_", "\u5de5", "."]
    for name in names:
        yield f" {name} x"
        yield f"x{SPACE}{name}{SPACE}y"
    for _ in range(100):
        yield "".join(rng.choice(gaps) + rng.choice(names) + rng.choice(gaps) for _ in range(rng.randrange(1, 4)))


def main():
    model = train()
    every = {kind: (make(model, kind, parts), cases()) for kind, parts in KINDS.items()}
    for kind in ("llama2", "mistral"):
        made = with_flags(every[kind][0])
        every[kind + "_flags"] = made, flag_cases(made)
    for kind, (made, some) in every.items():
        path = f"{sys.argv[1]}/tiny_{kind}"
        with open(path + ".tokenizer.json", "w", encoding="utf-8") as f:
            json.dump(made, f, ensure_ascii=False)
        t = Tokenizer.from_file(path + ".tokenizer.json")
        n = 0
        with open(path + ".public.jsonl", "w", encoding="utf-8") as f:
            for text in some:
                ids = t.encode(text, add_special_tokens=False).ids
                f.write(json.dumps({"text": text, "ids": ids, "dec": t.decode(ids, skip_special_tokens=False),
                                    "dec_skip": t.decode(ids, skip_special_tokens=True)}, ensure_ascii=False) + "\n")
                n += 1
        print(f"{path}: {n} texts, vocabulary {t.get_vocab_size()}, tokenizers {tokenizers.__version__}")


if __name__ == "__main__":
    main()
