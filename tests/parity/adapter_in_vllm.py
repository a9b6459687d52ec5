# SPDX-License-Identifier: Apache-2.0
"""Adapters of ft-sft and ft-dpo, read by vLLM's own rules: peft_helper.py, utils.py, lora_weights.py and
lora_model.py are run as they stand in a wheel of vLLM, which need not be installed; what they import of
the rest of vLLM is put in by stubs.

Compared: that the configuration is valid for vLLM, that every tensor is one of a module it expects, and
scale * B A of each module with the difference that ft-merge makes in fp32.
Run:  pip download --no-deps --only-binary :all: vllm
      python tests/parity/adapter_in_vllm.py vllm-*.whl
Made with vllm 0.33.0, torch 2.9.1.
"""
import importlib.abc
import importlib.machinery
import json
import logging
import os
import shutil
import sys
import zipfile

import ours
import peft_adapter_in_ours

import torch
import transformers
from safetensors.torch import load_file

REAL = ["vllm.lora.peft_helper", "vllm.lora.utils", "vllm.lora.lora_weights", "vllm.lora.lora_model"]
MODULES = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
TRAIN = dict(max_steps=3, per_device_train_batch_size=1, gradient_accumulation_steps=1, learning_rate=1e-2, bf16=False)


class Vllm(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds vllm.*: the four files in the wheel, and for all else modules that have any name, as a class."""

    def __init__(self, wheel):
        self.wheel = zipfile.ZipFile(wheel)

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] != "vllm":
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=name not in REAL)

    def exec_module(self, module):
        name = module.__name__
        if name in REAL:
            file = name.replace(".", "/") + ".py"
            exec(compile(self.wheel.read(file), file, "exec"), module.__dict__)
            return

        def any_name(what):
            if what.startswith("__"):
                raise AttributeError(what)
            return type(what, (), {})
        module.__getattr__ = any_name
        if name == "vllm.logger":
            module.init_logger = logging.getLogger
        if name == "vllm.utils.torch_utils":
            module.PIN_MEMORY = False


def open_vllm(wheel):
    logging.Logger.info_once = logging.Logger.info
    if not hasattr(transformers, "PreTrainedConfig"):  # as transformers 5 calls it
        transformers.PreTrainedConfig = transformers.PretrainedConfig
    sys.meta_path.insert(0, Vllm(wheel))
    from vllm.lora.lora_model import LoRAModel
    from vllm.lora.peft_helper import PEFTHelper
    return PEFTHelper, LoRAModel


def records(dpo, vocab):
    r = torch.Generator().manual_seed(3)

    def ids(n):
        return torch.randint(3, vocab, (n,), generator=r).tolist()
    if dpo:
        return [{"prompt": ids(4), "chosen": ids(6), "rejected": ids(5)} for _ in range(4)]
    return [{"ids": ids(12), "prompt_len": 4} for _ in range(4)]


def train(name, base, vocab, tool, **more):
    shard = os.path.join(ours.SCRATCH, f"{name}.tok.zst")
    ours.write_shard(shard, records(tool == "ft-dpo", vocab))
    out = os.path.join(ours.SCRATCH, name)
    ours.train(tool, dict(TRAIN, model_name_or_path=base, output_dir=out, **more), shard)
    return out


def compare(report, vllm, base, what, place):
    helper_class, model_class = vllm
    limits = type("LoRAConfig", (), {"max_lora_rank": 64})
    with open(os.path.join(base, "config.json")) as f:
        positions = json.load(f)["max_position_embeddings"]
    try:
        helper = helper_class.from_local_dir(place, positions)
        helper.validate_legal(limits)
        model = model_class.from_local_checkpoint(place, MODULES, helper, device="cpu", dtype=torch.float32)
    except Exception as e:
        report.line(False, f"{what}: vLLM refuses it: {e}")
        return
    merged = os.path.join(ours.SCRATCH, "merged")
    ours.tool("ft-merge", "-m", base, "-a", place, "-o", merged)
    before = load_file(os.path.join(base, "model.safetensors"))
    after = load_file(os.path.join(merged, "model.safetensors"))
    shutil.rmtree(merged)
    worst, moved, known = 0.0, 0.0, 0
    for name, w in after.items():
        delta = w.double() - before[name].double() if name in before else torch.zeros(1)
        lora = model.get_lora(name.removesuffix(".weight"))
        known += lora is not None
        theirs = lora.scaling * lora.lora_b.double() @ lora.lora_a.double() if lora else 0
        # The merged weight was rounded to fp32 (or bf16) once.
        bound = w.abs().max().item() * (2e-7 if w.dtype == torch.float32 else 8e-3)
        worst = max(worst, (delta - theirs).abs().max().item() / bound)
        moved = max(moved, delta.abs().max().item())
    report.same(f"{what}: modules that vLLM and ft-merge change", known, len(model.loras))
    report.line(worst <= 1, f"{what}: {known} modules, rank {helper.r}, scale {helper.vllm_lora_scaling_factor:.4g}, "
                            f"weights moved by up to {moved:.3g}, largest difference {worst:.2g} of a rounding's size (bound 1)")


def main(wheel):
    report = ours.Report("vLLM's adapter rules, " + os.path.basename(wheel))
    vllm = open_vllm(wheel)
    tiny = os.path.join(ours.GOLDEN, "hf_tiny", "qwen2")
    qwen3 = os.path.join(ours.GOLDEN, "hf_tiny", "qwen3")
    sft = train("sft", tiny, 3700, "ft-sft", lora_rank=4, lora_alpha=8, lora_target="all")
    compare(report, vllm, tiny, "ft-sft, all modules", sft)
    compare(report, vllm, tiny, "ft-dpo upon it", train("dpo", tiny, 3700, "ft-dpo", adapter_name_or_path=sft))
    some = train("some", tiny, 3700, "ft-sft", lora_rank=8, lora_alpha=16, lora_target="q_proj,v_proj", use_rslora=True)
    compare(report, vllm, tiny, "ft-sft, q and v, rsLoRA", some)
    peft = peft_adapter_in_ours.write(qwen3, "patterns", peft_adapter_in_ours.KINDS["regular expressions as keys"])
    compare(report, vllm, qwen3, "PEFT's with patterns, as it is", peft)
    compare(report, vllm, qwen3, "without base_model.model", peft_adapter_in_ours.without_prefix(peft))
    compare(report, vllm, qwen3, "ft-sft upon PEFT's with patterns",
            train("upon", qwen3, 3700, "ft-sft", adapter_name_or_path=peft))
    shutil.rmtree(ours.SCRATCH)
    report.finish()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
