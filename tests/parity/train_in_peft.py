# SPDX-License-Identifier: Apache-2.0
"""Ten optimizer steps of LoRA training in fp32: ft-sft against transformers' Trainer, ft-dpo against
TRL's DPOTrainer (sigmoid; the base with the adapter off as reference), both on PEFT models.

The model is tests/golden/hf_tiny/qwen2; the first adapter (r 4, alpha 8, all linear layers, random B)
is written by PEFT and loaded by both. Batches of 2, accumulation 2, 10 examples: the last window of an
epoch holds one batch. AdamW with weight decay, cosine with warm-up, clipping, the token mean over the
accumulation window (SFT), the mean over pairs (DPO); no shuffling.
Compares, step by step, loss, learning rate and gradient norm (DPO: also accuracy and rewards), and the
last adapters. Losses must agree within 1e-5 relative.
Run:  python tests/parity/train_in_peft.py [--save]
      python tests/parity/train_in_peft.py BASE_HF SFT_SHARD DPO_SHARD
      (--save writes tests/golden/parity/{adapter,sft.json,dpo.json}, what tests/cli/parity.t reads; the
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

TINY = BASE = os.path.join(ours.GOLDEN, "hf_tiny", "qwen2")
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


def records(dpo):
    r = random.Random(7)

    def ids(low, high):
        return [r.randrange(1, 3700) for _ in range(r.randint(low, high))]
    result = []
    for _ in range(10):
        prompt = ids(2, 12)
        if dpo:
            result.append({"prompt": prompt, "chosen": ids(1, 16), "rejected": ids(1, 16)})
        else:
            result.append({"ids": prompt + ids(1, 30), "prompt_len": len(prompt)})
    return result


def first_adapter(place):
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear",
                                             task_type="CAUSAL_LM"))
    for name, p in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.02)
    model.peft_config["default"].base_model_name_or_path = "../../hf_tiny/qwen2"
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


def theirs(dpo, adapter, data, out):
    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    model = PeftModel.from_pretrained(model, adapter, is_trainable=True)
    common = dict(SETTINGS, output_dir=out, use_cpu=True, report_to=[], save_strategy="no", seed=42,
                  optim="adamw_torch", disable_tqdm=True, remove_unused_columns=False, bf16=False)
    if dpo:
        dataset = Dataset.from_list([{f"{k}_input_ids": v for k, v in r.items()} for r in data])
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(BASE, "tokenizer.json"))
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
    return trainer.rows


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


def main(save, shards):
    report = ours.Report("training in PEFT")
    first = os.path.join(ours.SCRATCH, "first")
    first_adapter(first)
    for name in ("sft", "dpo"):
        dpo = name == "dpo"
        data = real_records(shards[dpo]) if shards else records(dpo)
        shard = os.path.join(ours.SCRATCH, f"{name}.tok.zst")
        ours.write_shard(shard, data)
        out = os.path.join(ours.SCRATCH, name)
        keys = dict(SETTINGS, model_name_or_path=BASE, adapter_name_or_path=first, output_dir=out,
                    disable_shuffling=True, bf16=False)
        mine = ours.train(f"ft-{name}", dict(keys, pref_beta=0.1) if dpo else keys, shard)
        other = os.path.join(ours.SCRATCH, f"{name}-theirs")
        rows = theirs(dpo, first, data, other)
        wide = 1 if BASE == TINY else 10
        pairs = [("loss", "loss", 1e-5 * wide), ("lr", "learning_rate", 1e-7),
                 ("grad_norm", "grad_norm", 1e-4 * wide)]
        if dpo:
            pairs += [("accuracy", "rewards/accuracies", 1e-6), ("rewards/chosen", "rewards/chosen", 1e-4 * wide),
                      ("rewards/rejected", "rewards/rejected", 1e-4 * wide),
                      ("logps/chosen", "logps/chosen", 1e-5), ("logps/rejected", "logps/rejected", 1e-5)]
        compare_rows(report, name, mine, rows, pairs)
        compare_adapters(report, name, out, other, first, 1e-3 if BASE == TINY else 0.1)
        if save:
            os.makedirs(PARITY, exist_ok=True)
            shutil.copytree(first, os.path.join(PARITY, "adapter"), dirs_exist_ok=True)
            keep = [{mine_key: r[their_key] for mine_key, their_key, _ in pairs} for r in rows]
            with open(os.path.join(PARITY, f"{name}.json"), "w") as f:
                f.write(json.dumps({"made_with": ours.versions(), "script": "tests/parity/train_in_peft.py",
                                    "model": "hf_tiny/qwen2", "adapter": "parity/adapter",
                                    "settings": SETTINGS})[:-1] + ',\n"records": [\n')
                f.write(",\n".join(json.dumps(r) for r in data) + '\n],\n"steps": [\n')
                f.write(",\n".join(json.dumps(r) for r in keep) + "\n]}\n")
    report.finish()


if __name__ == "__main__":
    if len(sys.argv) == 4:
        BASE = os.path.abspath(sys.argv[1])
        SETTINGS.update(max_steps=4, learning_rate=1e-4, warmup_steps=1)
        main(False, sys.argv[2:])
    if sys.argv[1:] not in ([], ["--save"]):
        sys.exit(__doc__)
    main(bool(sys.argv[1:]), None)
