# SPDX-License-Identifier: Apache-2.0
"""What the scripts about llama.cpp share: libllama through llama-cpp-python's bindings, tensors of a
GGUF file through gguf-py, and tiny random models made with transformers."""
import ctypes
import json
import os
import shutil
import subprocess

import ours

import gguf
import llama_cpp as L
import numpy as np

PRINTED = []


@L.llama_log_callback
def _log(level, text, user):
    PRINTED.append(text.decode(errors="replace"))


L.llama_log_set(_log, ctypes.c_void_p(0))
L.llama_backend_init()

FTYPES = {"F32": L.LLAMA_FTYPE_ALL_F32, "F16": L.LLAMA_FTYPE_MOSTLY_F16, "BF16": L.LLAMA_FTYPE_MOSTLY_BF16,
          "Q8_0": L.LLAMA_FTYPE_MOSTLY_Q8_0, "Q4_0": L.LLAMA_FTYPE_MOSTLY_Q4_0,
          "Q4_K": L.LLAMA_FTYPE_MOSTLY_Q4_K_M}


def quantise(source, to, name):
    """What llama-quantize does."""
    params = L.llama_model_quantize_default_params()
    params.ftype = FTYPES[name]
    params.nthread = 2
    if L.llama_model_quantize(source.encode(), to.encode(), ctypes.byref(params)) != 0:
        raise SystemExit("llama_model_quantize: " + "".join(PRINTED[-5:]))


class Model:
    """A GGUF file in llama.cpp, on the CPU, with an F32 cache and without flash attention: as near to
    fp32 as it computes. Its products with F16 and BF16 weights round the other side to that type, with
    quantised weights to 8 bits."""

    def __init__(self, path, lora=(), vocab_only=False, n_ctx=1024):
        params = L.llama_model_default_params()
        params.n_gpu_layers = 0
        params.vocab_only = vocab_only
        params.use_extra_bufts = False  # repacked weights are computed with otherwise
        self.model = L.llama_model_load_from_file(path.encode(), params)
        if not self.model:
            raise SystemExit(f"llama.cpp does not load {path}: " + "".join(PRINTED[-5:]))
        self.vocab = L.llama_model_get_vocab(self.model)
        self.n_vocab = L.llama_vocab_n_tokens(self.vocab)
        self.ctx = None
        if vocab_only:
            return
        params = L.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = n_ctx
        params.type_k = params.type_v = L.GGML_TYPE_F32
        params.flash_attn_type = L.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.n_threads = params.n_threads_batch = 2
        self.ctx = L.llama_init_from_model(self.model, params)
        if not self.ctx:
            raise SystemExit(f"llama.cpp makes no context of {path}: " + "".join(PRINTED[-5:]))
        self.loras = []
        for name in lora:
            one = L.llama_adapter_lora_init(self.model, name.encode())
            if not one:
                raise SystemExit(f"llama.cpp does not load {name}: " + "".join(PRINTED[-5:]))
            self.loras.append(one)
        if self.loras:
            n = len(self.loras)
            array = (L.llama_adapter_lora_p_ctypes * n)(*self.loras)
            if L.llama_set_adapters_lora(self.ctx, array, n, (ctypes.c_float * n)(*[1.0] * n)) != 0:
                raise SystemExit("llama.cpp does not apply the adapters")

    def close(self):
        if self.ctx:
            L.llama_free(self.ctx)
        L.llama_model_free(self.model)

    def logits(self, ids):
        batch = L.llama_batch_init(len(ids), 0, 1)
        for i, token in enumerate(ids):
            batch.token[i] = token
            batch.pos[i] = i
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = 0
            batch.logits[i] = 1
        batch.n_tokens = len(ids)
        L.llama_memory_clear(L.llama_get_memory(self.ctx), True)
        if L.llama_decode(self.ctx, batch) != 0:
            raise SystemExit("llama_decode failed")
        got = np.ctypeslib.as_array(L.llama_get_logits(self.ctx), (len(ids), self.n_vocab)).astype(np.float64)
        L.llama_batch_free(batch)
        return got

    def logprobs(self, sequences):
        """As ours.logprobs: of all tokens but the first."""
        out = []
        for ids in sequences:
            x = self.logits(ids)[:-1]
            top = x.max(-1, keepdims=True)
            x -= top + np.log(np.exp(x - top).sum(-1, keepdims=True))
            out.append([float(x[i, t]) for i, t in enumerate(ids[1:])])
        return out

    def encode(self, text, bos=False, special=True):
        data = text.encode()
        room = len(data) + 16
        out = (L.llama_token * room)()
        n = L.llama_tokenize(self.vocab, data, len(data), out, room, bos, special)
        if n < 0:
            raise SystemExit("llama_tokenize failed")
        return list(out[:n])

    def adds_bos(self):
        return bool(L.llama_vocab_get_add_bos(self.vocab))

    def ends(self):
        return {i for i in range(self.n_vocab) if L.llama_vocab_is_eog(self.vocab, i)}

    def template(self):
        text = L.llama_model_chat_template(self.model, None)
        return text.decode() if text else None


def tensors(path):
    """name: (type, shape as GGUF has it, bytes)"""
    return {t.name: (t.tensor_type.name, tuple(int(n) for n in t.shape), np.asarray(t.data).tobytes())
            for t in gguf.GGUFReader(path).tensors}


def metadata(path):
    fields = gguf.GGUFReader(path).fields
    return {k: (f.types, f.contents()) for k, f in fields.items() if not k.startswith("GGUF.")}


def compare_tensors(report, what, mine, theirs, rounded=()):
    """Both files' tensors: the same names, shapes, types and bytes; of rounded ones the numbers to 1e-6."""
    a, b = tensors(mine), tensors(theirs)
    for n in rounded:
        if n in a and n in b and a[n][:2] == b[n][:2]:
            x, y = np.frombuffer(a[n][2], np.float32), np.frombuffer(b[n][2], np.float32)
            if np.abs(x / y - 1).max() < 1e-6:
                a[n] = b[n]
    report.same(f"{what}: names of the tensors", sorted(set(a) - set(b)), sorted(set(b) - set(a)))
    unlike = [f"{n}: {a[n][:2]} for {b[n][:2]}" for n in a if n in b and a[n][:2] != b[n][:2]]
    off = total = 0
    kinds = {}
    for n in a:
        if n not in b or a[n][:2] != b[n][:2]:
            continue
        x, y = np.frombuffer(a[n][2], np.uint8), np.frombuffer(b[n][2], np.uint8)
        off += int((x != y).sum()) if x.size == y.size else max(x.size, y.size)
        total += x.size
        kinds[a[n][0]] = kinds.get(a[n][0], 0) + 1
    types = ", ".join(f"{k} {v}" for k, v in sorted(kinds.items()))
    report.line(not unlike and not off, f"{what}: {len(a)} tensors ({types}), {total} bytes, {off} differ"
                + "".join("\n    " + u for u in unlike[:5]))


def unpack(path, to):
    with open(to, "wb") as f:
        subprocess.run(["zstd", "-dcq", path], stdout=f, check=True)


def golden_texts(name):
    """The texts of tests/golden/token/NAME.jsonl.zst."""
    path = os.path.join(ours.GOLDEN, "token", name + ".jsonl.zst")
    out = subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout.decode()
    return [r["text"] for r in ours.json_lines(out) if "text" in r]


def random_model(name, config_class, model_class, tokenizer, seed=5, **config):
    """A folder with a random fp32 model; tokenizer: a tokenizer.json, plain or packed."""
    import torch
    folder = os.path.join(ours.SCRATCH, name)
    torch.manual_seed(seed)
    model = model_class(config_class(**config))
    with torch.no_grad():
        for n, p in model.named_parameters():
            if p.ndim == 1:
                p.normal_(0.0 if n.endswith("bias") else 1.0, 0.1)
            else:
                p.normal_(0.0, 0.7 / p.shape[1] ** 0.5 if "embed" not in n else 0.7)
    model.float().save_pretrained(folder)
    to = os.path.join(folder, "tokenizer.json")
    if tokenizer.endswith(".zst"):
        unpack(tokenizer, to)
    else:
        shutil.copy(tokenizer, to)
    return folder


def vocabulary_size(tokenizer):
    with open(tokenizer) as f:
        t = json.load(f)
    return max([*t["model"]["vocab"].values(), *(a["id"] for a in t["added_tokens"])]) + 1
