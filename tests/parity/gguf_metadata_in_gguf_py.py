# SPDX-License-Identifier: Apache-2.0
"""GGUF files that ft-merge wrote against those of llama.cpp's own convert_hf_to_gguf.py, both read by
gguf-py: every key of the metadata, every tensor's name, shape, type and bytes, in F32, F16 and BF16.

The models: tests/golden/hf_tiny, with the tokenizers of tests/golden/token and the chat template that
ft-merge writes; Llama 3's rotation; BASE, if named (a Hugging Face folder). Their converter knows a
tokenizer by a hash of what it makes of a text: here it is told the name.
What is known to differ is listed in KNOWN, each with its reason.
Run:  python tests/parity/gguf_metadata_in_gguf_py.py FOLDER [BASE]      (FOLDER: llama.cpp's source)
Made with gguf 0.19.0, transformers 4.57.6, the source in llama-cpp-python 0.3.36.
"""
import json
import os
import subprocess
import sys

import llama_side as side
import ours

WRAPPER = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
from conversion.base import TextModel
TextModel.get_vocab_base_pre = lambda self, tokenizer, pre=sys.argv[2]: pre
sys.argv = [sys.argv[1] + "/convert_hf_to_gguf.py"] + sys.argv[3:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
KNOWN = {
    "general.name": "made of the folder's name", "general.finetune": "made of the folder's name",
    "general.size_label": "for people; nothing reads it",
    "general.tags": "the model card's", "general.base_model": "the model card's",
    "general.sampling": "ours says all four where there is sampling, with transformers' defaults, and else none",
    "tokenizer.ggml.add_eos_token": "false where nothing is said", "tokenizer.ggml.add_sep_token": "the same",
    "tokenizer.ggml.add_bos_token": "ours always says it",
    "tokenizer.ggml.padding_token_id": "ours: what tokenizer_config.json has been given",
    ".rope.dimension_count": "theirs leaves it to the head's size for qwen", ".vocab_size": "the same",
    ".attention.sliding_window": "llama.cpp does not read it for llama; ft-merge does",
}
# Of byte-level tokenizers: there is no such space. Of SentencePiece's kind their converter wants tokenizer.model;
# without it the scores are all -1000, with which llama.cpp does not encode as the tokenizer does.
BYTES, SPACES = {"tokenizer.ggml.add_space_prefix"}, {
    f"tokenizer.ggml.{k}" for k in ("add_space_prefix", "scores", "token_type", "tokens", "unknown_token_id")}


def convert(source, folder, out, kind, pre):
    done = subprocess.run([sys.executable, "-c", WRAPPER, source, pre, folder, "--outfile", out, "--outtype", kind.lower()],
                          capture_output=True, text=True)
    if done.returncode:
        raise SystemExit("convert_hf_to_gguf.py: " + done.stderr[-800:])


def shown(value):
    text = repr(value)
    return text if len(text) < 100 else text[:100] + f"... ({len(value)})"


def check(report, source, what, folder, pre):
    for kind in "F32", "F16", "BF16":
        out, place = os.path.join(ours.SCRATCH, "theirs.gguf"), os.path.join(ours.SCRATCH, "mine")
        convert(source, folder, out, kind, pre)
        ours.tool("ft-merge", "-m", folder, "-o", place, "-f", "gguf", "-t", kind)
        mine = os.path.join(place, "model.gguf")
        side.compare_tensors(report, f"{what}, {kind}", mine, out, rounded=["rope_freqs.weight"])
        a, b = side.metadata(mine), side.metadata(out)
        unlike, known = 0, []
        for key in sorted(set(a) | set(b)):
            if a.get(key) == b.get(key):
                continue
            if any(key.startswith(k) or key.endswith(k) for k in KNOWN) or key in (SPACES if pre == "default" else BYTES):
                known.append(key)
                continue
            unlike += 1
            x, y = a.get(key, (None, None))[1], b.get(key, (None, None))[1]
            if isinstance(x, list) and isinstance(y, list) and len(x) == len(y):
                n = [i for i in range(len(x)) if x[i] != y[i]]
                report.note(f"{key}: {len(n)} of {len(x)} differ, the first at {n[:1]}: "
                            f"{[x[i] for i in n[:3]]} for {[y[i] for i in n[:3]]}")
            else:
                report.note(f"{key}: {shown(x)} for {shown(y)}")
        report.line(not unlike, f"{what}, {kind}: {len(a)} keys, {unlike} differ; and as known: " + ", ".join(known))


def with_tokenizer(family, name):
    """hf_tiny/FAMILY with another tokenizer, as transformers saves it."""
    folder = os.path.join(ours.SCRATCH, f"{family}-{name}")
    import transformers as t
    packed = os.path.join(ours.GOLDEN, "token", name + ".tokenizer.json.zst")
    plain = os.path.join(ours.SCRATCH, "tokenizer.json")
    side.unpack(packed, plain)
    with open(plain) as f:
        ids = {a["content"]: a["id"] for a in json.load(f)["added_tokens"]}
    rope = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64}
    sizes = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
                 num_key_value_heads=2, vocab_size=side.vocabulary_size(plain) + 5, bos_token_id=ids.get("<|begin_of_text|>"),
                 eos_token_id=None, max_position_embeddings=512,
                 tie_word_embeddings=False)
    if family == "llama":
        sizes.update(rope_scaling=rope, rope_theta=500000.0)
    config, model = {"llama": (t.LlamaConfig, t.LlamaForCausalLM), "qwen3": (t.Qwen3Config, t.Qwen3ForCausalLM),
                     "mistral": (t.MistralConfig, t.MistralForCausalLM),
                     "qwen2": (t.Qwen2Config, t.Qwen2ForCausalLM)}[family]
    side.random_model(f"{family}-{name}", config, model, packed, **sizes)
    return folder


def main(source, base):
    report = ours.Report("GGUF metadata in gguf-py")
    for family, name, pre, template in (
            ("llama", "tiny_llama3", "llama-bpe", "llama3"), ("llama", "tiny_smollm", "smollm", "smollm2"),
            ("qwen2", "tiny_qwen_strmerges", "qwen2", "qwen"), ("qwen3", "tiny_qwen_pairmerges", "qwen2", "qwen3_nothink"),
            ("llama", "tiny_llama2", "default", "llama2"), ("mistral", "tiny_mistral", "default", "mistral")):
        raw = with_tokenizer(family, name)
        folder = raw + "-hf"
        ours.tool("ft-merge", "-m", raw, "-o", folder, "-t", "F32", "--template", template)
        if family == "qwen2":
            with open(os.path.join(folder, "generation_config.json"), "w") as f:
                f.write('{"do_sample": true, "temperature": 0.7, "top_k": 20}')
        check(report, source, f"{family}, {name}", folder, pre)
    if base:
        check(report, source, "base", base, "smollm")
    report.finish()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None)
