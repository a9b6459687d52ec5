# SPDX-License-Identifier: Apache-2.0
"""GGUF files that ft-merge wrote, in llama.cpp.

For the models of tests/golden/hf_tiny and random ones of all families and rotations, with rows that are
whole blocks of 256 and 32 and rows that are not, or else for MODEL, a smollm2: llama_model_quantize (what
llama-quantize calls) makes every type from our F32 file, and each tensor must have the type and the
bytes that ft-merge -t gives it. llama.cpp loads each of ours, and its log-probabilities are those of
ft-eval on the same file. For the tokenizers of tests/golden/token and MODEL's: ids of texts, the token at
the beginning, the tokens that end an answer; the chat template.
Run:  python tests/parity/gguf_in_llama_cpp.py [MODEL]
Made with llama-cpp-python 0.3.36 (libllama 0.5.0), gguf 0.19.0, transformers 4.57.6.
"""
import json
import os
import random
import re
import sys
import unicodedata

import llama_side as side
import ours
from merged_in_transformers import conversations, fed

import llama_cpp as L

TINY = ["llama", "qwen2", "qwen3", "qwen3_hd32", "qwen3_sharded_bf16"]
TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K"]
# Of a log-probability, over max(1, its size). F32: the order of sums. The others: what llama.cpp rounds of
# the other side of each product (see llama_side.Model); ours takes it in fp32.
BOUNDS = {"F32": 1e-3, "F16": 5e-3, "BF16": 5e-2, "Q8_0": 5e-2, "Q4_0": 1e-1, "Q4_K": 1e-1}
MEAN = 0.2


def random_models():
    import transformers as t
    text = os.path.join(ours.GOLDEN, "hf_tiny", "llama", "tokenizer.json")
    common = {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": side.vocabulary_size(text),
              "max_position_embeddings": 512, "tie_word_embeddings": True}
    llama3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 64}
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    kinds = {
        "mistral, window 8, 16 layers of 256": (t.MistralConfig, t.MistralForCausalLM, {
            "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 16, "sliding_window": 8,
            "tie_word_embeddings": False}),
        "llama, llama3's rotation, biases, untied": (t.LlamaConfig, t.LlamaForCausalLM, {
            "hidden_size": 256, "intermediate_size": 320, "num_hidden_layers": 9, "rope_theta": 500000.0,
            "rope_scaling": llama3, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": False}),
        "qwen2, yarn, rows of 96 and 160": (t.Qwen2Config, t.Qwen2ForCausalLM, {
            "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 3, "rope_scaling": yarn}),
        "llama, yarn with a factor of its own": (t.LlamaConfig, t.LlamaForCausalLM, {
            "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3,
            "rope_scaling": {**yarn, "attention_factor": 1.3}}),
        "llama, linear, rows of 80 and 112": (t.LlamaConfig, t.LlamaForCausalLM, {
            "hidden_size": 80, "intermediate_size": 112, "num_hidden_layers": 2,
            "rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
        "qwen3, heads of 64 in rows of 512": (t.Qwen3Config, t.Qwen3ForCausalLM, {
            "hidden_size": 512, "intermediate_size": 768, "num_hidden_layers": 8, "head_dim": 64}),
    }
    for i, (name, (config, model, more)) in enumerate(kinds.items()):
        yield name, side.random_model(f"model{i}", config, model, text, seed=i, **{**common, **more})


def sequences(vocab, longest):
    rng = random.Random(3)
    return [[rng.randrange(vocab) for _ in range(n)] for n in (2, 7, 17, 100) if n <= longest]


def check_chat(report, gguf, folder, template):
    """The file's template, rendered as llama-cpp-python does, is what the trainer sees."""
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter
    model = side.Model(gguf, vocab_only=True)
    word = lambda i: L.llama_vocab_get_text(model.vocab, i).decode()
    bos, eos = word(L.llama_vocab_bos(model.vocab)), word(L.llama_vocab_eos(model.vocab))
    same = count = 0
    for kind, messages in conversations().items():
        if "special" in kind:
            continue
        text = Jinja2ChatFormatter(model.template(), eos, bos, add_generation_prompt=messages[-1]["role"] == "user")(
            messages=messages).prompt
        want = fed(folder, template, messages)
        count += 1
        same += model.encode(text) == want
        if model.encode(text) != want:
            report.note(f"{kind}: {text!r}")
    report.line(same == count, f"chat template {template}: {same} of {count} conversations have the trainer's ids")
    model.close()


def check_expanded(report, what, gguf, runs, want):
    """The same numbers as F32, of which llama.cpp rounds nothing."""
    place = os.path.join(ours.SCRATCH, "expanded")
    ours.tool("ft-merge", "-m", gguf, "-o", place, "-f", "gguf", "-t", "F32")
    model = side.Model(os.path.join(place, "model.gguf"))
    report.numbers(f"{what}, expanded to F32 in llama.cpp: log-probabilities", want, model.logprobs(runs), BOUNDS["F32"])
    model.close()


def check_types(report, name, folder, texts):
    f32 = os.path.join(ours.SCRATCH, "f32")
    ours.tool("ft-merge", "-m", folder, "-o", f32, "-f", "gguf", "-t", "F32")
    for kind in TYPES:
        mine = os.path.join(ours.SCRATCH, "mine")
        ours.tool("ft-merge", "-m", folder, "-o", mine, "-f", "gguf", "-t", kind)
        mine = os.path.join(mine, "model.gguf")
        if kind != "F32":
            theirs = os.path.join(ours.SCRATCH, "theirs.gguf")
            side.quantise(os.path.join(f32, "model.gguf"), theirs, kind)
            side.compare_tensors(report, f"{name}, {kind}", mine, theirs)
            meta = [{k: v for k, v in side.metadata(p).items()} for p in (mine, theirs)]
            report.same(f"{name}, {kind}: metadata", *[sorted(k for k in meta[i] if meta[i].get(k) != meta[1 - i].get(k))
                                                     for i in (0, 1)])
        model = side.Model(mine)
        with open(os.path.join(folder, "config.json")) as f:
            config = json.load(f)
        window = config.get("sliding_window") if config["model_type"] == "mistral" else None
        runs = texts or sequences(model.n_vocab, window or 100)
        got, want = ours.logprobs(mine, None, runs), model.logprobs(runs)
        if texts and kind != "F32":  # a real model's numbers are less even, and what llama.cpp rounds shows more
            report.line(ours.mean_difference(got, want) < MEAN, f"{name}, {kind}: log-probabilities: mean difference "
                        f"{ours.mean_difference(got, want):.3g} (bound {MEAN}), largest {ours.difference(got, want)[0]:.3g}")
            check_expanded(report, f"{name}, {kind}", mine, runs, got)
        else:
            report.numbers(f"{name}, {kind}: log-probabilities", got, want, BOUNDS[kind])
        if window:  # llama.cpp's llama has none: beyond it the model is another one
            runs = sequences(model.n_vocab, 100)
            d = ours.difference(ours.logprobs(mine, None, runs), model.logprobs(runs))[1]
            report.note(f"{name}, {kind}: in texts longer than the window of {window}: relative {d:.3g}")
        model.close()


def check_tokenizer(report, name, gguf, source, texts, stop=None):
    """gguf: our file; source: the tokenizer it was made of."""
    model = side.Model(gguf, vocab_only=True)
    mine = ours.encode(source, texts)
    with open(os.path.join(source, "tokenizer.json")) as f:
        doc = json.load(f)
    pre = doc.get("pre_tokenizer") or {}
    metaspace = pre.get("type") == "Metaspace"
    off = {True: [], False: []}
    count = {True: 0, False: 0}
    for text, ids in zip(texts, mine, strict=True):
        # llama.cpp does not normalise, has other Unicode tables (U+180E is a space there), and puts a
        # space before every piece or none, whether one stands there or not.
        nfc = (unicodedata.is_normalized("NFC", text) and "\u180e" not in text
               and "Cn" not in map(unicodedata.category, text))
        if metaspace and pre["prepend_scheme"] == "first":
            nfc = text.startswith("[INST]") or text.startswith("<s>")
        elif metaspace:
            nfc = not re.search(r"(^|<s>|</s>|<unk>|\[INST\])[ \u2581]", text)
        count[nfc] += 1
        if model.encode(text) != ids:
            off[nfc].append((text, ids))
    report.line(not off[True], f"{name}: ids of {count[True]} texts "
                               f"{'without odd spaces' if metaspace else 'in NFC'}, {len(off[True])} differ; of "
                               f"{count[False]} others {len(off[False])}")
    for text, ids in off[True][:3]:
        report.note(f"{text[:60]!r}: {ids[:12]} for {model.encode(text)[:12]}")
    post = doc.get("post_processor") or {}
    parts = [post, *post.get("processors", [])]
    wanted = any("SpecialToken" in (p.get("single") or [{}])[0] for p in parts)
    report.same(f"{name}: a token at the beginning", model.adds_bos(), wanted)
    if stop:
        report.line(model.encode(stop)[0] in model.ends(), f"{name}: {stop} ends an answer")
    model.close()


def tokenizers():
    import transformers as t
    names = {"tiny_smollm": ["public", "edge"], "tiny_llama3": ["public", "edge"],
             "tiny_qwen_strmerges": ["public", "edge"], "tiny_qwen_pairmerges": ["public"],
             "tiny_llama2": ["public"], "tiny_mistral": ["public"], "tiny_metaspace": ["public"]}
    for name, parts in names.items():
        packed = os.path.join(ours.GOLDEN, "token", name + ".tokenizer.json.zst")
        plain = os.path.join(ours.SCRATCH, "tokenizer.json")
        side.unpack(packed, plain)
        folder = side.random_model(name, t.LlamaConfig, t.LlamaForCausalLM, plain, hidden_size=32,
                                   intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
                                   vocab_size=side.vocabulary_size(plain))
        texts = []
        for part in parts:
            texts += side.golden_texts(f"{name}.{part}")
        yield name, folder, texts


def main(base):
    report = ours.Report("GGUF in llama.cpp")
    for name in TINY if not base else ():
        check_types(report, name, os.path.join(ours.GOLDEN, "hf_tiny", name), None)
    for name, folder in random_models() if not base else ():
        check_types(report, name, folder, None)
    for name, folder, texts in tokenizers() if not base else ():
        to = os.path.join(ours.SCRATCH, "tok")
        ours.tool("ft-merge", "-m", folder, "-o", to, "-f", "gguf", "-t", "F32")
        check_tokenizer(report, name, os.path.join(to, "model.gguf"), folder, texts)
    if base:
        folder, to = os.path.join(ours.SCRATCH, "base"), os.path.join(ours.SCRATCH, "base_gguf")
        ours.tool("ft-merge", "-m", base, "-o", folder, "-t", "F32", "--template", "smollm2")
        ours.tool("ft-merge", "-m", folder, "-o", to, "-f", "gguf", "-t", "F32")
        check_types(report, "base", folder, ours.encode(folder, ours.PLAIN + ours.CHATS))
        check_tokenizer(report, "base", os.path.join(to, "model.gguf"), folder,
                        side.golden_texts("smollm2_real") + side.golden_texts("qwen3_public"), "<|im_end|>")
        check_chat(report, os.path.join(to, "model.gguf"), folder, "smollm2")
    report.finish()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    main(sys.argv[1] if len(sys.argv) == 2 else None)
