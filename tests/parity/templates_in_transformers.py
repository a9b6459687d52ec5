# SPDX-License-Identifier: Apache-2.0
"""The chat template that ft-merge writes for each --template, rendered by transformers, against the text
that ds-tokenize feeds the trainer under the same template; and its manners: the assistant header comes
with the answer or with add_generation_prompt, a later system message is rendered or refused, an empty
list is none's fault, no bos token is needed. Then qwen and smollm2 against the models' own templates.

Texts, not ids: the data's parts are encoded one by one, as LLaMA-Factory does it, and a rendered text as
a whole; for templates without special tokens between the parts, merges across the seam may differ.
(merged_in_transformers.py compares ids where there are some.)
Run:  python tests/parity/templates_in_transformers.py      (needs the program zstd)
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


def merge(base, name, folder, *options):
    ours.tool("ft-merge", "-m", base, "--template", name, "-o", folder, *options)
    return AutoTokenizer.from_pretrained(folder)


def render(tokenizer, messages, prompt):
    # A batch of one: transformers itself looks at the first message of a single conversation.
    return tokenizer.apply_chat_template([messages], add_generation_prompt=prompt, tokenize=False)[0]


def check_fed(report, name, folder, tokenizer):
    for kind, messages in conversations().items():
        if "special" in kind:
            continue
        try:
            report.same(f"{name}, {kind}", tokenizer.decode(fed(folder, name, messages)),
                        render(tokenizer, messages, messages[-1]["role"] == "user"))
        except (SystemExit, Exception) as e:
            report.line(False, f"{name}, {kind}: {e}")


def check_header(report, name, tokenizer, header):
    user, answer = {"role": "user", "content": "U"}, {"role": "assistant", "content": "A"}
    for messages in [user], [user, answer], [user, answer, user], [user, user], []:
        report.same(f"{name}, {len(messages)} messages: add_generation_prompt adds {header!r}",
                    render(tokenizer, messages, True), render(tokenizer, messages, False) + header)
    report.line(header + "A" in render(tokenizer, [user, answer], False).replace("] A", "]A"),
                f"{name}, the header stands before the answer")
    report.line(render(tokenizer, [user, user, answer], False).count(header or "A") == 1,
                f"{name}, and only there")


def check_system(report, name, tokenizer, later):
    user, system = {"role": "user", "content": "U"}, {"role": "system", "content": "SYS"}
    first = render(tokenizer, [system], False)
    try:
        report.same(f"{name}, a later system message", render(tokenizer, [user, system, user], True),
                    render(tokenizer, [user], False) + first.removeprefix(later or "") + U_AGAIN(tokenizer, user))
        report.line(later is not None, f"{name}, a later system message is rendered")
    except TemplateError as e:
        report.line(later is None, f"{name}, a later system message: {e}")
