# SPDX-License-Identifier: Apache-2.0
"""A model that ft-merge wrote, as transformers sees it.

Compares config.json, generation_config.json and the special tokens with what the base says; the ids of
tokenizer.apply_chat_template with those ds-tokenize feeds the trainer (one and more turns, system
prompts, with and without add_generation_prompt); log-probabilities in fp32; and greedy answers of
model.generate, in fp32 and bf16, with the text of the data set.
Run:  python tests/parity/merged_in_transformers.py MERGED_HF [DATA.json [SHARD]]
      (MERGED_HF: ft-merge -m model.gguf -a ADAPTER -o MERGED_HF; DATA.json: the alpaca records that
      ADAPTER was trained on: the first three must be answered word for word; SHARD: the trainer's)
Made with transformers 4.57.6, tokenizers 0.22.2, torch 2.9.1.
"""
import json
import os
import sys

import ours

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig


def conversations():
    user = {"role": "user", "content": "Tell me a joke about the queue for bread."}
    answer = {"role": "assistant", "content": "There is no bread.\nThere is a queue, though."}
    again = {"role": "user", "content": "  Another one, please! <|im_end|> stays text in data "}
    odd = {"role": "user", "content": "  two  spaces,\n\n'quotes' \"too\", {{ braces }} {% and %} a \\ \n"}
    system = {"role": "system", "content": "You are a party official."}
    empty = {"role": "system", "content": ""}
    return {"one turn": [user], "two turns": [user, answer, user], "own system prompt": [system, user],
            "own system prompt, two turns": [system, user, answer, user],
            "odd characters": [odd], "empty system prompt": [empty, user], "special-token text": [again],
            "a whole conversation": [user, answer]}


def fed(folder, template, messages):
    """What the trainer sees of a conversation; a closing question is followed by a dummy answer that
    is cut off again."""
    record = {"conversations": [m for m in messages if m["role"] != "system"]}
    open_end = messages[-1]["role"] != "assistant"
    if open_end:
        record["conversations"] = record["conversations"] + [{"role": "assistant", "content": "x"}]
    columns = {"messages": "conversations"}
    if messages[0]["role"] == "system":
        record["system"] = messages[0]["content"]
        columns["system"] = "system"
    place = os.path.join(ours.SCRATCH, "chat")
    os.makedirs(place, exist_ok=True)
    with open(os.path.join(place, "chat.json"), "w") as f:
        json.dump([record], f)
    with open(os.path.join(place, "dataset_info.json"), "w") as f:
        json.dump({"chat": {"file_name": "chat.json", "formatting": "sharegpt",
                            "columns": columns,
                            "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user",
                                     "assistant_tag": "assistant", "observation_tag": "tool"}}}, f)
    shard = os.path.join(place, "chat.tok.zst")
    ours.tool("ds-tokenize", "-t", folder, "--template", template, "--stage", "sft", "--dataset-dir", place,
              "-d", "chat", "-o", shard)
    example = ours.json_lines(ours.tool("ds-show", "--json", shard))[0]
    return example["ids"][:example["spans"][-1][0]] if open_end else example["ids"]


def check_files(report, folder, tokenizer, provenance):
    config, generation = AutoConfig.from_pretrained(folder), GenerationConfig.from_pretrained(folder)
    report.note(f"config: eps {config.rms_norm_eps!r}, theta {config.rope_theta!r}, dtype {config.dtype}, "
                f"bos/eos/pad {config.bos_token_id}/{config.eos_token_id}/{config.pad_token_id}, "
                f"positions {config.max_position_embeddings}, tied {config.tie_word_embeddings}")
    report.note(f"generation: eos {generation.eos_token_id}, pad {generation.pad_token_id}, "
                f"sampling {generation.do_sample}")
    report.note(f"tokenizer: {type(tokenizer).__name__}, bos {tokenizer.bos_token!r}, eos "
                f"{tokenizer.eos_token!r}, pad {tokenizer.pad_token!r}, unk {tokenizer.unk_token!r}, "
                f"positions {tokenizer.model_max_length}")
    eos = generation.eos_token_id
    eos = eos if isinstance(eos, list) else [eos]
    report.line(tokenizer.eos_token_id in eos, "generation stops at the tokenizer's eos")
    report.line(len(tokenizer) <= config.vocab_size, f"{len(tokenizer)} tokens fit the embedding's "
                                                     f"{config.vocab_size} rows")
    report.same("tokenizer's positions are the config's", tokenizer.model_max_length,
                config.max_position_embeddings)
    report.same("plain text gets no special token", tokenizer("Hello").input_ids,
                tokenizer("Hello", add_special_tokens=False).input_ids)
    report.note(f"template {provenance['template']!r}, system prompt {provenance['system']!r}")
    with open(os.path.join(folder, "chat_template.jinja")) as f:
        report.same("chat_template.jinja is the one of tokenizer_config.json", f.read(), json.load(
            open(os.path.join(folder, "tokenizer_config.json")))["chat_template"])


def check_chats(report, folder, tokenizer, template):
    for name, messages in conversations().items():
        open_end = messages[-1]["role"] != "assistant"
        theirs = tokenizer.apply_chat_template(messages, add_generation_prompt=open_end)
        mine = fed(folder, template, messages)
        if "special" in name:
            # Deliberate: ours keeps it as text, a rendered template cannot.
            report.line(mine != theirs, f"chat template, {name}: ours {len(mine)} ids (text), transformers "
                                        f"{len(theirs)} (a special token)")
            continue
        report.same(f"chat template, {name}: {len(mine)} ids equal those the trainer sees", mine, theirs)
        if open_end:
            plain = tokenizer.apply_chat_template(messages, add_generation_prompt=False)
            report.line(theirs[:len(plain)] == plain, f"chat template, {name}: add_generation_prompt adds "
                                                      f"{tokenizer.decode(theirs[len(plain):])!r}")


def check_answers(report, model, tokenizer, records, kind):
    for record in records[:3]:
        text = record["instruction"] + ("\n" + record["input"] if record.get("input") else "")
        prompt = tokenizer.apply_chat_template([{"role": "user", "content": text}],
                                               add_generation_prompt=True, return_tensors="pt")
        out = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False,
                             max_new_tokens=200)
        answer = tokenizer.decode(out[0, prompt.shape[1]:], skip_special_tokens=True)
        report.same(f"greedy answer, {kind}: {ours.words(text)[:50]!r}", ours.words(answer),
                    ours.words(record["output"]))


def main(folder, data=None, shard=None):
    report = ours.Report("merged model in transformers")
    with open(os.path.join(folder, "anekdot.json")) as f:
        provenance = json.load(f)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    check_files(report, folder, tokenizer, provenance)
    check_chats(report, folder, tokenizer, provenance["template"])

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    texts = ours.encode(folder, ours.PLAIN)
    texts += [ours.chat_prompt(folder, provenance["template"], user) for user in ours.CHATS]
    if shard:
        texts += [e["ids"] for e in ours.json_lines(ours.tool("ds-show", "--json", "-n", "3", shard))]
    report.numbers("log-probabilities, fp32", ours.logprobs(folder, None, texts),
                   ours.torch_logprobs(model, texts), 1e-3)
    if data:
        with open(data) as f:
            records = json.load(f)
        check_answers(report, model, tokenizer, records, "fp32")
        check_answers(report, AutoModelForCausalLM.from_pretrained(folder, dtype="auto"), tokenizer,
                      records, "as the files say")
    report.finish()


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
