# SPDX-License-Identifier: Apache-2.0
"""The Modelfile that ft-merge writes for each --template, as Ollama reads it.

Its lines by Ollama's grammar (parser/parser.go): a word, then a value in three quotes, in one, or to the
end of the line. The TEMPLATE executed by Go's text/template with what Ollama hands to it
(template/template.go: System, the system messages joined; Messages, those of one role in a row joined;
a missing key is empty), against the text that ds-tokenize feeds the trainer. Once with a tokenizer that puts
a bos token before a text, as llama.cpp does for Ollama, and once with one that does not.
Run:  python tests/parity/modelfile_in_go.py      (needs the programs go and zstd)
Made with Go 1.19, after Ollama of 2026-08-21.
"""
import json
import os
import shutil
import subprocess
import sys

import ours
from merged_in_transformers import conversations, fed
from templates_in_transformers import TEMPLATES, family

from transformers import AutoTokenizer

PROGRAM = """
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type message struct{ Role, Content string }

func main() {
	var cases []struct {
		Template, System string
		Messages         []message
	}
	out := []string{}
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	for _, c := range cases {
		var b strings.Builder
		t, err := template.New("").Option("missingkey=zero").Parse(c.Template)
		if err == nil {
			err = t.Execute(&b, map[string]any{"System": c.System, "Messages": c.Messages, "Response": "",
				"Think": false, "ThinkLevel": "", "IsThinkSet": false})
		}
		if err != nil {
			b.WriteString("error: " + err.Error())
		}
		out = append(out, b.String())
	}
	json.NewEncoder(os.Stdout).Encode(out)
}
"""
WORDS = {"FROM", "TEMPLATE", "SYSTEM", "ADAPTER", "PARAMETER", "LICENSE", "MESSAGE", "PARSER", "RENDERER",
         "REQUIRES", "DRAFT"}
PARAMETERS = {"stop": str, "temperature": float, "top_k": int, "top_p": float, "min_p": float,
              "repeat_penalty": float, "num_ctx": int}


def unquoted(text):
    for mark in '"""', '"':
        if text.startswith(mark):
            return text[len(mark):-len(mark)] if len(text) >= 2 * len(mark) and text.endswith(mark) else None
    return text


def read_modelfile(path):
    """(word, value) of each line; characters that Go does not call printable are lost in Ollama."""
    with open(path, newline="") as f:
        lines = f.read().split("\n")
    commands = []
    while lines:
        line = lines.pop(0)
        if not line.strip() or line.startswith("#"):
            continue
        word, _, value = line.partition(" ")
        if word == "PARAMETER":
            word, _, value = value.partition(" ")
            if word not in PARAMETERS:
                raise ValueError(f"PARAMETER {word}")
        elif word not in WORDS:
            raise ValueError(f"{word!r} begins a line")
        while unquoted(value.strip(" \t\r\n")) is None:
            if not lines:
                raise ValueError(f"{word}: the quotes do not end")
            value += "\n" + lines.pop(0)
        value = unquoted(value.strip(" \t\r\n"))
        if word in PARAMETERS:
            value = PARAMETERS[word](value)
        commands.append((word, value))
    return commands


def collate(messages):
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    out = []
    for m in messages:
        if out and out[-1]["Role"] == m["role"] and m["role"] != "tool":
            out[-1]["Content"] += "\n\n" + m["content"]
        else:
            out.append({"Role": m["role"], "Content": m["content"]})
    return system, out


def more_conversations():
    user, answer = {"role": "user", "content": "What is 2 + 2?"}, {"role": "assistant", "content": "Let me see. "}
    system = {"role": "system", "content": "S\n{{ .System }} {{\n\"\"quoted\"\" "}
    tool = {"role": "tool", "content": "{\"result\": 4}"}
    out = {k: v for k, v in conversations().items() if "special" not in k and "empty" not in k}
    out["braces in the system prompt"] = [system, user, answer, user]
    out["a tool's answer"] = [user, answer, tool]
    out["after a tool's answer"] = [user, answer, tool, answer, user]
    out["a system prompt and a tool"] = [system, user, answer, tool, answer]
    out["five turns"] = [user, answer] * 4 + [user]
    out["space around"] = [{"role": "user", "content": "\n ?\n"}, {"role": "assistant", "content": " !\n"}, user]
    return out


def adding_bos(base):
    place = base + "-bos"
    shutil.copytree(base, place)
    path = os.path.join(place, "tokenizer.json")
    with open(path) as f:
        doc = json.load(f)
    bos = next(t["id"] for t in doc["added_tokens"] if t["content"] == "<s>")
    doc["post_processor"] = {
        "type": "TemplateProcessing", "pair": [],
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [bos], "tokens": ["<s>"]}}}
    with open(path, "w") as f:
        json.dump(doc, f)
    return place


def main():
    report = ours.Report("Modelfiles in Go's text/template")
    program = os.path.join(ours.SCRATCH, "run.go")
    with open(program, "w") as f:
        f.write(PROGRAM)
    os.environ.setdefault("GOCACHE", os.path.join(ours.SCRATCH, "go"))
    base = family()
    cases, wanted = [], []
    for place, before in (base, ""), (adding_bos(base), "<s>"):
        tokenizer = AutoTokenizer.from_pretrained(place)
        for name in TEMPLATES:
            folder = os.path.join(ours.SCRATCH, f"go-{name}{before}")
            ours.tool("ft-merge", "-m", place, "--template", name, "-o", folder)
            commands = read_modelfile(os.path.join(folder, "Modelfile"))
            said = dict(commands)
            report.line([c for c, _ in commands[:2]] == ["FROM", "TEMPLATE"] and "num_ctx" in said,
                        f"{name}: " + ", ".join(c if c in WORDS - {"FROM"} else f"{c} {v}" for c, v in commands))
            for kind, messages in more_conversations().items():
                want = tokenizer.decode(fed(folder, name, messages), clean_up_tokenization_spaces=False)
                if messages[0]["role"] != "system" and said.get("SYSTEM"):
                    messages = [{"role": "system", "content": said["SYSTEM"]}, *messages]
                system, collated = collate(messages)
                cases.append({"Template": said["TEMPLATE"], "System": system, "Messages": collated})
                wanted.append((f"{name}, {'bos added' if before else 'no bos added'}, {kind}", before, want))
    done = subprocess.run(["go", "run", program], input=json.dumps(cases), text=True, capture_output=True)
    if done.returncode:
        sys.exit(done.stderr)
    same = 0
    for (what, before, want), text in zip(wanted, json.loads(done.stdout), strict=True):
        got = before + text
        if before and not want.startswith(before):
            want = before + want  # the trainer's template has none there
        same += got == want
        if got != want:
            report.same(what, want, got)
    report.line(same == len(wanted), f"{same} of {len(wanted)} texts equal")
    report.finish()


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    main()
