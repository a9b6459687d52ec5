# SPDX-License-Identifier: Apache-2.0
"""An adapter that ft-sft or ft-dpo wrote, loaded by PEFT over a base that ft-merge converted.

Compares per-token log-probabilities of three plain texts and three chats (with the prompt that the
adapter's provenance names): ours against transformers + peft.PeftModel, in fp32 and bf16.
Run:  python tests/parity/adapter_in_peft.py BASE_HF ADAPTER
      (BASE_HF: made by ft-merge -m model.gguf -o BASE_HF; ADAPTER: a trainer's output folder)
Made with transformers 4.57.6, peft 0.18.1, torch 2.9.1.
"""
import json
import os
import sys

import ours

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def main(base, adapter):
    report = ours.Report("adapter in PEFT")
    with open(os.path.join(adapter, "anekdot.json")) as f:
        template = json.load(f)["template"] or "empty"
    texts = ours.encode(base, ours.PLAIN)
    texts += [ours.chat_prompt(base, template, user) for user in ours.CHATS]
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    wrong = model.config.vocab_size, model.config.rms_norm_eps, model.config.rope_theta
    report.note(f"vocab, eps, theta as transformers reads them: {wrong}")
    bare = ours.torch_logprobs(model, texts)
    report.numbers("base alone, fp32", ours.logprobs(base, None, texts), bare, 1e-3)
    model = PeftModel.from_pretrained(model, adapter)
    loaded = {n for n, p in model.named_parameters() if "lora_" in n}
    report.note(f"{len(loaded)} LoRA tensors, config {model.peft_config['default'].r} "
                f"/ {model.peft_config['default'].lora_alpha}")
    want = ours.torch_logprobs(model, texts)
    report.numbers("with adapter, fp32", ours.logprobs(base, adapter, texts), want, 1e-3)
    moved, _, _ = ours.difference(want, bare)
    report.line(moved > 0.1, f"the adapter does something: it moves log-probabilities by up to {moved:.3g}")
    merged = ours.torch_logprobs(model.merge_and_unload(), texts)
    report.numbers("with adapter, fp32, merged by PEFT", ours.logprobs(base, adapter, texts), merged, 1e-3)

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    model = PeftModel.from_pretrained(model, adapter, autocast_adapter_dtype=False)
    theirs = ours.torch_logprobs(model, texts)
    mine = ours.logprobs(base, adapter, texts, dtype="bfloat16")
    t, m = ours.mean_difference(theirs, want), ours.mean_difference(mine, want)
    a, _, n = ours.difference(mine, want)
    b, _, _ = ours.difference(theirs, want)
    report.line(m <= 1.5 * t and a <= 3 * b,
                f"with adapter, bf16 against fp32: ours off by {m:.3g} in the mean, {a:.3g} at most; "
                f"theirs by {t:.3g} and {b:.3g}; {n} values (bound 1.5 and 3 times theirs)")
    report.finish()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
