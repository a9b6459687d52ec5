# SPDX-License-Identifier: Apache-2.0
"""What the parity scripts share: our tools as functions, the oracle's log-probabilities, and a report.

Our side is the tools of build/bin (BIN= names another folder). The other side is what the virtual
environment holds.
"""
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("BIN", os.path.join(ROOT, "build", "bin"))
GOLDEN = os.path.join(ROOT, "tests", "golden")
SCRATCH = tempfile.mkdtemp(prefix="anekdot-parity-")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def versions():
    names = ("transformers", "peft", "trl", "tokenizers", "torch")
    have = {}
    for name in names:
        try:
            have[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return have


def tool(name, *args, text=None, check=True):
    """Runs one of our tools; its standard output."""
    done = subprocess.run([os.path.join(BIN, name), *args], input=text, text=True, capture_output=True)
    if check and done.returncode:
        sys.exit(f"{name} {' '.join(args)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def json_lines(text):
    return [json.loads(line) for line in text.split("\n") if line]


def logprobs(model, adapters, sequences, dtype="float32", device="auto", context=0):
    """Ours: for each list of ids, the natural log-probabilities of all but the first."""
    text = "".join(json.dumps({"ids": ids}) + "\n" for ids in sequences)
    out = tool("ft-eval", "--logprobs", "-m", model, *(["-a", adapters] if adapters else []), "--dtype", dtype,
               "--device", device, *(["--context", str(context)] if context else []), text=text)
    return [line["logprobs"][1:] for line in json_lines(out)]


def torch_logprobs(model, sequences):
    """Theirs: the same from a transformers (or PEFT) model, softmax in float64."""
    import torch
    result = []
    with torch.no_grad():
        for ids in sequences:
            logits = model(torch.tensor([ids])).logits[0, :-1].double()
            logp = torch.log_softmax(logits, -1)
            result.append(logp.gather(-1, torch.tensor(ids[1:])[:, None])[:, 0].tolist())
    return result


def encode(tokenizer, texts):
    """Ours: ids of plain texts."""
    lines = "".join(json.dumps({"text": t}, ensure_ascii=False) + "\n" for t in texts)
    return [line["ids"] for line in json_lines(tool("ds-tokenize", "--ids", "-t", tokenizer, text=lines))]


def chat_prompt(tokenizer, template, user, *options):
    """Ours: the ids of a chat's first prompt, as the trainer sees them."""
    path = os.path.join(SCRATCH, "prompt.json")
    with open(path, "w") as f:
        json.dump([{"instruction": user, "input": "", "output": "x"}], f)
    shard = os.path.join(SCRATCH, "prompt.tok.zst")
    tool("ds-tokenize", "-t", tokenizer, "--template", template, "--stage", "sft", "-d", path, "-o", shard,
         *options)
    example = json_lines(tool("ds-show", "--json", shard))[0]
    return example["ids"][:example["spans"][0][0]]


def write_shard(path, records):
    tool("ds-tokenize", "--from-ids", "-o", path, text="".join(json.dumps(r) + "\n" for r in records))


def train(name, config, shard):
    """ft-sft or ft-dpo with these keys; the rows of its log."""
    tool(name, *[f"{k}={json.dumps(v) if isinstance(v, bool) else v}" for k, v in config.items()], shard)
    with open(os.path.join(config["output_dir"], "trainer_log.jsonl")) as f:
        return json_lines(f.read())


def difference(got, want):
    """Largest |got - want|, and the same over max(1, |want|), over lists of lists."""
    absolute = relative = 0.0
    count = 0
    for g, w in zip(got, want, strict=True):
        for a, b in zip(g, w, strict=True):
            d = abs(a - b)
            count += 1
            absolute = max(absolute, d if d == d else float("inf"))
            relative = max(relative, (d if d == d else float("inf")) / max(1.0, abs(b)))
    return absolute, relative, count


def mean_difference(got, want):
    d = [abs(a - b) for g, w in zip(got, want, strict=True) for a, b in zip(g, w, strict=True)]
    return sum(d) / len(d)


class Report:
    """Prints a line per comparison; finish() exits 1 when one was beyond its bound."""

    def __init__(self, title):
        self.failures = 0
        print(f"{title}: " + ", ".join(f"{k} {v}" for k, v in versions().items()))

    def line(self, good, text):
        self.failures += not good
        print(("ok    " if good else "DIFFERS ") + text, flush=True)

    def numbers(self, what, got, want, bound):
        absolute, relative, count = difference(got, want)
        self.line(relative <= bound, f"{what}: {count} values, largest difference {absolute:.3g}, relative "
                                     f"{relative:.3g} (bound {bound:g})")

    def same(self, what, got, want):
        self.line(got == want, what + ("" if got == want else f"\n    ours:   {got!r}\n    theirs: {want!r}"))

    def note(self, text):
        print("      " + text, flush=True)

    def finish(self):
        print("all within bounds" if not self.failures else f"{self.failures} beyond bounds")
        sys.exit(bool(self.failures))


def words(text):
    return re.sub(r"\s+", " ", text).strip()


# Ordinary texts of several kinds.
PLAIN = ["The capital of France is Paris, and the capital of Italy is Rome.",
         "int main(void)\n{\n\treturn 0;\n}\n",
         "你好，今天天气怎么样？ Привет! 12345 + 67890 = 80235"]
CHATS = ["Tell me a joke about the queue for bread.", "Hello! How are you today?",
         "Write one sentence about the number 1917."]
