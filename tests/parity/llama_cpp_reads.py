# SPDX-License-Identifier: Apache-2.0
"""GGUF files in ours and in llama.cpp: log-probabilities, fp32 on our side, an F32 cache and no flash
attention on theirs. The files are random models written with gguf-py, one per switch (rope_freqs, linear,
yarn, biases, norms, heads of their own size, tied heads) in F32, F16, BF16, Q8_0, Q4_0 and, through
llama.cpp's own quantiser, Q4_K; then tests/golden/gguf; then what is named.

llama.cpp rounds the other factor of a product to the weights' type. So each file is also compared as it
is after gguf-py has expanded it to F32, which llama.cpp then computes in fp32: there the bound is tight.
Run:  python tests/parity/llama_cpp_reads.py [MODEL.gguf...]
Made with llama-cpp-python 0.3.36 (llama.cpp's library 0.5.0), gguf 0.19.0.
"""
import ctypes
import glob
import importlib.metadata
import os
import random
import shutil
import sys

import ours

import gguf
import llama_cpp
import numpy as np
from gguf import GGMLQuantizationType as Q

SIZE = dict(hidden=256, ffn=512, layers=2, heads=4, kv=2, head=64, vocab=96, eps=1e-5, theta=10000.0, context=128)
LLAMA3 = dict(factor=8.0, low=1.0, high=4.0, original=32)
YARN = dict(type="yarn", factor=4.0, original=16)
CASES = {
    "llama": ("llama", {}),
    "llama, as many k and v, tied": ("llama", dict(kv=4, tied=True)),
    "llama, rope_freqs": ("llama", dict(llama3=LLAMA3, theta=500000.0)),
    "llama, linear": ("llama", dict(scaling=dict(type="linear", factor=2.0))),
    "llama, yarn": ("llama", dict(scaling=YARN)),
    "llama, yarn, attn_factor": ("llama", dict(scaling=dict(YARN, attn=1.3))),
    "llama, yarn, betas": ("llama", dict(scaling=dict(YARN, beta_fast=8.0, beta_slow=0.5))),
    "llama, biases": ("llama", dict(o_bias=True, qkv_bias=True, mlp_bias=True)),
    "llama, head size 32": ("llama", dict(head=32)),
    "qwen2": ("qwen2", dict(qkv_bias=True, theta=1000000.0)),
    "qwen2, tied, yarn": ("qwen2", dict(qkv_bias=True, tied=True, scaling=YARN)),
    "qwen3": ("qwen3", dict(norms=True, head=128, eps=1e-6)),
    "qwen3, tied, yarn": ("qwen3", dict(norms=True, tied=True, scaling=YARN)),
}
TYPES = {"F32": Q.F32, "F16": Q.F16, "BF16": Q.BF16, "Q8_0": Q.Q8_0, "Q4_0": Q.Q4_0, "Q4_K": None}
# Relative differences that the types of llama.cpp's products make; measured, and doubled.
LOOSE = {"F32": 1e-4, "F16": 5e-3, "BF16": 5e-2, "Q8_0": 0.1, "Q4_0": 0.2, "Q4_K": 0.2}


def permute(w, heads):
    """llama.cpp's order of the rows of q and k for its interleaved rotation."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def weights(p, kind):
    r = np.random.default_rng(len(p) * 7 + p["hidden"] + p["heads"])

    def matrix(rows, cols, scale=1.4):
        return (r.standard_normal((rows, cols)) * scale / cols ** 0.5).astype(np.float32)

    def vector(n, mean=0.0):
        return (mean + 0.3 * r.standard_normal(n)).astype(np.float32)
    q, kv = p["heads"] * p["head"], p["kv"] * p["head"]
    yield "token_embd.weight", matrix(p["vocab"], p["hidden"], 2.0 if p.get("tied") else 10.0)
    yield "output_norm.weight", vector(p["hidden"], 1.0)
    if not p.get("tied"):
        yield "output.weight", matrix(p["vocab"], p["hidden"])
    for i in range(p["layers"]):
        for name, rows, cols, bias in (
                ("attn_q", q, p["hidden"], "qkv_bias"), ("attn_k", kv, p["hidden"], "qkv_bias"),
                ("attn_v", kv, p["hidden"], "qkv_bias"), ("attn_output", p["hidden"], q, "o_bias"),
                ("ffn_gate", p["ffn"], p["hidden"], "mlp_bias"), ("ffn_up", p["ffn"], p["hidden"], "mlp_bias"),
                ("ffn_down", p["hidden"], p["ffn"], "mlp_bias")):
            turn = kind == "llama" and name in ("attn_q", "attn_k")
            heads = p["heads"] if name == "attn_q" else p["kv"]
            w = matrix(rows, cols)
            yield f"blk.{i}.{name}.weight", permute(w, heads) if turn else w
            if p.get(bias):
                b = vector(rows)
                yield f"blk.{i}.{name}.bias", permute(b, heads) if turn else b
        yield f"blk.{i}.attn_norm.weight", vector(p["hidden"], 1.0)
        yield f"blk.{i}.ffn_norm.weight", vector(p["hidden"], 1.0)
        if p.get("norms"):
            yield f"blk.{i}.attn_q_norm.weight", vector(p["head"], 1.0)
            yield f"blk.{i}.attn_k_norm.weight", vector(p["head"], 1.0)


def rope_freqs(p):
    """Divisors as llama.cpp's converter makes them of Llama 3's scaling."""
    s = p["llama3"]
    out = []
    for freq in 1.0 / p["theta"] ** (np.arange(0, p["head"], 2) / p["head"]):
        wave = 2 * np.pi / freq
        smooth = (s["original"] / wave - s["low"]) / (s["high"] - s["low"])
        out.append(1.0 if wave < s["original"] / s["high"] else s["factor"] if wave > s["original"] / s["low"]
                   else 1.0 / ((1 - smooth) / s["factor"] + smooth))
    return np.array(out, dtype=np.float32)


def metadata(w, p):
    w.add_block_count(p["layers"])
    w.add_context_length(p["context"])
    w.add_embedding_length(p["hidden"])
    w.add_feed_forward_length(p["ffn"])
    w.add_head_count(p["heads"])
    w.add_head_count_kv(p["kv"])
    w.add_key_length(p["head"])
    w.add_value_length(p["head"])
    w.add_rope_dimension_count(p["head"])
    w.add_layer_norm_rms_eps(p["eps"])
    w.add_rope_freq_base(p["theta"])
    w.add_vocab_size(p["vocab"])
    w.add_tokenizer_model("none")
    scaling = p.get("scaling")
    if scaling:
        w.add_rope_scaling_type(gguf.RopeScalingType(scaling["type"]))
        w.add_rope_scaling_factor(scaling["factor"])
        for key, add in (("original", w.add_rope_scaling_orig_ctx_len), ("attn", w.add_rope_scaling_attn_factors),
                         ("beta_fast", w.add_rope_scaling_yarn_beta_fast),
                         ("beta_slow", w.add_rope_scaling_yarn_beta_slow)):
            if key in scaling:
                add(scaling[key])


def put(w, name, array, kind):
    """Vectors stay F32, as everywhere."""
    kind = Q.F32 if array.ndim == 1 else kind
    if kind == Q.F32:
        w.add_tensor(name, array)
    else:
        w.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)


def finish(w):
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write(path, arch, p, kind):
    w = gguf.GGUFWriter(path, arch)
    metadata(w, p)
    for name, array in weights(p, arch):
        put(w, name, array, kind)
    if p.get("llama3"):
        w.add_tensor("rope_freqs.weight", rope_freqs(p))
    finish(w)


def quantize(path, source, kind):
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = kind
    params.pure = True
    if llama_cpp.llama_model_quantize(source.encode(), path.encode(), ctypes.byref(params)):
        sys.exit(f"{source}: llama.cpp does not quantize it")


def expand(path, source):
    """The same file with every tensor expanded by gguf-py."""
    reader = gguf.GGUFReader(source)
    arch = reader.fields["general.architecture"].contents()
    w = gguf.GGUFWriter(path, arch)
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key in ("general.architecture", "general.file_type"):
            continue
        sub = field.types[1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        w.add_key_value(key, field.contents(), field.types[0], sub_type=sub)
    for t in reader.tensors:
        w.add_tensor(t.name, gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32).reshape(
            tuple(int(n) for n in reversed(t.shape))))
    finish(w)


def theirs(path, sequences, scaling=None):
    model_params = llama_cpp.llama_model_default_params()
    model_params.use_extra_bufts = False  # no repacking: the plain products
    model = llama_cpp.llama_model_load_from_file(path.encode(), model_params)
    if not model:
        sys.exit(f"{path}: llama.cpp does not load it")
    vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    longest = max(len(s) for s in sequences)
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = -(-longest // 256) * 256
    params.type_k = params.type_v = llama_cpp.GGML_TYPE_F32
    params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
    # Of these families' files it does not read them itself.
    params.yarn_beta_fast = (scaling or {}).get("beta_fast", -1.0)
    params.yarn_beta_slow = (scaling or {}).get("beta_slow", -1.0)
    params.n_threads = params.n_threads_batch = 1
    context = llama_cpp.llama_init_from_model(model, params)
    result = []
    for ids in sequences:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        batch = llama_cpp.llama_batch_init(len(ids), 0, 1)
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
            batch.seq_id[i][0] = 0
        if llama_cpp.llama_decode(context, batch):
            sys.exit(f"{path}: llama.cpp does not decode")
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits(context), (len(ids), vocab)).astype(np.float64)
        logits -= logits.max(-1, keepdims=True)
        logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        result.append([float(logp[i, ids[i + 1]]) for i in range(len(ids) - 1)])
        llama_cpp.llama_batch_free(batch)
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)
    return result


def compare(report, what, path, sequences, loose, scaling=None):
    mine = ours.logprobs(path, None, sequences)
    wide = os.path.join(ours.SCRATCH, "wide.gguf")
    expand(wide, path)
    _, near, count = ours.difference(mine, theirs(wide, sequences, scaling))
    _, far, _ = ours.difference(mine, theirs(path, sequences, scaling))
    os.remove(wide)
    report.line(near <= 1e-4 and far <= loose, f"{what}: {count} values, relative {near:.2g} expanded (bound 1e-04), "
                                               f"{far:.2g} as it is (bound {loose:g})")


def texts(vocab, lengths, seed=9):
    r = random.Random(seed)
    return [[r.randrange(3, vocab) for _ in range(n)] for n in lengths]


def main(models):
    report = ours.Report("GGUF in llama.cpp: " + ", ".join(
        f"{k} {importlib.metadata.version(k)}" for k in ("llama-cpp-python", "gguf")))
    for name, (arch, more) in CASES.items():
        p = dict(SIZE, **more)
        f32 = os.path.join(ours.SCRATCH, "f32.gguf")
        write(f32, arch, p, Q.F32)
        for kind, code in TYPES.items():
            path = os.path.join(ours.SCRATCH, "model.gguf")
            if code is None:
                quantize(path, f32, llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_S)
            else:
                write(path, arch, p, code)
            compare(report, f"{name}, {kind}", path, texts(p["vocab"], (2, 9, 60)), LOOSE[kind],
                    p.get("scaling"))
            os.remove(path)
    for path in sorted(glob.glob(os.path.join(ours.GOLDEN, "gguf", "*.gguf"))):
        if "lora" not in path:
            compare(report, os.path.relpath(path, ours.GOLDEN), path, texts(3700, (2, 9, 60)), 5e-3)
    for path in models:
        sequences = [s for s in ours.encode(path, ours.PLAIN + ours.CHATS) if len(s) > 1]
        compare(report, os.path.basename(path), path, sequences, 0.5)
    shutil.rmtree(ours.SCRATCH)
    report.finish()


if __name__ == "__main__":
    quiet = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda level, text, data: None)
    llama_cpp.llama_cpp._lib.llama_log_set(quiet, None)
    main(sys.argv[1:])
