# SPDX-License-Identifier: Apache-2.0
"""The chat template that ft-merge writes for each --template, rendered by transformers, against the text
that ds-tokenize feeds the trainer under the same template.

Texts, not ids: the data's parts are encoded one by one, as LLaMA-Factory does it, and a rendered text as
a whole; for templates without special tokens between the parts, merges across the seam may differ.
(merged_in_transformers.py compares ids where there are some.)
Run:  python tests/parity/templates_in_transformers.py
Made with transformers 4.57.6, Jinja2 3.1.6.
"""
import json
import os
import shutil
import subprocess
import sys

import ours
from merged_in_transformers import conversations, fed

from transformers import AutoTokenizer

TINY = os.path.join(ours.GOLDEN, "hf_tiny", "qwen2")
NAMES = ("qwen qwen3_nothink chatml smollm smollm2 yi llama3 llama2 mistral default alpaca vicuna zephyr gemma "
         "phi deepseek3 empty").split()


EXTRA = ["<s>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<bos>",
         "<start_of_turn>", "<end_of_turn>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]


def family():
    """The tiny model with the special tokens of all templates."""
    place = os.path.join(ours.SCRATCH, "base")
    shutil.copytree(TINY, place)
    with open(os.path.join(place, "tokenizer.json")) as f:
        doc = json.load(f)
    first = 1 + max([t["id"] for t in doc["added_tokens"]] + list(doc["model"]["vocab"].values()))
    for i, text in enumerate(EXTRA):
        doc["added_tokens"].append({"id": first + i, "content": text, "single_word": False, "lstrip": False,
                                    "rstrip": False, "normalized": False, "special": True})
    with open(os.path.join(place, "tokenizer.json"), "w") as f:
        json.dump(doc, f)
    with open(os.path.join(place, "tokenizer_config.json"), "w") as f:
        json.dump({"bos_token": "<s>", "eos_token": "<|im_end|>", "tokenizer_class": "PreTrainedTokenizerFast"}, f)
    return place


def main():
    report = ours.Report("chat templates in transformers")
    base = family()
    for name in NAMES:
        folder = os.path.join(ours.SCRATCH, name)
        done = subprocess.run([os.path.join(ours.BIN, "ft-merge"), "-m", base, "--template", name, "-o",
                               folder], text=True, capture_output=True)
        if done.returncode:
            report.line(False, f"{name}: {done.stderr.strip()}")
            continue
        tokenizer = AutoTokenizer.from_pretrained(folder)
        for kind, messages in conversations().items():
            if "special" in kind:
                continue
            what = f"{name}, {kind}"
            try:
                mine = tokenizer.decode(fed(folder, name, messages))
                theirs = tokenizer.apply_chat_template(
                    messages, add_generation_prompt=messages[-1]["role"] == "user", tokenize=False)
            except (SystemExit, Exception) as e:
                report.line(False, f"{what}: {e}")
                continue
            report.same(what, mine, theirs)
    report.finish()


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    main()
