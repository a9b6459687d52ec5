# SPDX-License-Identifier: Apache-2.0
"""Adapters that ft-merge -f lora-gguf wrote, in llama.cpp.

Adapters made by PEFT (plain, rsLoRA, alpha_pattern and rank_pattern, some layers only) on tiny models of
the llama, qwen2 and qwen3 families: log-probabilities of llama.cpp with our base and our adapter as GGUF
against PEFT's and those of ft-eval with the PEFT folders; two adapters as one file; F16 and BF16. With
--llama, the plain ones against llama.cpp's own convert_lora_to_gguf.py: the same tensors and metadata.
With BASE and ADAPTER (a Hugging Face folder, an adapter of ft-sft) the same for those.
Run:  python tests/parity/lora_in_llama_cpp.py [--llama FOLDER] [BASE ADAPTER]
      (FOLDER: llama.cpp's source)
Made with llama-cpp-python 0.3.36 (libllama 0.5.0), PEFT 0.18.1, transformers 4.57.6, gguf 0.19.0.
"""
import os
import subprocess
import sys

import llama_side as side
import ours
from peft_adapter_in_ours import load, read, sequences, write

from peft import PeftModel

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
KINDS = {
    "plain": dict(r=8, lora_alpha=16, target_modules=ALL),
    "rsLoRA": dict(r=8, lora_alpha=16, target_modules=ALL, use_rslora=True),
    "alpha_pattern, rank_pattern": dict(r=8, lora_alpha=16, target_modules=ALL, rank_pattern={"q_proj": 4},
                                        alpha_pattern={"v_proj": 3, "layers.0.self_attn.k_proj": 32}),
    "q_proj of the last layer": dict(r=4, lora_alpha=12, target_modules=["q_proj"], layers_to_transform=[1]),
    "alpha 0": dict(r=4, lora_alpha=0, target_modules=ALL),
}


def gguf(model, adapters, name, kind="F32"):
    folder = os.path.join(ours.SCRATCH, "gguf-" + "".join(c if c.isalnum() else "-" for c in name))
    more = ["-a", adapters, "-f", "lora-gguf", "--force"] if adapters else ["-f", "gguf"]
    ours.tool("ft-merge", "-m", model, "-o", folder, "-t", kind, *more)
    return os.path.join(folder, "adapter.gguf" if adapters else "model.gguf")


def theirs(base_gguf, lora, texts):
    model = side.Model(base_gguf, [lora])
    out = model.logprobs(texts)
    model.close()
    return out


def check(report, what, base, base_gguf, adapters, want, texts, bounds):
    for kind, bound in bounds.items():
        lora = gguf(base, adapters, what + kind, kind)
        got = theirs(base_gguf, lora, texts)
        report.numbers(f"{what}, {kind}: llama.cpp against PEFT", got, want, bound)
        report.numbers(f"{what}, {kind}: ft-eval with the file against llama.cpp",
                       ours.logprobs(base, lora, texts), got, bounds["F32"] if kind == "F32" else bound)


def check_converter(report, what, base, base_gguf, adapter, source):
    """Their converter of the same folder."""
    out = os.path.join(ours.SCRATCH, "theirs-lora.gguf")
    for name, kind in ("f32", "F32"), ("f16", "F16"), ("bf16", "BF16"):
        subprocess.run([sys.executable, os.path.join(source, "convert_lora_to_gguf.py"), "--base", base,
                        "--outfile", out, "--outtype", name, adapter], check=True, capture_output=True)
        mine = gguf(base, adapter, what + "c", kind)
        side.compare_tensors(report, f"{what}, {kind}, against convert_lora_to_gguf.py", mine, out)
        a, b = side.metadata(mine), side.metadata(out)
        report.note(f"metadata, ours: {sorted((k, v[1]) for k, v in a.items() if a.get(k) != b.get(k))}")
        report.note(f"theirs: {sorted((k, v[1]) for k, v in b.items() if a.get(k) != b.get(k))}")


def main(source, own):
    report = ours.Report("LoRA in llama.cpp")
    bounds = {"F32": 1e-4, "F16": 1e-2, "BF16": 5e-2}
    for family in "llama", "qwen2", "qwen3":
        base = os.path.join(ours.GOLDEN, "hf_tiny", family)
        base_gguf = gguf(base, None, family)
        texts = sequences(base)
        bare = ours.torch_logprobs(load(base), texts)
        places = []
        for name, config in KINDS.items():
            place = write(base, f"{family} {name}", config)
            places.append(place)
            want = ours.torch_logprobs(read(base, place), texts)
            moved, _, _ = ours.difference(want, bare)
            report.note(f"{family}, {name}: moves log-probabilities by up to {moved:.3g}")
            check(report, f"{family}, {name}", base, base_gguf, place, want, texts, bounds)
            report.numbers(f"{family}, {name}: ft-eval with the folder against PEFT", ours.logprobs(base, place, texts),
                           want, 1e-4)
        one, two = places[2], places[1]
        stacked = PeftModel.from_pretrained(read(base, one).merge_and_unload(), two)
        check(report, f"{family}, two as one", base, base_gguf, f"{one},{two}", ours.torch_logprobs(stacked, texts),
              texts, bounds)
        if source:
            check_converter(report, f"{family}, plain", base, base_gguf, places[0], source)
    if own:
        base, adapter = own
        texts = ours.encode(base, ours.PLAIN + ours.CHATS)
        check(report, "an adapter of ft-sft", base, gguf(base, None, "base"), adapter,
              ours.torch_logprobs(read(base, adapter), texts), texts, {"F32": 1e-3, "F16": 2e-2})
    report.finish()


if __name__ == "__main__":
    args = sys.argv[1:]
    place = None
    if args[:1] == ["--llama"]:
        place, args = args[1], args[2:]
    if len(args) not in (0, 2):
        sys.exit(__doc__)
    main(place, args)
