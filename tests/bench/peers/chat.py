# SPDX-License-Identifier: Apache-2.0
"""Prompt processing and decoding: ft-chat --json --timings against llama.cpp (llama_side.py, through
llama-cpp-python's low-level calls), on the same GGUF files, written by ft-merge.

pp512: a prompt of 512 tokens, until its first token; after a short prompt as warm-up, on both sides.
tg128: 128 tokens of one answer, without the first. tg64x32: 32 answers at a time, tokens of all a second,
from the first token to the last. Greedy. llama.cpp gets the ids that ft-chat fed and makes as
many tokens of each answer as ft-chat did. Its settings are its defaults (weights repacked, flash
attention as it likes, F16 cache), and the threads. Runs alternate.
"""
import json
import os
import sys

import bench

TYPES = ["BF16", "Q8_0", "Q4_K"]
STREAMS = 32
NEW = 128
NEW_EACH = 64
MANY = f"tg{NEW_EACH}x{STREAMS}"
SUBJECTS = ("river mountain teacher bread train winter library doctor garden ocean engine clock bridge violin "
            "forest kitchen desert camera island market planet soldier painter horse village castle lantern "
            "harbour orchard museum whale thunder").split()
STORY = os.path.join(bench.ROOT, "data", "soviet", "en", "sft_complete_v3.json")


def prompt_ids(model, prompts):
    """What ft-chat feeds for each prompt, without a system prompt."""
    data, shard = os.path.join(bench.WORK, "prompts.json"), os.path.join(bench.WORK, "prompts.tok.zst")
    with open(data, "w") as f:
        json.dump([{"instruction": p, "input": "", "output": "x"} for p in prompts], f)
    bench.tool("ds-tokenize", "-t", model, "--template", "smollm2", "--system", "", "--stage", "sft", "-d", data,
               "-o", shard)
    return [r["ids"][:r["spans"][0][0]] for r in bench.json_lines(bench.tool("ds-show", "--json", shard))]


def long_prompt(model, tokens):
    """Words of the data, as many as give this number of tokens, or the most below it."""
    with open(STORY) as f:
        words = " ".join(r["output"] for r in json.load(f)).split()[:tokens]
    prompts = ["Go on with this: " + " ".join(words[:n]) for n in range(tokens // 2, len(words) + 1)]
    ids = prompt_ids(model, prompts)
    n = max(i for i, x in enumerate(ids) if len(x) <= tokens)
    return prompts[n], ids[n]


def ours(model, threads, requests, streams):
    """Answers as ft-chat gives them, and its peak memory."""
    text = "".join(json.dumps(r) + "\n" for r in requests)
    result = bench.watch([os.path.join(bench.BIN, "ft-chat"), "-m", model, "--template", "smollm2", "--system", "",
                          "--json", "--timings", f"--threads={threads}", f"--streams={streams}", "--context=2048"],
                         threads, text=text)
    return bench.json_lines(result["stdout"]), result["rss_mb"]


def theirs(model, threads, job):
    side = os.path.join(os.path.dirname(os.path.abspath(__file__)), "llama_side.py")
    result = bench.watch([sys.executable, side, model, str(threads)], threads, text=json.dumps(job))
    return json.loads(result["stdout"]), result["rss_mb"]


def decode_rate(lengths, seconds):
    return sum(n - 1 for n in lengths) / seconds


def measure(model, threads, story, short):
    """One run of each side: {measure: (ours, theirs)}, memory, how many answers are the same text."""
    ask = [{"prompt": short[0][0], "max_new_tokens": 2}, {"prompt": story[0], "max_new_tokens": 1},
           {"prompt": short[0][0], "max_new_tokens": NEW}]
    many = [{"prompt": p, "max_new_tokens": NEW_EACH} for p, _ in short]
    one, rss = ours(model, threads, ask, 1)
    together, rss_many = ours(model, threads, many, STREAMS)
    if [a["usage"]["prompt_tokens"] for a in (*one, *together)] != [
            len(i) for i in (short[0][1], story[1], short[0][1], *(i for _, i in short))]:
        raise RuntimeError("ft-chat fed other ids than ds-tokenize made")
    lengths = [a["tokens"] for a in together]
    job = {"warm": short[0][1], "long": story[1], "one": short[0][1], "n_one": one[2]["tokens"],
           "many": [i for _, i in short], "n_many": lengths}
    peer, peer_rss = theirs(model, threads, dict(job, many=[]))
    peer_many, peer_rss_many = theirs(model, threads, dict(job, one=[]))
    took = max(a["timings"]["answer_seconds"] for a in together)
    alike = sum(a["answer"] == b for a, b in zip((one[2], *together), (*peer["texts"], *peer_many["texts"])))
    return {"pp512": (len(story[1]) / one[1]["timings"]["prompt_seconds"], len(story[1]) / peer["long_seconds"]),
            "tg128": (decode_rate([one[2]["tokens"]], one[2]["timings"]["answer_seconds"]),
                      decode_rate([one[2]["tokens"]], peer["one_seconds"])),
            MANY: (decode_rate(lengths, took), decode_rate(lengths, peer_many["many_seconds"])),
            }, {"pp512": (rss, peer_rss), "tg128": (rss, peer_rss),
                MANY: (rss_many, peer_rss_many)}, f"{alike} of {1 + len(short)} answers alike"


def main(types):
    os.makedirs(bench.WORK, exist_ok=True)
    short = [f"Write a long story about a {s}." for s in SUBJECTS]
    for kind in types:
        folder = os.path.join(bench.WORK, f"gguf-{kind}")
        bench.tool("ft-merge", "-m", bench.MODEL, "-o", folder, "-f", "gguf", "-t", kind)
        model = os.path.join(folder, "model.gguf")
        if kind == types[0]:
            short = list(zip(short, prompt_ids(model, short)))
            story = long_prompt(model, 512)
        for threads in bench.THREADS:
            rates, memory, alike = {}, {}, ""
            for i in range(bench.RUNS):
                got, rss, alike = measure(model, threads, story, short)
                for name in got:
                    rates.setdefault(name, []).append(got[name])
                    memory.setdefault(name, []).append(rss[name])
                bench.say(f"chat, {kind}, {threads} threads: run {i + 1} of {bench.RUNS}")
            for name, pairs in rates.items():
                bench.row("chat", f"llama.cpp, {kind} {name}", "tokens/s", [a for a, _ in pairs],
                          [b for _, b in pairs], threads=threads, note=alike,
                          ours_rss_mb=bench.median([a for a, _ in memory[name]]),
                          peer_rss_mb=bench.median([b for _, b in memory[name]]))


if __name__ == "__main__":
    main(sys.argv[1:] or TYPES)
