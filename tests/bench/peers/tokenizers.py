# SPDX-License-Identifier: Apache-2.0
"""Text to ids against Hugging Face tokenizers: the same lines, the same tokenizer, without loading.

    tokenizers.py [CORPUS.txt]      default: ANEKDOT_CORPUS, or tests/golden/token/mixed.txt sixteen times

Ours is build/tests/bench/tokenize, theirs the quickest of four ways to call them, found in the first run.
Both sides must make as many tokens. One thread is measured in processor time, more in wall time.
"""
import json
import os
import subprocess
import sys
import time

from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(HERE)  # behind the package of this file's name
import bench  # noqa: E402

WAYS = {
    "encode_batch_fast, 1000 lines": lambda t, lines: sum(
        len(e) for i in range(0, len(lines), 1000)
        for e in t.encode_batch_fast(lines[i:i + 1000], add_special_tokens=False)),
    "encode_batch_fast, all lines": lambda t, lines: sum(
        len(e) for e in t.encode_batch_fast(lines, add_special_tokens=False)),
    "encode_batch, 1000 lines": lambda t, lines: sum(
        len(e) for i in range(0, len(lines), 1000) for e in t.encode_batch(lines[i:i + 1000], add_special_tokens=False)),
    "encode, each line": lambda t, lines: sum(len(t.encode(x, add_special_tokens=False)) for x in lines),
}


def child(tokenizer, corpus, way):
    """Their side, in a process that has its threads from the environment."""
    t = Tokenizer.from_file(tokenizer)
    with open(corpus, encoding="utf-8", newline="\n") as f:
        lines = f.read().split("\n")[:-1]
    WAYS[way](t, lines[:2000])
    wall, cpu = time.perf_counter(), time.process_time()
    tokens = WAYS[way](t, lines)
    print(json.dumps({"tokens": tokens, "seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}))


def theirs(tokenizer, corpus, threads, way):
    env = dict(os.environ, RAYON_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="true" if threads > 1 else "false")
    out = subprocess.run([sys.executable, "-P", os.path.abspath(__file__), "--child", tokenizer, corpus, way], env=env,
                         check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def ours(tokenizer, corpus, threads):
    program = os.path.join(bench.ROOT, "build", "tests", "bench", "tokenize")
    out = subprocess.run([program, "lines" if threads == 1 else "threads", tokenizer, corpus, "1" if threads == 1 else
                          str(threads)], check=True, capture_output=True, text=True).stdout
    return json.loads(out.strip().split("\n")[-1])


def compare(name, mine, other, corpus, threads):
    unit = "cpu_seconds" if threads == 1 else "seconds"
    size = os.path.getsize(corpus) / 1e6
    way = min(WAYS, key=lambda w: theirs(other, corpus, threads, w)[unit])
    a, b, tokens = [], [], set()
    for i in range(bench.RUNS):
        for side, got in ((a, ours(mine, corpus, threads)), (b, theirs(other, corpus, threads, way))):
            side.append(size / got[unit])
            tokens.add(got["tokens"])
        bench.say(f"tokenize, {name}, {threads} threads: run {i + 1} of {bench.RUNS}")
    same = f"{tokens.pop()} tokens on both sides" if len(tokens) == 1 else f"TOKENS DIFFER: {sorted(tokens)}"
    bench.row("tokenize", f"tokenizers, {name}", "MB/s", a, b, threads=threads, way=way, note=same)


def main(corpus):
    os.makedirs(bench.WORK, exist_ok=True)
    golden = os.path.join(bench.ROOT, "tests", "golden", "token")
    subprocess.run(["make", "-s", "build/tests/bench/tokenize"], cwd=bench.ROOT, check=True, stdout=sys.stderr)
    if not corpus:
        corpus = os.path.join(bench.WORK, "corpus.txt")
        with open(corpus, "wb") as f:
            f.write(subprocess.run(["zstd", "-dqc", f"{golden}/mixed.txt.zst"], check=True, stdout=subprocess.PIPE).stdout * 16)
    qwen = os.path.join(bench.WORK, "qwen3.tokenizer.json")
    subprocess.run(["zstd", "-dqf", f"{golden}/qwen3.tokenizer.json.zst", "-o", qwen], check=True)
    pairs = [("Qwen3", qwen, qwen)]
    if os.path.exists(bench.MODEL):
        folder = os.path.join(bench.WORK, "smollm2")
        bench.tool("ft-merge", "-m", bench.MODEL, "-o", folder, "-f", "hf")
        pairs.append(("SmolLM2", bench.MODEL, os.path.join(folder, "tokenizer.json")))
    for name, mine, other in pairs:
        for threads in sorted(set(bench.THREADS)):
            compare(name, mine, other, corpus, threads)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("ANEKDOT_CORPUS"))
