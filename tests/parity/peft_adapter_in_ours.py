# SPDX-License-Identifier: Apache-2.0
"""Adapters that PEFT wrote, loaded by our tools: per-token log-probabilities, fp32.

A and B are random; kinds of adapter: r 8 on q_proj and down_proj, rsLoRA, bf16 tensors, other ranks and
alphas by pattern, some layers only, modules and patterns by regular expressions, alpha of no whole number, names without
PEFT's prefix. Also three adapters in order (ours: "A,B,C"), adapters on tests/golden/families, and
ft-merge of the first kind against PEFT's merge_and_unload.
What PEFT writes and we do not implement (bias, DoRA, trained embeddings) must be refused, not misread.
Run:  python tests/parity/peft_adapter_in_ours.py [BASE_HF] [--save]
      (BASE_HF: an fp32 or bf16 folder, with which only what a larger model could change is compared;
      default tests/golden/hf_tiny/qwen2; --save writes
      tests/golden/parity/{logprobs,patterns}.json and adapters, what tests/unit/test_parity.c reads)
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
from safetensors.torch import load_file, save_file
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
    "regular expressions as keys": dict(r=8, lora_alpha=16, target_modules=ALL,
                                        rank_pattern={r"layers\.1\.mlp\..*": 3, "(q|k)_proj": 5},
                                        alpha_pattern={"^model.layers.0.self_attn.q_proj": 64, r".*\.1\..*v_proj": 4,
                                                       "up_proj|down_proj": 2, r"layers\.\d+\.self_attn\.o_proj": 40}),
    "a look-ahead": dict(r=8, lora_alpha=16, target_modules=TWO, alpha_pattern={"(?=q)q_proj": 64}),
    "a pattern's key that means nothing": dict(r=8, lora_alpha=16, target_modules=TWO,
                                               alpha_pattern={"^q_proj": 99, "layers.7.mlp": 99, "proj": 99}),
    "layers_pattern": dict(r=8, lora_alpha=16, target_modules=ALL, layers_to_transform=[0], layers_pattern="layers"),
    "F16 tensors": dict(r=8, lora_alpha=16, target_modules=ALL),
    "names without base_model.model": dict(r=8, lora_alpha=16, target_modules=ALL),
    "orthogonal": dict(r=8, lora_alpha=16, target_modules=TWO, init_lora_weights="orthogonal"),
    "Gaussian A": dict(r=8, lora_alpha=16, target_modules=TWO, init_lora_weights="gaussian"),
}
LARGE = ["r 8 on q_proj and down_proj", "rsLoRA, all modules", "rank_pattern, alpha_pattern", "bf16 tensors"]
REFUSED = {
    "LoRA on the head": dict(r=8, target_modules=["q_proj", "lm_head"]),
    "a pattern that PCRE2 takes otherwise": dict(r=8, target_modules=TWO, alpha_pattern={"q{,2}_proj": 64}),
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
    kind = {"bf16": torch.bfloat16, "F16": torch.float16}.get(name.split()[0])
    for key, p in model.named_parameters():
        if "lora_" in key and kind:
            p.data = p.data.to(kind)
    model.save_pretrained(place, save_embedding_layers=False)
    return place


def without_prefix(place):
    """The same adapter as programs write it that do not know PEFT's own module."""
    other = place + "-bare"
    shutil.copytree(place, other)
    path = os.path.join(other, "adapter_model.safetensors")
    save_file({k.removeprefix("base_model.model."): v for k, v in load_file(path).items()}, path)
    return other


def read(base, place):
    return PeftModel.from_pretrained(load(base), place).eval()


def sequences(base):
    if base != TINY:
        return ours.encode(base, ours.PLAIN + ours.CHATS)
    r = random.Random(11)
    return [[r.randrange(1, 3700) for _ in range(n)] for n in (2, 9, 40)]


def check_several(report, base, places, texts, bound):
    """Of several, in order: the first ones merged one by one, all active at once, and added by PEFT."""
    model = load(base)
    for place in places[:-1]:
        model = PeftModel.from_pretrained(model, place).merge_and_unload()
    got = ours.logprobs(base, ",".join(places), texts)
    report.numbers(f"{len(places)}, each merged before the next", got,
                   ours.torch_logprobs(PeftModel.from_pretrained(model, places[-1]).eval(), texts), bound)
    names = [f"a{i}" for i in range(len(places))]
    model = PeftModel.from_pretrained(load(base), places[0], adapter_name=names[0])
    for name, place in list(zip(names, places))[1:]:
        model.load_adapter(place, adapter_name=name)
    model.base_model.set_adapter(names)
    report.numbers(f"{len(places)}, all active at once", got, ours.torch_logprobs(model.eval(), texts), bound)
    model.add_weighted_adapter(names, [1.0] * len(names), "sum", combination_type="cat")
    model.set_adapter("sum")
    report.numbers(f"{len(places)}, added by add_weighted_adapter (cat)", got, ours.torch_logprobs(model.eval(), texts),
                   bound)
    place = os.path.join(ours.SCRATCH, "added")
    model.save_pretrained(place, selected_adapters=["sum"], save_embedding_layers=False)
    report.numbers("what add_weighted_adapter made, saved", ours.logprobs(base, os.path.join(place, "sum"), texts),
                   ours.torch_logprobs(model.eval(), texts), bound)


def check_families(report):
    """All linear layers of models with biases, norms, windows and heads of their own size."""
    for name in ("llama_biases", "smollm2", "mistral", "qwen2_window", "qwen3_biases_yarn", "qwen3_layer_types"):
        base = os.path.join(ours.GOLDEN, "families", name)
        r = random.Random(name)
        texts = [[r.randrange(3, 48) for _ in range(n)] for n in (2, 9, 30)]
        place = write(base, f"family {name}", dict(r=4, lora_alpha=8, target_modules="all-linear"))
        want = ours.torch_logprobs(read(base, place), texts)
        moved, _, _ = ours.difference(want, ours.torch_logprobs(load(base), texts))
        report.numbers(f"families/{name}, all-linear (moves them by up to {moved:.3g})",
                       ours.logprobs(base, place, texts), want, 1e-5)


def check_refused(report, base):
    for name, config in REFUSED.items():
        place = write(base, name, config)
        done = subprocess.run([os.path.join(ours.BIN, "ft-merge"), "-m", base, "-a", place, "-o",
                               os.path.join(ours.SCRATCH, "refused")], text=True, capture_output=True)
        why = done.stderr.strip().replace(ours.SCRATCH + "/", "")
        report.line(done.returncode == 2, f"{name}: is to be refused: {why!r}, exit code {done.returncode}")


def save(name, base, merged, adapter, texts):
    """Log-probabilities of a base, below an adapter that is merged first, with and without another one."""
    def fresh():
        model = load(os.path.join(ours.GOLDEN, base))
        return PeftModel.from_pretrained(model, os.path.join(ours.GOLDEN, merged)).merge_and_unload() if merged else model
    doc = {"made_with": ours.versions(), "script": "tests/parity/peft_adapter_in_ours.py",
           "model": base, "merged": merged, "adapter": adapter}
    with_it = PeftModel.from_pretrained(fresh(), os.path.join(ours.GOLDEN, adapter)).eval()
    rows = [json.dumps({"ids": ids, "logprobs": logp, "base": bare}) for ids, logp, bare in
            zip(texts, ours.torch_logprobs(with_it, texts), ours.torch_logprobs(fresh(), texts))]
    with open(os.path.join(PARITY, name), "w") as f:
        f.write(json.dumps(doc)[:-1] + ',\n"cases": [\n' + ",\n".join(rows) + "\n]}\n")


def save_all():
    save("logprobs.json", "hf_tiny/qwen2", None, "parity/adapter", sequences(TINY))
    family = "families/qwen3_biases_yarn"
    made = {"patterns": dict(KINDS["regular expressions as keys"], r=4, use_rslora=True),
            "bare": dict(r=2, lora_alpha=5, target_modules=TWO, layers_to_transform=[1])}
    for name, config in made.items():
        place = os.path.join(PARITY, name)
        shutil.rmtree(place, ignore_errors=True)
        source = write(os.path.join(ours.GOLDEN, family), f"bf16 {name}", config)
        shutil.copytree(without_prefix(source) if name == "bare" else source, place,
                        ignore=shutil.ignore_patterns("README.md"))
        path = os.path.join(place, "adapter_config.json")
        with open(path) as f:
            doc = json.load(f)
        with open(path, "w") as f:
            json.dump(dict(doc, base_model_name_or_path=f"../../{family}"), f, indent=2)
    # PEFT does not read names without its prefix: it gets the same tensors with them.
    bare = os.path.join(PARITY, "bare", "adapter_model.safetensors")
    tensors = load_file(bare)
    save_file({f"base_model.model.{k}": v for k, v in tensors.items()}, bare)
    r = random.Random(5)
    texts = [[r.randrange(3, 48) for _ in range(n)] for n in (2, 9, 30)]
    save("patterns.json", family, "parity/bare", "parity/patterns", texts)
    save_file(tensors, bare)


def main(base, keep):
    report = ours.Report("PEFT's adapters in ours")
    texts = sequences(base)
    bare = ours.torch_logprobs(load(base), texts)
    bound = 1e-5 if base == TINY else 1e-3
    report.numbers("the base alone", ours.logprobs(base, None, texts), bare, bound)
    places = {}
    for name, config in KINDS.items():
        if base != TINY and name not in LARGE:
            continue
        place = places[name] = write(base, name, config)
        want = ours.torch_logprobs(read(base, place), texts)
        moved, _, _ = ours.difference(want, bare)
        try:
            got = ours.logprobs(base, without_prefix(place) if "names without" in name else place, texts)
        except SystemExit as e:
            report.line(False, f"{name}: not loaded: {e}")
            continue
        report.numbers(f"{name} (moves them by up to {moved:.3g})", got, want, bound)
    check_several(report, base, [places[k] for k in LARGE[:3]], texts, bound)
    one = places[LARGE[0]]
    merged = os.path.join(ours.SCRATCH, "merged")
    ours.tool("ft-merge", "-m", base, "-a", one, "-o", merged)
    want = ours.torch_logprobs(read(base, one).merge_and_unload(), texts)
    kind = str(AutoModelForCausalLM.from_pretrained(merged, dtype="auto").dtype)
    report.numbers(f"ft-merge ({kind}) against merge_and_unload (fp32)",
                   ours.torch_logprobs(load(merged), texts), want, bound if "float32" in kind else 0.1)
    if base == TINY:
        check_families(report)
        check_refused(report, base)
    if keep:
        save_all()
    shutil.rmtree(ours.SCRATCH)
    report.finish()


if __name__ == "__main__":
    rest = [a for a in sys.argv[1:] if a != "--save"]
    if len(rest) > 1:
        sys.exit(__doc__)
    main(os.path.abspath(rest[0]) if rest else TINY, "--save" in sys.argv)
