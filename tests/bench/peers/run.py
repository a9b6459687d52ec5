# SPDX-License-Identifier: Apache-2.0
"""Runs the parts that can be run here, keeps their JSON lines, and prints one table.

    run.py OUTPUT.jsonl [PART...]      parts: sft dpo tokenize chat; a part that fails is said, and the rest runs
"""
import json
import os
import platform
import subprocess
import sys

import bench

HERE = os.path.dirname(os.path.abspath(__file__))
# Part: its package, and its command line. What is said of packages comes from the virtual environment.
PARTS = {"sft": ("llamafactory", ["train.py", "sft"]), "dpo": ("llamafactory", ["train.py", "dpo"]),
         "tokenize": ("tokenizers", ["tokenizers.py"]), "chat": ("llama-cpp-python", ["chat.py"])}
PACKAGES = ("llamafactory", "transformers", "peft", "trl", "torch", "tokenizers", "llama-cpp-python")


def processor():
    with open("/proc/cpuinfo") as f:
        names = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    with open("/proc/cpuinfo") as f:
        flags = next((line.split() for line in f if line.startswith("flags")), [])
    have = [n for n in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if n in flags]
    return f"{len(names)} x {names[0] if names else platform.machine()} ({' '.join(have)})"


def run_part(part, keep):
    """The part's rows; a row that says why, where there are none."""
    package, command = PARTS[part]
    script = os.path.join(HERE, command[0])
    if not os.path.exists(script):
        return [{"part": part, "what": f"not measured: there is no {command[0]} yet"}]
    if not bench.version(package):
        return [{"part": part, "what": f"not measured: {package} could not be installed"}]
    rows = []
    # tokenizers.py has the name of the package it measures: its folder must not come first.
    apart = ["-P"] if part == "tokenize" else []
    with subprocess.Popen([sys.executable, *apart, script, *command[1:]], stdout=subprocess.PIPE, text=True) as p:
        for line in p.stdout:
            keep.write(line)
            keep.flush()
            rows.append(json.loads(line))
    if p.returncode:
        rows.append({"part": part, "what": f"not finished: exit code {p.returncode}, see above"})
    return rows


def number(x):
    return "-" if x is None else f"{x:.3g}" if x < 100 else f"{x:.0f}"


def cells(r):
    memory = "/".join(number(r[k]) for k in ("ours_rss_mb", "peer_rss_mb") if r.get(k))
    loss = f"{r['loss_difference']:.1e}" if r.get("loss_difference") is not None else ""
    return [r.get("part", ""), r.get("what", ""), str(r.get("threads", "")), *[number(r.get(k)) for k in ("ours", "peer")],
            r.get("unit", ""), number(r.get("ratio")), memory, loss, r.get("note", "")]


def table(rows):
    head = ["part", "peer and what", "threads", "ours", "peer", "unit", "ratio", "MB", "loss", "note"]
    lines = [head, *[cells(r) for r in rows]]
    width = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, width)).rstrip() for line in lines)


def curves(r):
    """Both loss curves, side by side."""
    lines = [f"{r['part']}: {r['what']}: loss of each step (ours, peer)"]
    for i, (a, b) in enumerate(zip(r["ours_loss"], r["peer_loss"]), 1):
        lines.append(f"  {i:3d}  {a:.4f}  {b:.4f}")
    return "\n".join(lines)


def main(output, parts):
    os.makedirs(os.path.dirname(os.path.abspath(output)), exist_ok=True)
    head = {"bench": "peers", "part": "machine", "processor": processor(), "load": os.getloadavg()[0],
            "versions": {n: bench.version(n) for n in PACKAGES}, "runs": bench.RUNS}
    with open(output, "w") as keep:
        keep.write(json.dumps(head) + "\n")
        rows = [r for part in parts for r in run_part(part, keep)]
    for r in rows:
        if r.get("ours_loss") and r.get("peer_loss"):
            print(curves(r))
    print(f"\n{head['processor']}; load before: {head['load']:.2f}")
    print(", ".join(f"{k} {v or 'not installed'}" for k, v in head["versions"].items()))
    print(f"medians of {bench.RUNS} alternating runs; ratio: ours over peer; MB: peak resident, ours/peer\n")
    print(table(rows))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] or list(PARTS))
