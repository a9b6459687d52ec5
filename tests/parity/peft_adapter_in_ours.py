# SPDX-License-Identifier: Apache-2.0
"""Adapters that PEFT wrote, loaded by our tools: per-token log-probabilities, fp32.

A and B are random; kinds of adapter: r 8 on q_proj and down_proj, rsLoRA, bf16 tensors, other ranks and
alphas by pattern, some layers only, modules named by a regular expression, alpha of no whole number.
Also two adapters one upon the other (ours: "A,B", the first merged), and ft-merge of the first kind
against PEFT's merge_and_unload.
What PEFT writes and we do not implement (bias, DoRA, trained embeddings) must be refused, not misread.
Run:  python tests/parity/peft_adapter_in_ours.py [BASE_HF] [--save]
      (BASE_HF: an fp32 or bf16 folder; default tests/golden/hf_tiny/qwen2; --save writes
      tests/golden/parity/logprobs.json from it, what tests/unit/test_parity.c reads)
Made with transformers 4.57.6, peft 0.18.1, torch 2.9.1.
"""
import json
import os
import random
import shutil
import subprocess
import sys

import ours

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

TINY = os.path.join(ours.GOLDEN, "hf_tiny", "qwen2")
PARITY = os.path.join(ours.GOLDEN, "parity")
TWO = ["q_proj", "down_proj"]
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
KINDS = {
    "r 8 on q_proj and down_proj": dict(r=8, lora_alpha=16, target_modules=TWO),
    "rsLoRA, all modules": dict(r=8, lora_alpha=16, target_modules=ALL, use_rslora=True),
    "bf16 tensors": dict(r=8, lora_alpha=16, target_modules=ALL),
    "rank_pattern, alpha_pattern": dict(r=8, lora_alpha=16, target_modules=ALL,
                                        rank_pattern={"q_proj": 4, "layers.1.mlp.up_proj": 2},
                                        alpha_pattern={"v_proj": 3, "layers.0.self_attn.k_proj": 32}),
    "rank_pattern, alpha_pattern, rsLoRA": dict(r=8, lora_alpha=16, target_modules=ALL, use_rslora=True,
                                                rank_pattern={"q_proj": 4}, alpha_pattern={"v_proj": 3}),
    "the last layer only": dict(r=8, lora_alpha=16, target_modules=ALL, layers_to_transform=[1]),
    "a regular expression": dict(r=8, lora_alpha=16, target_modules=r".*\.(o_proj|gate_proj)"),
    "alpha 12.5": dict(r=8, lora_alpha=12.5, target_modules=TWO),
    "all but k_proj": dict(r=8, lora_alpha=16, target_modules="all-linear", exclude_modules=["k_proj"]),
    "two keys of alpha_pattern for one module": dict(r=8, lora_alpha=16, target_modules=ALL,
                                                     alpha_pattern={"layers.1.self_attn.v_proj": 64,
                                                                    "v_proj": 3}),
    "Gaussian A": dict(r=8, lora_alpha=16, target_modules=TWO, init_lora_weights="gaussian"),
}
REFUSED = {
    "anchored alpha_pattern": dict(r=8, lora_alpha=16, target_modules=ALL,
                                   alpha_pattern={"^model.layers.0.self_attn.q_proj": 64}),
    "PiSSA, which changes the base": dict(r=8, target_modules=TWO, init_lora_weights="pissa"),
    "OLoRA, which changes the base": dict(r=8, target_modules=TWO, init_lora_weights="olora"),
    "DoRA": dict(r=8, target_modules=TWO, use_dora=True),
    "bias": dict(r=8, target_modules=TWO, bias="all"),
    "trained embeddings": dict(r=8, target_modules=TWO, modules_to_save=["embed_tokens"]),
    "LoRA on embeddings": dict(r=8, target_modules=["q_proj", "embed_tokens"]),
    "bias of B": dict(r=8, target_modules=TWO, lora_bias=True),
}


def load(base):
    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)


def write(base, name, config, seed=5):
    place = os.path.join(ours.SCRATCH, "".join(c if c.isalnum() else "-" for c in name))
    torch.manual_seed(seed)
    model = get_peft_model(load(base), LoraConfig(task_type="CAUSAL_LM", **config))
    for key, p in model.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(p, std=0.05)
    if name == "bf16 tensors":
        for key, p in model.named_parameters():
            if "lora_" in key:
                p.data = p.data.bfloat16()
    model.save_pretrained(place, save_embedding_layers=False)
    return place


def read(base, place):
    return PeftModel.from_pretrained(load(base), place).eval()


def sequences(base):
    if base != TINY:
        return ours.encode(base, ours.PLAIN + ours.CHATS)
    r = random.Random(11)
    return [[r.randrange(1, 3700) for _ in range(n)] for n in (2, 9, 40)]


def check_refused(report, base):
    for name, config in REFUSED.items():
        place = write(base, name, config)
        done = subprocess.run([os.path.join(ours.BIN, "ft-merge"), "-m", base, "-a", place, "-o",
                               os.path.join(ours.SCRATCH, "refused")], text=True, capture_output=True)
        why = done.stderr.strip().replace(ours.SCRATCH + "/", "")
        report.line(done.returncode == 2, f"{name}: is to be refused: {why!r}, exit code {done.returncode}")


def save(base, adapter, texts):
    model = read(base, adapter)
    doc = {"made_with": ours.versions(), "script": "tests/parity/peft_adapter_in_ours.py",
           "model": "hf_tiny/qwen2", "adapter": "parity/adapter"}
    rows = [json.dumps({"ids": ids, "logprobs": logp, "base": bare}) for ids, logp, bare in
            zip(texts, ours.torch_logprobs(model, texts), ours.torch_logprobs(load(base), texts))]
    with open(os.path.join(PARITY, "logprobs.json"), "w") as f:
        f.write(json.dumps(doc)[:-1] + ',\n"cases": [\n' + ",\n".join(rows) + "\n]}\n")


def main(base, keep):
    report = ours.Report("PEFT's adapters in ours")
    texts = sequences(base)
    bare = ours.torch_logprobs(load(base), texts)
    bound = 1e-5 if base == TINY else 1e-3
    report.numbers("the base alone", ours.logprobs(base, None, texts), bare, bound)
    places = {}
    for name, config in KINDS.items():
        place = places[name] = write(base, name, config)
        want = ours.torch_logprobs(read(base, place), texts)
        moved, _, _ = ours.difference(want, bare)
        try:
            got = ours.logprobs(base, place, texts)
        except SystemExit as e:
            report.line(False, f"{name}: not loaded: {e}")
            continue
        report.numbers(f"{name} (moves them by up to {moved:.3g})", got, want, bound)
    one, two = list(places.values())[:2]
    stacked = read(base, one).merge_and_unload()
    report.numbers("two, one upon the other", ours.logprobs(base, f"{one},{two}", texts),
                   ours.torch_logprobs(PeftModel.from_pretrained(stacked, two), texts), bound)
    merged = os.path.join(ours.SCRATCH, "merged")
    ours.tool("ft-merge", "-m", base, "-a", one, "-o", merged)
    want = ours.torch_logprobs(read(base, one).merge_and_unload(), texts)
    kind = str(AutoModelForCausalLM.from_pretrained(merged, dtype="auto").dtype)
    report.numbers(f"ft-merge ({kind}) against merge_and_unload (fp32)",
                   ours.torch_logprobs(load(merged), texts), want, bound if "float32" in kind else 0.1)
    check_refused(report, base)
    if keep:
        save(TINY, os.path.join(PARITY, "adapter"), sequences(TINY))
    shutil.rmtree(ours.SCRATCH)
    report.finish()


if __name__ == "__main__":
    rest = [a for a in sys.argv[1:] if a != "--save"]
    if len(rest) > 1:
        sys.exit(__doc__)
    main(os.path.abspath(rest[0]) if rest else TINY, "--save" in sys.argv)
