# SPDX-License-Identifier: Apache-2.0
"""llama.cpp's side of chat.py: MODEL THREADS; a job in JSON on standard input, seconds on standard output."""
import ctypes
import json
import sys
import time

import llama_cpp as L
import numpy as np

CONTEXT = 2048


@L.llama_log_callback
def quiet(level, text, user):
    pass


class Llama:
    def __init__(self, path, threads, sequences):
        L.llama_log_set(quiet, ctypes.c_void_p(0))
        L.llama_backend_init()
        params = L.llama_model_default_params()
        params.n_gpu_layers = 0
        self.model = L.llama_model_load_from_file(path.encode(), params)
        if not self.model:
            sys.exit(f"llama.cpp does not load {path}")
        self.vocab = L.llama_model_get_vocab(self.model)
        self.n_vocab = L.llama_vocab_n_tokens(self.vocab)
        params = L.llama_context_default_params()
        params.n_ctx = max(CONTEXT, 256 * sequences)
        params.n_batch = max(params.n_batch, CONTEXT)
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = threads
        self.ctx = L.llama_init_from_model(self.model, params)
        if not self.ctx:
            sys.exit(f"llama.cpp makes no context of {path}")
        self.batch = L.llama_batch_init(params.n_batch, 0, 1)

    def add(self, token, position, sequence, wanted):
        b, i = self.batch, self.batch.n_tokens
        b.token[i], b.pos[i], b.n_seq_id[i], b.logits[i] = token, position, 1, wanted
        b.seq_id[i][0] = sequence
        b.n_tokens = i + 1
        return i

    def decode(self):
        if L.llama_decode(self.ctx, self.batch) != 0:
            sys.exit("llama_decode failed")
        L.llama_synchronize(self.ctx)
        self.batch.n_tokens = 0

    def likeliest(self, i):
        logits = np.ctypeslib.as_array(L.llama_get_logits_ith(self.ctx, i), (self.n_vocab,))
        return int(logits.argmax())

    def answers(self, prompts, lengths):
        """Greedy answers of these lengths, together; seconds until all have their first token, and from there on."""
        L.llama_memory_clear(L.llama_get_memory(self.ctx), True)
        begun = time.perf_counter()
        last = []
        for s, ids in enumerate(prompts):
            for k, token in enumerate(ids):
                i = self.add(token, k, s, k == len(ids) - 1)
            last.append(i)
        self.decode()
        out = [[self.likeliest(i)] for i in last]
        first = time.perf_counter()
        for n in range(1, max(lengths)):
            rows = [(s, self.add(out[s][-1], len(prompts[s]) + n - 1, s, True))
                    for s in range(len(prompts)) if n < lengths[s]]
            self.decode()
            for s, i in rows:
                out[s].append(self.likeliest(i))
        return out, first - begun, time.perf_counter() - first

    def text(self, ids):
        piece, parts = ctypes.create_string_buffer(256), b""
        for token in ids:
            n = L.llama_token_to_piece(self.vocab, token, piece, 256, 0, False)
            parts += piece.raw[:n]
        return parts.decode(errors="replace")


def main(path, threads):
    job = json.load(sys.stdin)
    model = Llama(path, threads, max(1, len(job["many"])))
    result = {"texts": []}
    model.answers([job["warm"]], [2])
    if job["one"]:
        _, result["long_seconds"], _ = model.answers([job["long"]], [1])
        out, _, result["one_seconds"] = model.answers([job["one"]], [job["n_one"]])
        result["texts"] += [model.text(ids) for ids in out]
    if job["many"]:
        out, _, result["many_seconds"] = model.answers(job["many"], job["n_many"])
        result["texts"] += [model.text(ids) for ids in out]
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
