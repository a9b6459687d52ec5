#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/template/: data sets, settings, and what LLaMA-Factory makes of them.

    python3 templates_in_llamafactory.py LLAMAFACTORY TOKENIZERS OUT

LLAMAFACTORY: the unpacked wheel (0.9.5). TOKENIZERS: a folder with qwen.json and llama3.json
(tiny_qwen_strmerges and tiny_llama3 of tests/golden/token, unpacked); both get the added tokens that are
missing, as OUT/NAME.tokenizer.json. Its own converters, templates and processors run; of what they import,
audio, TRL and OmegaConf are pretended. Today's date, which it writes into Llama 3's tools, is set to
that of Llama's own template. Into OUT: the data sets and their dataset_info.json; `cases`, a line each:
its name, its data set, settings as KEY=VALUE; and NAME.want: lines as ds-show --json prints them.
"""
import dataclasses
import importlib.machinery
import json
import os
import sys
from types import SimpleNamespace
from unittest.mock import MagicMock

lf, tokenizers, out = sys.argv[1:]
sys.path.insert(0, lf)
for name in ("torchaudio", "omegaconf", "trl"):
    mock = MagicMock()
    mock.__spec__ = importlib.machinery.ModuleSpec(name, None)
    sys.modules[name] = mock

from llamafactory.data import tool_utils  # noqa: E402
from llamafactory.data.converter import get_dataset_converter  # noqa: E402
from llamafactory.data.parser import DatasetAttr  # noqa: E402
from llamafactory.data.processor.pairwise import PairwiseDatasetProcessor  # noqa: E402
from llamafactory.data.processor.supervised import SupervisedDatasetProcessor  # noqa: E402
from llamafactory.data.template import TEMPLATES  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

tool_utils.datetime = MagicMock()
tool_utils.datetime.now.return_value.strftime.return_value = "26 Jul 2024"

WEATHER = {"name": "weather", "description": "今天的天气 and \"tomorrow's\"", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "enum": ["Kyiv", "北京"]},
                                     "days": {"type": "integer", "default": 1.5}}, "required": ["city"]}}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}


def talk(*texts, roles="hg", **more):
    """h human, g gpt, f function_call, o observation, s system."""
    names = {"h": "human", "g": "gpt", "f": "function_call", "o": "observation", "s": "system"}
    turns = [{"from": names[roles[i % len(roles)]], "value": t} for i, t in enumerate(texts)]
    return {"conversations": turns, **more}


CALL = json.dumps({"name": "weather", "arguments": {"city": "北京", "days": 2}}, ensure_ascii=False)
CALLS = json.dumps([{"name": "weather", "arguments": {"city": "Kyiv"}},
                    {"name": "clock", "arguments": {}}], ensure_ascii=False)
TOOLS = json.dumps([WEATHER, CLOCK], ensure_ascii=False)
AGENT = [
    talk("Weather in Beijing?", CALL, '{"rain": true, "degrees": 4.50}', "Rain, four degrees.", roles="hfog", tools=TOOLS,
         system="You watch the sky."),
    talk("Be brief.", "天气如何？", CALLS, "18:00", "Sunny.", "Thanks.", "Any time.", roles="shfoghg",
         tools=json.dumps([WEATHER], ensure_ascii=False)),
    talk("No tools here.", "As you see.", tools=""),
]
THOUGHT = "<think>\nThe bread queue is long.\n</think>\n\nTomorrow."
EMPTY = "<think>\n\n</think>\n\nNever."
THINK = [
    talk("When is there bread?", THOUGHT),
    talk("When is there bread?", "Today."),
    talk("One", THOUGHT.replace("Tomorrow", "\n\nLater"), "Two", THOUGHT.replace("Tomorrow", "\n\nNever")),
    talk("One", THOUGHT, "Two", "Plain.", "Three", EMPTY),
    talk("One", "Plain.", "Two", THOUGHT, "Three", "Plain again.", system="You wait."),
    talk("Weather?", "<think>\nAsk the tool.\n</think>\n\n" + CALL, "4", "Cold.", roles="hfog", tools=TOOLS),
]
PAIRS = [
    {**talk("Bread?"), "chosen": {"from": "gpt", "value": THOUGHT}, "rejected": {"from": "gpt", "value": "No."}},
    {**talk("Bread?"), "chosen": {"from": "gpt", "value": "Tomorrow."}, "rejected": {"from": "gpt", "value": "No."}},
    {**talk("Bread?"), "chosen": {"from": "gpt", "value": "Tomorrow."}, "rejected": {"from": "gpt", "value": EMPTY}},
    {**talk("One", THOUGHT, "Two", "Plain.", "Bread?", system="You wait."),
     "chosen": {"from": "gpt", "value": "Tomorrow."}, "rejected": {"from": "gpt", "value": "No."}},
]
# The system prompt says that thinking is off, or LLaMA-Factory writes it there.
OPENAI = [
    {"messages": [
        {"role": "system", "content": "detailed thinking off"},
        {"role": "user", "content": "Weather and time?"},
        {"role": "assistant", "content": "", "tool_calls": [
            {"type": "function", "function": {"name": "weather", "arguments": {"city": "Kyiv"}}},
            {"type": "function", "function": {"name": "clock", "arguments": {}}}]},
        {"role": "tool", "content": "4 degrees"}, {"role": "tool", "content": "18:00"},
        {"role": "assistant", "content": "Four degrees at six."}]},
]
ALPACA = [
    {"instruction": "Say", "input": "hello", "output": "Hello.", "system": "You are brief.",
     "history": [["你好", "Good evening."], ["One", "Two"]]},
    {"instruction": "", "input": "only input", "output": "Yes.", "history": []},
    {"instruction": "A slogan!", "input": "", "output": "前进！", "system": ""},
]

SFT = {"columns": {"messages": "conversations", "system": "system", "tools": "tools"}, "formatting": "sharegpt"}
DPO = {"columns": {"messages": "conversations", "system": "system", "chosen": "chosen", "rejected": "rejected"},
       "formatting": "sharegpt", "ranking": True}
OAI = {"columns": {"messages": "messages"}, "formatting": "openai",
       "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant",
                "observation_tag": "tool", "function_tag": "function", "system_tag": "system"}}
ALP = {"columns": {"prompt": "instruction", "query": "input", "response": "output", "system": "system",
                   "history": "history"}}
SETS = {"agent": (SFT, AGENT), "think": (SFT, THINK), "pairs": (DPO, PAIRS), "tagged": (OAI, OPENAI),
        "alpaca": (ALP, ALPACA)}
CASES = [("tools_" + t, t, "agent", {}) for t in ("qwen", "qwen3", "qwen3_nothink", "llama3")]
CASES += [("openai_" + t, t, "tagged", {}) for t in ("qwen", "qwen3", "llama3")]
CASES += [("alpaca_" + t, t, "alpaca", {}) for t in ("qwen", "llama3")]
for value in ("true", "false", "null"):
    for keep in ("false", "true"):
        mine = {"enable_thinking": value, "preserve_thinking": keep}
        CASES.append((f"think_{value}_{keep}", "qwen3", "think", mine))
        CASES.append((f"think_last_{value}_{keep}", "qwen3", "think", {**mine, "mask_history": "true"}))
        CASES.append((f"think_pairs_{value}_{keep}", "qwen3", "pairs", mine))
CASES.append(("system_qwen", "qwen", "alpaca", {"default_system": "Another."}))
CASES.append(("prompt_qwen", "qwen", "alpaca", {"train_on_prompt": "true"}))


def spans(labels):
    got, begin = [], None
    for i, label in enumerate(labels + [-100]):
        if label != -100 and begin is None:
            begin = i
        if label == -100 and begin is not None:
            got.append([begin, i])
            begin = None
    return got


def attr_of(entry):
    attr = DatasetAttr("file", dataset_name="x", formatting=entry.get("formatting", "alpaca"))
    attr.join({k: v for k, v in entry.items() if k != "file_name"})
    return attr


os.makedirs(out, exist_ok=True)
ADDED = {"qwen": ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"],
         "llama3": ["<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>"]}
for name, words in ADDED.items():
    with open(f"{tokenizers}/{name}.json") as f:
        text = json.load(f)
    first = max([t["id"] for t in text["added_tokens"]] + list(text["model"]["vocab"].values())) + 1
    for i, word in enumerate(words):
        text["added_tokens"].append({"id": first + i, "content": word, "single_word": False, "lstrip": False,
                                     "rstrip": False, "normalized": False, "special": False})
    with open(f"{out}/{name}.tokenizer.json", "w") as f:
        json.dump(text, f, ensure_ascii=False, separators=(",", ":"))
info = {}
for name, template_name, data, keys in CASES:
    entry, rows = SETS[data]
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{out}/{'llama3' if template_name == 'llama3' else 'qwen'}.tokenizer.json")
    if template_name == "llama3":
        tokenizer.bos_token = "<|begin_of_text|>"
    template = dataclasses.replace(TEMPLATES[template_name])
    template.enable_thinking = {"true": True, "false": False, "null": None}[keys.get("enable_thinking", "true")]
    template.preserve_thinking = keys.get("preserve_thinking") == "true"
    if "default_system" in keys:
        template.default_system = keys["default_system"]
    template.fix_special_tokens(tokenizer)
    args = SimpleNamespace(cutoff_len=4096, mask_history=keys.get("mask_history") == "true",
                           train_on_prompt=keys.get("train_on_prompt") == "true", media_dir=".")
    attr = attr_of(entry)
    columns = set(entry["columns"].values())
    converter = get_dataset_converter(attr.formatting, attr, args)
    rows_full = [{**dict.fromkeys(columns), **r} for r in rows]
    aligned = [converter({k: ("" if v is None and k in ("system", "tools") else v) for k, v in r.items()})
               for r in rows_full]
    cls = PairwiseDatasetProcessor if entry.get("ranking") else SupervisedDatasetProcessor
    processor = cls(template=template, tokenizer=tokenizer, processor=None, data_args=args)
    batch = {k: [a[k] for a in aligned] for k in aligned[0]}
    got = processor.preprocess_dataset(batch)
    with open(f"{out}/{name}.want", "w") as f:
        if entry.get("ranking"):
            for ids, labels, ids2, labels2 in zip(got["chosen_input_ids"], got["chosen_labels"],
                                                  got["rejected_input_ids"], got["rejected_labels"]):
                n = labels.count(-100)
                line = {"prompt": ids[:n], "chosen": ids[n:], "rejected": ids2[labels2.count(-100):]}
                f.write(json.dumps(line) + "\n")
        else:
            for ids, labels in zip(got["input_ids"], got["labels"]):
                f.write(json.dumps({"ids": ids, "spans": spans(labels)}) + "\n")
for data, (entry, rows) in SETS.items():
    info[data] = {"file_name": data + ".jsonl", **entry}
    with open(f"{out}/{data}.jsonl", "w") as f:
        f.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)
with open(f"{out}/dataset_info.json", "w") as f:
    json.dump(info, f, indent=1)
    f.write("\n")
with open(f"{out}/cases", "w") as f:
    for name, template_name, data, keys in CASES:
        f.write(" ".join([name, data] + [f"{k}={v}" for k, v in {"template": template_name, **keys}.items()]) + "\n")
print(len(CASES), "cases")
