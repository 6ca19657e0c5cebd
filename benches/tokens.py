"""Counting tokens without the engine: are they llama.cpp's, and what does it cost?

    python -m benches.tokens MODEL.gguf...      (a vocabulary without tensors will do)

`equal` counts the sample texts of `edgellm/tokens/check.py` whose tokens are the same, control
tokens parsed or not. `of llama.cpp` is the time to count the tokens of 400 kB of them against
llama.cpp's, medians of interleaved rounds. `build` is the time from the file to an encoding,
`memory` what stays of it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import llama_cpp
import psutil

from benches._report import number, print_table
from benches._stats import median
from edgellm.tokens.check import SAMPLES
from edgellm.tokens.encoding import make_encoding
from edgellm.tokens.vocabulary import read_vocabulary

ROUNDS = 7
TEXT_BYTES = 400_000


def resident_mb() -> float:
    return psutil.Process().memory_info().rss / 1e6


def control_texts(llama: llama_cpp.Llama) -> list[str]:
    """What llama.cpp takes for control tokens."""
    vocab = llama_cpp.llama_model_get_vocab(llama.model)
    return [
        llama_cpp.llama_vocab_get_text(vocab, token).decode("utf-8", "replace")
        for token in range(llama.n_vocab())
        if llama_cpp.llama_vocab_get_attr(vocab, token) & llama_cpp.LLAMA_TOKEN_ATTR_CONTROL
    ]


def measure(path: Path) -> list[str]:
    """A row of the table."""
    llama = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
    control = control_texts(llama)
    before, began = resident_mb(), time.perf_counter()
    encoding = make_encoding(read_vocabulary(path), control)
    build = time.perf_counter() - began
    memory = resident_mb() - before
    if encoding is None:
        return [path.name, "no encoding", "", "", ""]
    same = sum(
        encoding.encode(text, parse_special=special)
        == llama.tokenize(text.encode(), add_bos=False, special=special)
        for text in SAMPLES
        for special in (True, False)
    )
    text = "\n".join(SAMPLES)
    text *= TEXT_BYTES // len(text.encode())
    data = text.encode()
    ratios = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        encoding.encode(text)
        middle = time.perf_counter()
        llama.tokenize(data, add_bos=False, special=True)
        ratios.append((middle - began) / (time.perf_counter() - middle))
    equal = f"{same} of {2 * len(SAMPLES)}"
    return [path.name, equal, *map(number, (median(ratios), build, memory))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+", type=Path)
    head = ["model", "equal", "of llama.cpp", "build, s", "memory, MB"]
    print_table(head, [measure(path) for path in parser.parse_args().models])


if __name__ == "__main__":
    main()
