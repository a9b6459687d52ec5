# SPDX-License-Identifier: Apache-2.0
"""SFT and DPO: ft-sft and ft-dpo against llamafactory-cli train, on pipelines/soviet_v3.

Both sides read the same YAML, data folder, base and first adapter, go through the data in order, and
write a line of trainer_log.jsonl a step; when that line appears is the step's end, on both sides. The
first step is warm-up and counts on neither side. Runs alternate.

The peer twice: with LLaMA-Factory's defaults (bf16, gradient checkpointing), and the quickest of what it
can be set to without other mathematics: no checkpointing, the step's eight examples in batches of 1, 2 or
8, bf16 or (from a base in float32) fp32. Which one is found by short runs first.
"""
import json
import os
import shutil
import sys

import bench

YAML = os.path.join("pipelines", "soviet_v3", "{}.yaml")
CLI = os.path.join(os.path.dirname(sys.executable), "llamafactory-cli")
PROBE_STEPS = 3
DTYPES = {"bf16": ("base", {}), "fp32": ("base32", {"bf16": "false"})}
BATCHES = [(2, 4), (8, 1), (1, 8)]


def place(name):
    return os.path.join(bench.WORK, name)


class Log:
    """trainer_log.jsonl as it grows: the losses, the tokens, and when each line came."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "trainer_log.jsonl")
        self.rows, self.times, self.rest, self.at = [], [], "", 0

    def poll(self, now):
        try:
            size = os.stat(self.path).st_size
        except FileNotFoundError:
            return
        if size <= self.at:
            return
        with open(self.path) as f:
            f.seek(self.at)
            text = f.read()
        self.at += len(text.encode())
        *lines, self.rest = (self.rest + text).split("\n")
        for line in map(json.loads, lines):
            if "loss" in line:
                self.rows.append(line)
                self.times.append(now)


def run(argv, keys, threads, seconds=None):
    """One training run: what bench.watch says, and its log."""
    shutil.rmtree(keys["output_dir"], ignore_errors=True)
    log = Log(keys["output_dir"])
    result = bench.watch([*argv, *[f"{k}={v}" for k, v in keys.items()]], threads, seconds, log.poll)
    return dict(result, times=log.times, rows=log.rows)


def ours(stage, threads, keys, dtype="bf16"):
    base, more = DTYPES[dtype]
    keys = dict(keys, model_name_or_path=place(base), output_dir=place(f"{stage}-ours"), **more)
    result = run([os.path.join(bench.BIN, f"ft-{stage}"), "--json", f"--threads={threads}",
                  YAML.format(stage), place(f"{stage}.tok.zst")], keys, threads)
    return dict(result, seconds=json.loads(result["stdout"])["seconds"])


def theirs(stage, threads, keys, dtype="bf16", seconds=None, **more):
    base, dtype_keys = DTYPES[dtype]
    keys = dict(keys, model_name_or_path=place(base), output_dir=place(f"{stage}-peer"), use_cpu="true",
                report_to="none", overwrite_output_dir="true", **dtype_keys, **more)
    result = run([CLI, "train", YAML.format(stage)], keys, threads, seconds)
    summary = os.path.join(keys["output_dir"], "train_results.json")
    if not result["stopped"]:
        with open(summary) as f:
            result["seconds"] = json.load(f)["train_runtime"]
    return result


def whole_seconds(text):
    h, m, s = text.rsplit(":", 2)
    return 3600 * int(h) + 60 * int(m) + int(s)


def rate(result, tokens, first, last):
    """Tokens of data a second over steps first+1..last; None where the run did not come so far."""
    if not 1 <= first < last <= len(result["times"]):
        return None
    return (tokens[last - 1] - tokens[first - 1]) / (result["times"][last - 1] - result["times"][first - 1])


def largest_difference(a, b):
    pairs = list(zip(a["rows"], b["rows"]))
    return max((abs(x["loss"] - y["loss"]) / max(abs(y["loss"]), 1e-9) for x, y in pairs), default=None)


def curve(result):
    return [r["loss"] for r in result["rows"]]


def describe(dtype, batch, checkpointing):
    return f"{dtype}, batches of {batch[0]} x {batch[1]}, {'' if checkpointing else 'no '}checkpointing"


def settings(dtype, batch, checkpointing):
    return {"dtype": dtype, "per_device_train_batch_size": batch[0], "gradient_accumulation_steps": batch[1],
            "disable_gradient_checkpointing": "false" if checkpointing else "true"}


def quickest(stage, threads, keys, tokens):
    """Short runs of each setting; one that takes longer than the best so far is stopped."""
    best, limit, tried = None, bench.SECONDS, {}
    for dtype in ("fp32", "bf16"):
        for batch in BATCHES:
            name = describe(dtype, batch, False)
            result = theirs(stage, threads, dict(keys, max_steps=PROBE_STEPS), seconds=limit,
                            **settings(dtype, batch, False))
            tried[name] = rate(result, tokens, 1, PROBE_STEPS)
            bench.say(f"{stage}, {threads} threads: LLaMA-Factory, {name}: " + (
                f"{tried[name]:.0f} tokens/s" if tried[name] else f"stopped after {result['wall']:.0f} s"))
            if tried[name] and (not best or tried[name] > best[0]):
                best = (tried[name], dtype, batch, name)
                limit = min(limit, 1.3 * result["wall"])
    if not best:
        raise RuntimeError(f"LLaMA-Factory: no setting made {PROBE_STEPS} steps in {bench.SECONDS:.0f} s")
    return best[1], best[2], best[3], tried


def race(stage, threads, keys, what, peer_settings, dtypes, tried=None):
    """Alternating runs; a row for each of our dtypes. A peer that was stopped runs once."""
    mine, other = {d: [] for d in dtypes}, []
    for i in range(bench.RUNS):
        for dtype in dtypes:
            mine[dtype].append(ours(stage, threads, keys, dtype))
        other.append(theirs(stage, threads, keys, seconds=bench.SECONDS, **peer_settings))
        bench.say(f"{stage}, {threads} threads: {what}: run {i + 1} of {bench.RUNS}, {len(other[-1]['times'])} steps")
        if other[-1]["stopped"]:
            break
    for dtype in dtypes:
        report(stage, threads, what, dtype, mine[dtype], other, tried)


def report(stage, threads, what, dtype, mine, other, tried):
    tokens = [r["total_tokens"] for r in mine[0]["rows"]]
    done = min(len(r["times"]) for r in other)
    first, notes = 1, []
    if stage == "dpo" and done > (epoch := epoch_steps(mine[0])):
        first = epoch  # from the second epoch on: no reference pass on our side
        notes.append("second epoch")
    a = [rate(r, tokens, first, done) for r in mine]
    b = [rate(r, tokens, first, done) for r in other]
    if other[-1]["stopped"]:
        notes.append(f"peer stopped after {bench.SECONDS:.0f} s, {done} of {bench.STEPS} steps")
    if done == 1:  # its own clock, whole seconds, warm-up included on both sides
        a = [tokens[0] / max(whole_seconds(r["rows"][0]["elapsed_time"]), 1) for r in mine]
        b = [tokens[0] / max(whole_seconds(r["rows"][0]["elapsed_time"]), 1) for r in other]
        notes.append("the first step alone, with warm-up")
    elif not done:
        a, b = [rate(r, tokens, first, bench.STEPS) for r in mine], []
    bench.row(stage, f"LLaMA-Factory, {what}; ours {dtype}", "tokens/s", a, b, threads=threads,
              ours_rss_mb=bench.median([r["rss_mb"] for r in mine]),
              peer_rss_mb=bench.median([r["rss_mb"] for r in other]),
              ours_seconds=bench.median([r["seconds"] for r in mine]),
              peer_seconds=bench.median([r["seconds"] for r in other if "seconds" in r]),
              steps=[first + 1 if done > 1 else 1, done], ours_loss=curve(mine[0]), peer_loss=curve(other[0]),
              loss_difference=largest_difference(mine[0], other[0]), note="; ".join(notes),
              **({"tried": tried} if tried else {}))


def epoch_steps(result):
    return sum(r["epoch"] <= 1 + 1e-9 for r in result["rows"])


def prepare():
    """The base in both types, both shards, and the first adapter: ours after a step at rate 0."""
    for name, dtype in (("base", "BF16"), ("base32", "F32")):
        bench.tool("ft-merge", "-m", bench.MODEL, "-o", place(name), "--type", dtype)
    for stage in ("sft", "dpo"):
        bench.tool("ds-tokenize", "-t", place("base"), "-o", place(f"{stage}.tok.zst"), YAML.format(stage))
    shutil.rmtree(place("first"), ignore_errors=True)
    bench.tool("ft-sft", YAML.format("sft"), place("sft.tok.zst"), f"model_name_or_path={place('base')}",
               f"output_dir={place('first')}", "max_steps=1", "learning_rate=0", "plot_loss=false")


def main(stages):
    os.makedirs(bench.WORK, exist_ok=True)
    prepare()
    adapter = place("first")
    threads = bench.THREADS[0]
    for stage in ("sft", "dpo"):
        keys = {"adapter_name_or_path": adapter, "max_steps": bench.STEPS, "disable_shuffling": "true",
                "plot_loss": "false", "logging_steps": 1}
        once = ours(stage, threads, keys)
        if stage == "sft":  # DPO goes on from what SFT made
            adapter = place("sft-adapter")
            shutil.rmtree(adapter, ignore_errors=True)
            shutil.copytree(place("sft-ours"), adapter)
        if stage not in stages:
            continue
        dtype, batch, name, tried = quickest(stage, threads, keys, [r["total_tokens"] for r in once["rows"]])
        race(stage, threads, keys, name, settings(dtype, batch, False),
             ["bf16"] if dtype == "bf16" else ["bf16", "fp32"], tried)
        race(stage, threads, keys, "defaults", settings("bf16", BATCHES[0], True), ["bf16"])


if __name__ == "__main__":
    main(sys.argv[1:] or ["sft", "dpo"])
