# SPDX-License-Identifier: Apache-2.0
"""Every family and switch as a tiny random model that transformers wrote, read by our tools:
log-probabilities in fp32 from an fp32 file, from bf16 and F16 files, whole and in shards, and
the keys of config.json that are left out or null.

Run:  python tests/parity/families_in_transformers.py [--save] [NAME...]
      (--save writes tests/golden/families, what tests/unit/test_model.c reads: those of KEPT whose
      spelling is that of the installed transformers, 4 or 5)
Made with transformers 4.57.6 and 5.24.0, torch 2.9.1.
"""
import json
import os
import random
import shutil
import sys

import ours

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

FAMILIES = os.path.join(ours.GOLDEN, "families")
GENERATION = int(transformers.__version__.split(".")[0])
SIZE = dict(vocab_size=48, hidden_size=32, intermediate_size=16, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=64, rope_theta=10000.0, rms_norm_eps=1e-6,
            tie_word_embeddings=False, bos_token_id=1, eos_token_id=2, pad_token_id=None)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=16)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16)
# model_type, what differs from SIZE; "texts": how long they are, and what is prepared for.
CASES = {
    "llama2": ("llama", dict(num_key_value_heads=4, rms_norm_eps=1e-5)),
    "llama3": ("llama", dict(rope_theta=500000.0, rope_scaling=LLAMA3)),
    "llama_linear": ("llama", dict(rope_scaling=dict(rope_type="linear", factor=2.0))),
    "llama_yarn": ("llama", dict(rope_scaling=YARN)),
    "llama_yarn_factor": ("llama", dict(rope_scaling=dict(YARN, attention_factor=1.3))),
    "llama_yarn_mscale": ("llama", dict(rope_scaling=dict(YARN, mscale=0.707, mscale_all_dim=1.0))),
    "llama_yarn_betas": ("llama", dict(rope_scaling=dict(YARN, beta_fast=4.0, beta_slow=0.5, truncate=False))),
    "llama_yarn_no_original": ("llama", dict(rope_scaling=dict(rope_type="yarn", factor=4.0))),
    "llama_yarn_ratio": ("llama", dict(max_position_embeddings=32, rope_scaling=YARN)),
    "llama_dynamic": ("llama", dict(max_position_embeddings=32, rope_scaling=dict(rope_type="dynamic", factor=2.0))),
    "llama_dynamic_beyond": ("llama", dict(max_position_embeddings=16,
                                           rope_scaling=dict(rope_type="dynamic", factor=4.0), texts=[40])),
    "llama_biases": ("llama", dict(attention_bias=True, mlp_bias=True)),
    "llama_attention_bias": ("llama", dict(attention_bias=True)),
    "llama_mlp_bias": ("llama", dict(mlp_bias=True)),
    "llama_head_dim": ("llama", dict(head_dim=12)),
    "llama_padded": ("llama", dict(vocab_size=80)),
    "smollm2": ("llama", dict(hidden_size=24, num_attention_heads=3, num_key_value_heads=1, rms_norm_eps=1e-5,
                              rope_theta=100000.0, tie_word_embeddings=True)),
    "smollm2_1.7b": ("llama", dict(num_key_value_heads=4, rms_norm_eps=1e-5, rope_theta=130000.0,
                                   tie_word_embeddings=True)),
    "mistral": ("mistral", dict(head_dim=12, sliding_window=8, rms_norm_eps=1e-5)),
    "mistral_full": ("mistral", dict(head_dim=8, sliding_window=None, rope_theta=1000000.0)),
    "qwen2": ("qwen2", dict(use_sliding_window=False, sliding_window=8, max_window_layers=1)),
    "qwen2_window": ("qwen2", dict(use_sliding_window=True, sliding_window=8, max_window_layers=1)),
    "qwen2_window_all": ("qwen2", dict(use_sliding_window=True, sliding_window=8, max_window_layers=0)),
    "qwen2_window_none": ("qwen2", dict(use_sliding_window=True, sliding_window=8, max_window_layers=2)),
    "qwen2_yarn": ("qwen2", dict(rope_scaling=YARN, rope_theta=1000000.0, tie_word_embeddings=True)),
    "qwen3": ("qwen3", dict(head_dim=12)),
    "qwen3_window": ("qwen3", dict(head_dim=12, use_sliding_window=True, sliding_window=8, max_window_layers=1)),
    "qwen3_layer_types": ("qwen3", dict(head_dim=12, use_sliding_window=True, sliding_window=8,
                                        layer_types=["sliding_attention", "full_attention"])),
    "qwen3_biases_yarn": ("qwen3", dict(head_dim=12, attention_bias=True, rope_scaling=YARN)),
    "qwen3_tied": ("qwen3", dict(head_dim=12, tie_word_embeddings=True)),
}
# What stands in tests/golden/families: type of the file, spelling.
KEPT = {"llama2": ("float16", 4), "llama3": ("bfloat16", 5), "llama_linear": ("bfloat16", 5),
        "llama_yarn_betas": ("bfloat16", 5), "llama_dynamic_beyond": ("bfloat16", 4),
        "llama_biases": ("bfloat16", 5), "smollm2": ("bfloat16", 4), "mistral": ("bfloat16", 5),
        "mistral_full": ("float16", 4), "qwen2_window": ("bfloat16", 5), "qwen3_biases_yarn": ("bfloat16", 4),
        "qwen3_layer_types": ("float16", 4)}


def config(kind, more):
    keys = dict(SIZE, **{k: v for k, v in more.items() if k != "texts"})
    if GENERATION >= 5:
        scaling = keys.pop("rope_scaling", None) or dict(rope_type="default")
        keys["rope_parameters"] = dict(scaling, rope_theta=keys.pop("rope_theta"))
    return AutoConfig.for_model(kind, **json.loads(json.dumps(keys)))


def build(name):
    """Numbers large enough that every switch shows in the logits."""
    kind, more = CASES[name]
    torch.manual_seed(sorted(CASES).index(name))
    model = AutoModelForCausalLM.from_config(config(kind, more)).float().eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            if p.dim() == 1:
                p.normal_(1.0 if "norm" in key else 0.0, 0.3)
            else:
                p.normal_(0.0, 0.7 if "embed" in key else 1.4 / p.shape[1] ** 0.5)
    return model.to(torch.bfloat16).to(torch.float32)


def texts(name):
    r = random.Random(name)
    return [[r.randrange(3, 48) for _ in range(n)] for n in CASES[name][1].get("texts", [2, 9, 30])]


def context(name):
    return max(CASES[name][1].get("texts", [0]))


def files(model, name):
    """The model as folders: by type, whole and in shards."""
    for kind, shard in (("float32", "50GB"), ("bfloat16", "50GB"), ("float16", "50GB"), ("float32", "30KB"),
                        ("bfloat16", "20KB")):
        place = os.path.join(ours.SCRATCH, f"{name}-{kind}-{shard}")
        model.to(getattr(torch, kind)).save_pretrained(place, max_shard_size=shard)
        model.float()
        yield f"{kind}{' in shards' if shard != '50GB' else ''}", place


def load(place):
    return AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32).eval()


def compare(report, name):
    worst, model, sequences = {}, build(name), texts(name)
    for kind, place in files(model, name):
        got = ours.logprobs(place, None, sequences, context=context(name))
        worst[kind] = ours.difference(got, ours.torch_logprobs(load(place), sequences))
        shutil.rmtree(place)
    largest = max(w[1] for w in worst.values())
    report.line(largest <= 1e-5, f"{name}: {sum(w[2] for w in worst.values())} values, relative " +
                ", ".join(f"{k} {w[1]:.2g}" for k, w in worst.items()) + " (bound 1e-05)")


# Keys left out, null, or of another time: transformers says what they mean.
EDITS = [("llama2", "head_dim", "absent"), ("llama2", "num_key_value_heads", None),
         ("mistral", "num_key_value_heads", None), ("qwen2", "num_key_value_heads", None),
         ("qwen3", "num_key_value_heads", None), ("mistral_full", "head_dim", None),
         ("llama2", "tie_word_embeddings", "absent"), ("mistral", "tie_word_embeddings", "absent"),
         ("qwen2", "tie_word_embeddings", "absent"), ("qwen3", "tie_word_embeddings", "absent"),
         ("llama2", "tie_word_embeddings", True), ("qwen2_window", "sliding_window", None),
         ("qwen3_window", "layer_types", "absent"), ("qwen2_window", "max_window_layers", "absent"),
         ("mistral", "layer_types", ["full_attention"] * 2), ("qwen2", "layer_types", ["sliding_attention"] * 2),
         ("mistral", "sliding_window", "absent"), ("llama2", "rms_norm_eps", "absent"),
         ("llama2", "hidden_act", "absent"), ("llama2", "rope_theta", "absent"),
         ("llama2", "rope_parameters", "absent"), ("llama_yarn", "max_position_embeddings", 128),
         ("llama2", "model_type", "absent")]


def compare_edit(report, name, key, value):
    place = os.path.join(ours.SCRATCH, "edited")
    model = build(name)
    if key == "num_key_value_heads":
        model = AutoModelForCausalLM.from_config(config(CASES[name][0], dict(CASES[name][1], **{key: 4}))).float()
    model.save_pretrained(place)
    path = os.path.join(place, "config.json")
    with open(path) as f:
        doc = json.load(f)
    if value == "absent":
        doc.pop(key, None)
    else:
        doc[key] = value
    with open(path, "w") as f:
        json.dump(doc, f)
    what = f"{name} with {key} {'absent' if value == 'absent' else json.dumps(value)}"
    if key == "tie_word_embeddings" and value is True and GENERATION < 5:
        report.note(f"{what} and a head in the file: ours takes the head, as transformers 5 does")
        return
    try:
        want = ours.torch_logprobs(load(place), texts(name))
    except Exception as e:
        report.note(f"{what}: transformers refuses it: {str(e).splitlines()[0][:100]}")
        return
    try:
        report.numbers(what, ours.logprobs(place, None, texts(name)), want, 1e-5)
    except SystemExit as e:
        report.line(False, f"{what}: not read: {e}")
    finally:
        shutil.rmtree(place)


def expected(model, ids):
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].double()
    logp = torch.log_softmax(logits[:-1], -1).gather(-1, torch.tensor(ids[1:])[:, None])[:, 0]
    top = logits[-1].topk(5)
    return {"ids": ids, "nll_per_token": [round(-x, 7) for x in logp.tolist()],
            "last_logits_first16": [round(x, 7) for x in logits[-1, :16].tolist()],
            "last_top5": [[i, round(x, 7)] for i, x in zip(top.indices.tolist(), top.values.tolist())]}


def save(name):
    kind, _ = KEPT[name]
    place = os.path.join(FAMILIES, name)
    shutil.rmtree(place, ignore_errors=True)
    build(name).to(getattr(torch, kind)).save_pretrained(place)
    if os.path.exists(os.path.join(place, "generation_config.json")):
        os.remove(os.path.join(place, "generation_config.json"))
    model = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float64).eval()
    doc = {"made_with": ours.versions(), "script": "tests/parity/families_in_transformers.py",
           "context": context(name)}
    with open(os.path.join(place, "expected.json"), "w") as f:
        f.write(json.dumps(doc)[:-1] + ',\n"cases": [\n')
        f.write(",\n".join(json.dumps(expected(model, ids)) for ids in texts(name)) + "\n]}\n")


def main(names, keep):
    report = ours.Report("Families")
    for name in names or CASES:
        compare(report, name)
    for name, key, value in EDITS:
        if not names or name in names:
            compare_edit(report, name, key, value)
    for name, (_, spelling) in KEPT.items():
        if keep and spelling == GENERATION and (not names or name in names):
            save(name)
    shutil.rmtree(ours.SCRATCH)
    report.finish()


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    main([a for a in sys.argv[1:] if a != "--save"], "--save" in sys.argv)
