# SPDX-License-Identifier: Apache-2.0
"""Ten optimizer steps of LoRA training in fp32: ft-sft against transformers' Trainer, ft-dpo against
TRL's DPOTrainer (sigmoid; the base with the adapter off as reference), both on PEFT models.

The model is tests/golden/hf_tiny/qwen2; the first adapter (r 4, alpha 8, all linear layers, random B)
is written by PEFT and loaded by both. SFT once more on tests/golden/families/qwen3_biases_yarn, with
contexts beyond those it was made for. Batches of 2, accumulation 2, 10 examples: the last window of an
epoch holds one batch. AdamW with weight decay, cosine with warm-up, clipping, the token mean over the
accumulation window (SFT), the mean over pairs (DPO); no shuffling.
Compares, step by step, loss, learning rate and gradient norm (DPO: also accuracy and rewards), the last
adapters, and log-probabilities with them. Losses must agree within 1e-5 relative.
Run:  python tests/parity/train_in_peft.py [--save]
      python tests/parity/train_in_peft.py BASE_HF SFT_SHARD DPO_SHARD
      (--save writes tests/golden/parity/{adapter*,sft*.json,dpo.json}, what tests/cli/parity.t reads; the
      second form: four steps of a real model on the first ten examples of two shards, learning rate 1e-4;
      there, gradient norms within 1e-3 and losses within 1e-4)
Made with transformers 4.57.6, peft 0.18.1, trl 0.24.0, torch 2.9.1.
"""
import json
import os
import random
import shutil
import sys

import ours

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import (AutoModelForCausalLM, PreTrainedTokenizerFast, PrinterCallback, Trainer,
                          TrainingArguments)
from trl import DPOConfig, DPOTrainer

# Stage, base below tests/golden, adapter and file below tests/golden/parity, tokens, longest half of an example.
RUNS = [("sft", "hf_tiny/qwen2", "adapter", "sft", 3700, 30), ("dpo", "hf_tiny/qwen2", "adapter", "dpo", 3700, 16),
        ("sft", "families/qwen3_biases_yarn", "adapter_qwen3", "sft_qwen3", 48, 30)]
PARITY = os.path.join(ours.GOLDEN, "parity")
SETTINGS = dict(per_device_train_batch_size=2, gradient_accumulation_steps=2, max_steps=10,
                learning_rate=5e-3, weight_decay=0.01, max_grad_norm=0.4, warmup_steps=2,
                lr_scheduler_type="cosine", logging_steps=1)
PAD = 0


def real_records(shard):
    result = ours.json_lines(ours.tool("ds-show", "--json", "-n", "10", shard))
    for r in result:
        if "spans" in r:
            r["prompt_len"] = r.pop("spans")[0][0]
        r.pop("text", None)
    return result


def records(dpo, tokens, longest):
    r = random.Random(7)

    def ids(low, high):
        return [r.randrange(1, tokens) for _ in range(r.randint(low, high))]
    result = []
    for _ in range(10):
        prompt = ids(2, 12)
        if dpo:
            result.append({"prompt": prompt, "chosen": ids(1, longest), "rejected": ids(1, longest)})
        else:
            result.append({"ids": prompt + ids(1, longest), "prompt_len": len(prompt)})
    return result


def first_adapter(base, name, place):
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear",
                                             task_type="CAUSAL_LM"))
    for name, p in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.02)
    model.peft_config["default"].base_model_name_or_path = "../../" + name
    model.save_pretrained(place, save_embedding_layers=False)
    readme = os.path.join(place, "README.md")
    if os.path.exists(readme):
        os.remove(readme)


class Watched:
    """A Trainer that goes through the data in order and keeps what the log would round."""

    def _get_train_sampler(self, *args, **kwargs):
        return torch.utils.data.SequentialSampler(self.train_dataset)

    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        self.sums = getattr(self, "sums", 0.0) + loss.double().item()
        return loss

    def log(self, logs, *args, **kwargs):
        super().log(logs, *args, **kwargs)  # DPOTrainer puts its metrics in
        if "grad_norm" in logs:
            row = {k: float(v) for k, v in logs.items() if isinstance(v, (int, float)) or hasattr(v, "item")}
            row["loss"], self.sums = self.sums, 0.0
            self.__dict__.setdefault("rows", []).append(row)


class SftTrainer(Watched, Trainer):
    pass


class PairTrainer(Watched, DPOTrainer):
    def _prepare_dataset(self, dataset, *args, **kwargs):
        return dataset  # token ids already


def collate(batch):
    width = max(len(b["ids"]) for b in batch)
    rows = {"input_ids": [], "labels": [], "attention_mask": []}
    for b in batch:
        ids, n = b["ids"], b["prompt_len"]
        gap = width - len(ids)
        rows["input_ids"].append(ids + [PAD] * gap)
        rows["labels"].append([-100] * n + ids[n:] + [-100] * gap)
        rows["attention_mask"].append([1] * len(ids) + [0] * gap)
    return {k: torch.tensor(v) for k, v in rows.items()}


def theirs(base, dpo, adapter, data, out):
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = PeftModel.from_pretrained(model, adapter, is_trainable=True)
    common = dict(SETTINGS, output_dir=out, use_cpu=True, report_to=[], save_strategy="no", seed=42,
                  optim="adamw_torch", disable_tqdm=True, remove_unused_columns=False, bf16=False)
    if dpo:
        dataset = Dataset.from_list([{f"{k}_input_ids": v for k, v in r.items()} for r in data])
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(base, "tokenizer.json"))
        tokenizer.pad_token = tokenizer.eos_token = tokenizer.convert_ids_to_tokens(PAD)
        trainer = PairTrainer(model=model, ref_model=None, processing_class=tokenizer, train_dataset=dataset,
                              args=DPOConfig(**common, beta=0.1, loss_type="sigmoid",
                                             gradient_checkpointing=False))
    else:
        trainer = SftTrainer(model=model, args=TrainingArguments(**common), train_dataset=data,
                             data_collator=collate)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    model.save_pretrained(out, save_embedding_layers=False)
    return trainer.rows, model.eval()


def compare_rows(report, name, mine, rows, pairs):
    report.same(f"{name}: steps", len(mine), len(rows))
    for key, other, bound in pairs:
        a = [m[key] for m in mine]
        b = [r[other] for r in rows]
        # Rewards are small differences of sums near 100 in fp32: below 0.1 they count as 0.1.
        least = 0.1 if "rewards" in key else 1e-9
        worst = max(abs(x - y) / max(abs(y), least) for x, y in zip(a, b, strict=True))
        report.line(worst <= bound, f"{name}: {key} of {len(a)} steps, largest relative difference "
                                    f"{worst:.3g} (bound {bound:g}); first {b[0]:.9g}, last {b[-1]:.9g}")


def compare_adapters(report, name, mine, other, first, bound):
    a, b, c = (load_file(os.path.join(d, "adapter_model.safetensors")) for d in (mine, other, first))
    report.same(f"{name}: tensor names of the last adapters", sorted(a), sorted(b))
    worst = max((a[k] - b[k]).abs().max().item() for k in b)
    moved = max((b[k] - c[k]).abs().max().item() for k in b)
    mean = sum((a[k] - b[k]).abs().sum().item() for k in b) / sum(b[k].numel() for k in b)
    report.line(worst <= bound * moved, f"{name}: last adapters, {len(b)} tensors, largest difference "
                                        f"{worst:.3g}, mean {mean:.3g}; training moved them by up to "
                                        f"{moved:.3g} (bound {bound:g} of that)")


def save_run(run, first, settings, data, rows, pairs, last):
    _, base, adapter, name, _, _ = run
    os.makedirs(PARITY, exist_ok=True)
    shutil.copytree(first, os.path.join(PARITY, adapter), dirs_exist_ok=True)
    keep = [{mine_key: r[their_key] for mine_key, their_key, _ in pairs} for r in rows]
    with open(os.path.join(PARITY, f"{name}.json"), "w") as f:
        f.write(json.dumps({"made_with": ours.versions(), "script": "tests/parity/train_in_peft.py",
                            "model": base, "adapter": f"parity/{adapter}",
                            "settings": settings})[:-1] + ',\n"records": [\n')
        f.write(",\n".join(json.dumps(r) for r in data) + '\n],\n"steps": [\n')
        f.write(",\n".join(json.dumps(r) for r in keep) + '\n],\n"last": [\n')
        f.write(",\n".join(json.dumps({"logprobs": row}) for row in last) + "\n]}\n")


def compare(report, run, real, shard_of, save):
    stage, base, _, name, tokens, longest = run
    dpo = stage == "dpo"
    path = real or os.path.join(ours.GOLDEN, base)
    first = os.path.join(ours.SCRATCH, f"{name}-first")
    first_adapter(path, base, first)
    data = real_records(shard_of[stage]) if real else records(dpo, tokens, longest)
    shard = os.path.join(ours.SCRATCH, f"{name}.tok.zst")
    ours.write_shard(shard, data)
    out = os.path.join(ours.SCRATCH, name)
    keys = dict(SETTINGS, model_name_or_path=path, adapter_name_or_path=first, output_dir=out,
                disable_shuffling=True, bf16=False)
    mine = ours.train(f"ft-{stage}", dict(keys, pref_beta=0.1) if dpo else keys, shard)
    other = os.path.join(ours.SCRATCH, f"{name}-theirs")
    rows, trained = theirs(path, dpo, first, data, other)
    wide = 10 if real else 1
    pairs = [("loss", "loss", 1e-5 * wide), ("lr", "learning_rate", 1e-7),
             ("grad_norm", "grad_norm", 1e-4 * wide)]
    if dpo:
        pairs += [("accuracy", "rewards/accuracies", 1e-6), ("rewards/chosen", "rewards/chosen", 1e-4 * wide),
                  ("rewards/rejected", "rewards/rejected", 1e-4 * wide),
                  ("logps/chosen", "logps/chosen", 1e-5), ("logps/rejected", "logps/rejected", 1e-5)]
    compare_rows(report, name, mine, rows, pairs)
    compare_adapters(report, name, out, other, first, 0.1 if real else 1e-3)
    texts = [r["prompt"] + r["chosen"] if dpo else r["ids"] for r in data[:3]]
    last = ours.torch_logprobs(trained, texts)
    report.numbers(f"{name}: with the last adapters", ours.logprobs(path, out, texts), last, 1e-5 * wide)
    if save:
        save_run(run, first, SETTINGS, data, rows, pairs, last)


def main(save, real=None, shards=()):
    report = ours.Report("training in PEFT")
    for run in RUNS[:2] if real else RUNS:
        compare(report, run, real, dict(zip(("sft", "dpo"), shards)), save)
    report.finish()


if __name__ == "__main__":
    if len(sys.argv) == 4:
        SETTINGS.update(max_steps=4, learning_rate=1e-4, warmup_steps=1)
        main(False, os.path.abspath(sys.argv[1]), sys.argv[2:])
    if sys.argv[1:] not in ([], ["--save"]):
        sys.exit(__doc__)
    main(bool(sys.argv[1:]))
