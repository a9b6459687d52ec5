# SPDX-License-Identifier: Apache-2.0
"""What the parts share: settings from the environment, programs run and watched, rows of the table.

No heavy import here: a child's peak memory begins with that of the process it is forked from.
"""
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BIN = os.environ.get("BIN", os.path.join(ROOT, "build", "bin"))
WORK = os.environ.get("PEERS_WORK", os.path.join(ROOT, "build", "bench", "peers"))
MODEL = os.path.join(ROOT, "models", "smollm2-135m-instruct", "model.gguf")
RUNS = int(os.environ.get("PEERS_RUNS", "3"))
STEPS = int(os.environ.get("PEERS_STEPS", "10"))
SECONDS = float(os.environ.get("PEERS_SECONDS", "600"))
THREADS = [int(n) for n in os.environ.get("PEERS_THREADS", f"{os.cpu_count()} 1").split()]
POLL = 0.02


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def environment(threads):
    """A child's: so many threads whatever it is made with, no network, caches below WORK."""
    env = dict(os.environ, HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HOME=os.path.join(WORK, "hf"),
               TOKENIZERS_PARALLELISM="false", TRANSFORMERS_VERBOSITY="error", CUDA_VISIBLE_DEVICES="",
               PYTHONWARNINGS="ignore")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        env[name] = str(threads)
    return env


def tool(name, *args, text=None):
    """One of our tools; its standard output."""
    done = subprocess.run([os.path.join(BIN, name), *args], input=text, text=True, capture_output=True, cwd=ROOT)
    if done.returncode:
        sys.exit(f"{name} {' '.join(args)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def json_lines(text):
    return [json.loads(line) for line in text.split("\n") if line]


def watch(argv, threads, seconds=None, poll=None, text=None):
    """Runs a program to its end, or stops it after so many seconds. poll(now) is called all the while.
    Its peak resident memory (MB), whether it was stopped, and its standard output."""
    os.makedirs(WORK, exist_ok=True)
    log = os.path.join(WORK, "last.log")
    begun = time.monotonic()
    with open(log, "w+") as err, open(os.path.join(WORK, "last.out"), "w+") as out, \
            open(os.path.join(WORK, "last.in"), "w+") as source:
        source.write(text or "")
        source.seek(0)
        child = subprocess.Popen(argv, stdin=source, stdout=out, stderr=err, cwd=ROOT, env=environment(threads))
        stopped = False
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            now = time.monotonic()
            if poll:
                poll(now)
            if pid:
                break
            if seconds and now - begun > seconds and not stopped:
                stopped = True
                child.kill()
            time.sleep(POLL)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        printed = out.read()
    if child.returncode and not stopped:
        with open(log) as f:
            tail = f.read()[-2000:]
        raise RuntimeError(f"{' '.join(argv[:3])} …: exit code {child.returncode}\n{tail}")
    return {"rss_mb": usage.ru_maxrss / 1024, "stopped": stopped, "stdout": printed,
            "wall": time.monotonic() - begun}


def median(values):
    return statistics.median(values) if values else None


def rounded(x):
    if isinstance(x, float):
        return float(f"{x:.6g}")
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    return [rounded(v) for v in x] if isinstance(x, (list, tuple)) else x


def row(part, what, unit, ours, peer, **more):
    """A line of the table: lists of measures of both sides, their medians, and the ratio of those."""
    a, b = median(ours), median(peer)
    line = {"bench": "peers", "part": part, "what": what, "unit": unit, "ours": a, "peer": b,
            "ratio": a / b if a and b else None, "ours_runs": ours, "peer_runs": peer, **more}
    print(json.dumps(rounded(line), ensure_ascii=False), flush=True)
