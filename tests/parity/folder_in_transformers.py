# SPDX-License-Identifier: Apache-2.0
"""Hugging Face folders that ft-merge wrote, in transformers: sharded, in F32, F16 and BF16, of every family.

Each loads with no key missing and none left over; the logits' log-probabilities equal ft-eval's on the same
folder; generation_config.json carries the base's way of drawing; AutoTokenizer gives the ids of
ds-tokenize, and its chat template those that the trainer sees.
Run:  python tests/parity/folder_in_transformers.py
Made with transformers 4.57.6 and 5.
"""
import json
import os
import random
import sys

import ours
from merged_in_transformers import conversations, fed

import torch
import transformers as t

FAMILIES = {
    "llama": ("tiny_llama3", "llama3", t.LlamaConfig, t.LlamaForCausalLM, {}),
    "qwen2": ("tiny_qwen_strmerges", "qwen", t.Qwen2Config, t.Qwen2ForCausalLM, {"tie_word_embeddings": True}),
    "qwen3": ("tiny_qwen_pairmerges", "qwen3_nothink", t.Qwen3Config, t.Qwen3ForCausalLM, {"head_dim": 32}),
    "mistral": ("tiny_mistral", "mistral", t.MistralConfig, t.MistralForCausalLM, {"sliding_window": 8}),
    "llama, Llama 2's tokenizer": ("tiny_llama2", "llama2", t.LlamaConfig, t.LlamaForCausalLM,
                                   {"attention_bias": True}),
    "llama, GPT-2's tokenizer": ("tiny_gpt2", "empty", t.LlamaConfig, t.LlamaForCausalLM, {}),
}
# Half precision: ours computes in fp32 from the same rounded weights. Transformers computes in fp64: in fp32 it is
# itself up to 1.03e-5 off that on a machine with AVX-512, where ours is 2.9e-6 off.
BOUND = 1e-5


def make(name, packed, config, model, more):
    import subprocess
    folder = os.path.join(ours.SCRATCH, name)
    os.makedirs(folder)
    path = os.path.join(ours.GOLDEN, "token", packed + ".tokenizer.json.zst")
    with open(os.path.join(folder, "tokenizer.json"), "wb") as f:
        subprocess.run(["zstd", "-dcq", path], stdout=f, check=True)
    with open(os.path.join(folder, "tokenizer.json")) as f:
        doc = json.load(f)
    ids = {a["content"]: a["id"] for a in doc["added_tokens"]}
    size = max([*doc["model"]["vocab"].values(), *ids.values()]) + 1
    bos = ids.get("<s>", ids.get("<|begin_of_text|>"))
    eos = ids.get("</s>", ids.get("<|im_end|>", ids.get("<|eot_id|>")))
    torch.manual_seed(7)
    sizes = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4, vocab_size=size + 3,
                 num_key_value_heads=2, max_position_embeddings=256, tie_word_embeddings=False, bos_token_id=bos,
                 eos_token_id=eos, initializer_range=0.3)
    model(config(**{**sizes, **more})).save_pretrained(folder)
    drawing = {"do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.05}
    with open(os.path.join(folder, "generation_config.json"), "w") as f:
        json.dump({**drawing, "eos_token_id": eos}, f)
    return folder, size, drawing


def check(report, name, index, tokenizer_name, template, config, model, more):
    source, size, drawing = make(f"source{index}", tokenizer_name, config, model, more)
    rng = random.Random(index)
    runs = [[rng.randrange(size) for _ in range(n)] for n in (2, 30, 90)]
    folder = os.path.join(ours.SCRATCH, f"folder{index}")
    for kind in "F32", "F16", "BF16":
        ours.tool("ft-merge", "-m", source, "-o", folder, "-t", kind, "--max-shard-size", "100KB", "--template", template)
        files = sum(n.endswith(".safetensors") for n in os.listdir(folder))
        loaded, info = t.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
        wrong = {k: v for k, v in info.items() if v}
        own = t.AutoModelForCausalLM.from_pretrained(folder, dtype="auto").dtype
        report.line(not wrong and files > 2 and str(own) == {"F32": "torch.float32", "F16": "torch.float16",
                                                             "BF16": "torch.bfloat16"}[kind],
                    f"{name}, {kind}: {files} files load as {own}, missing, unexpected, mismatched: {wrong or 'none'}")
        report.numbers(f"{name}, {kind}: log-probabilities", ours.logprobs(folder, None, runs),
                       ours.torch_logprobs(loaded.double(), runs), BOUND)
    g = t.GenerationConfig.from_pretrained(folder)
    report.same(f"{name}: way of drawing", {k: getattr(g, k) for k in drawing}, drawing)
    tokenizer = t.AutoTokenizer.from_pretrained(folder)
    texts = ours.PLAIN + ours.CHATS + [" a", "a  b", "\n\n x"]
    report.same(f"{name}: ids of texts", ours.encode(source, texts),
                [tokenizer.encode(x, add_special_tokens=False) for x in texts])
    same = count = 0
    for kind, messages in conversations().items():
        if "special" in kind:
            continue
        want = tokenizer.decode(fed(folder, template, messages), clean_up_tokenization_spaces=False)
        got = tokenizer.apply_chat_template([messages], tokenize=False,
                                            add_generation_prompt=messages[-1]["role"] == "user")[0]
        # The space in front of a text comes once for a whole, and before each part.
        if tokenizer_name in ("tiny_mistral", "tiny_llama2", "tiny_gpt2"):
            got, want = ours.words(got).replace(" ", ""), ours.words(want).replace(" ", "")
        count += 1
        same += got == want
        if got != want:
            report.note(f"{kind}: {want!r} for {got!r}")
    report.line(same == count, f"{name}: chat template {template}: {same} of {count} conversations as the trainer sees them")


def main():
    t.logging.disable_progress_bar()
    report = ours.Report("folders in transformers")
    for i, (name, parts) in enumerate(FAMILIES.items()):
        check(report, name, i, *parts)
    report.finish()


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    main()
