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

from jinja2.exceptions import TemplateError
from transformers import AutoTokenizer

TINY = os.path.join(ours.GOLDEN, "hf_tiny", "qwen2")
IM, LLAMA3 = "<|im_start|>assistant\n", "<|start_header_id|>assistant<|end_header_id|>\n\n"
IM_SYSTEM = "<|im_start|>system\nS<|im_end|>\n"
# The assistant header, and a system message "S" after the first message (None: refused).
TEMPLATES = {
    **{name: (IM, IM_SYSTEM) for name in ("qwen", "qwen3_nothink", "chatml", "smollm", "smollm2", "yi")},
    "llama3": (LLAMA3, "<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"),
    "llama2": ("", None), "mistral": ("", None),
    "default": ("Assistant:", "System: S{eos}\n"),
    "alpaca": ("### Response:\n", None), "vicuna": ("ASSISTANT:", None),
    "zephyr": ("<|assistant|>\n", "<|system|>\nS{eos}"),
    "gemma": ("<start_of_turn>model\n", None),
    "phi": ("<|assistant|>\n", "<|system|>\nS<|end|>\n"),
    "deepseek3": ("<｜Assistant｜>", None), "empty": ("", None)}
# What the models' own templates say; LLaMA-Factory's smollm2 ends it with a full stop.
OWN = {"qwen": ("qwen2_5", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."),
       "smollm2": ("smollm2", "You are a helpful AI assistant named SmolLM, trained by Hugging Face")}


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
    # A batch of one: of a single conversation transformers itself looks at the first message.
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
        what = "+".join(m["role"] for m in messages) or "no messages"
        closed = render(tokenizer, messages, False)
        report.same(f"{name}, {what}: add_generation_prompt adds {header!r}", render(tokenizer, messages, True),
                    closed + header)
        if header:
            report.same(f"{name}, {what}: a header for each answer", closed.count(header), messages.count(answer))
    closed = render(tokenizer, [user], False)
    whole = render(tokenizer, [user, answer], False)
    report.line(whole.startswith(closed + header) and whole[len(closed + header):].lstrip().startswith("A"),
                f"{name}, the header stands before the answer: {whole!r}")


def check_system(report, name, tokenizer, later):
    user = {"role": "user", "content": "U"}
    messages = [user, {"role": "system", "content": "S"}, user]
    one, two = render(tokenizer, [user], False), render(tokenizer, [user, user], True)
    try:
        theirs = render(tokenizer, messages, True)
    except TemplateError as e:
        report.line(later is None, f"{name}, a later system message: {e}")
        return
    report.line(later is not None, f"{name}, a later system message has a form")
    report.same(f"{name}, a later system message in its place", theirs,
                one + (later or "").replace("{eos}", tokenizer.eos_token) + two[len(one):])


def check_odd(report, name, tokenizer):
    user = {"role": "user", "content": "U"}
    one, two = render(tokenizer, [user], False), render(tokenizer, [user, user], False)
    report.same(f"{name}, no messages: what stands before the first", render(tokenizer, [], False) + two[len(one):],
                one)
    report.line("SYSTEM" in render(tokenizer, [{"role": "system", "content": "SYSTEM"}], False),
                f"{name}, a system prompt alone is not lost")
    try:
        report.line(False, f"{name}, an unknown role: {render(tokenizer, [user, {'role': 'x', 'content': ''}], True)!r}")
    except TemplateError as e:
        report.line("role x" in str(e), f"{name}, an unknown role: {e}")
    bos, with_bos = tokenizer.bos_token, render(tokenizer, [user], True)
    tokenizer.bos_token = None
    report.same(f"{name}, no bos token", render(tokenizer, [user], True), with_bos.replace(bos, ""))
    tokenizer.bos_token = bos


def check_own(report, base):
    """Against the texts that the models' own templates rendered (tests/golden/README.md)."""
    golden = subprocess.run(["zstd", "-dc", os.path.join(ours.GOLDEN, "chat", "chat_golden.jsonl.zst")],
                            check=True, capture_output=True).stdout
    for name, (family, system) in OWN.items():
        tokenizer = merge(base, name, os.path.join(ours.SCRATCH, "own-" + name), "--system", system)
        n = same = 0
        for case in ours.json_lines(golden.decode()):
            messages = case["messages"]
            if case["template"] != family or case.get("tools") or any(
                    m["role"] == "tool" or m.get("tool_calls") for m in messages):
                continue
            want = case["text"]
            if messages[0] == {"role": "system", "content": ""}:
                # Deliberate: an empty system prompt counts as none, as the trainer and LLaMA-Factory have it.
                want = want.replace("system\n<|im_end|>", f"system\n{system}<|im_end|>", 1)
            got = render(tokenizer, messages, case["add_generation_prompt"])
            n += 1
            same += got == want
            if got != want:
                report.same(f"{name}, golden {messages}", got, want)
        report.line(n >= 22 and same == n, f"{name}: {same} of {n} texts of the model's own template")


def main():
    report = ours.Report("chat templates in transformers")
    base = family()
    for name, (header, later) in TEMPLATES.items():
        folder = os.path.join(ours.SCRATCH, name)
        try:
            tokenizer = merge(base, name, folder)
        except SystemExit as e:
            report.line(False, f"{name}: {e}")
            continue
        check_fed(report, name, folder, tokenizer)
        for check, *more in (check_header, header), (check_system, later), (check_odd,):
            try:
                check(report, name, tokenizer, *more)
            except TemplateError as e:
                report.line(False, f"{name}, {check.__name__}: {e}")
    check_own(report, base)
    report.finish()


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    main()
