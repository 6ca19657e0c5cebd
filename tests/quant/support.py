"""What the tests of the quantisation tool share."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import gguf
import numpy as np
import pytest

from tests.support.tiny_model import NUM_TOKENS, WIDTH, Tensors, add_tokenizer, add_transformer

Q4_0, Q8_0, Q4_K_M = 2, 7, 15  # llama_ftype
LLAMA_BIN = "EDGELLM_LLAMA_BIN"  # the folder of llama.cpp's own tools, to compare with
NUM_EXPERTS = 4


def quantise(source: Path, target: Path, file_type: int) -> Path:
    """What `llama-quantize` makes, through the library."""
    from llama_cpp import llama_cpp as lib

    quiet = lib.llama_log_callback(lambda level, text, user_data: None)  # must live that long
    lib.llama_log_set(quiet, None)
    params = lib.llama_model_quantize_default_params()
    params.ftype, params.nthread = file_type, 1
    status = lib.llama_model_quantize(
        os.fsencode(source), os.fsencode(target), ctypes.byref(params)
    )
    lib.llama_log_set(lib.llama_log_callback(), None)
    assert status == 0
    return target


def llama_tool(name: str) -> Path:
    """One of llama.cpp's tools; skips the test where the environment names no folder of them."""
    folder = os.environ.get(LLAMA_BIN)
    if not folder:
        pytest.skip(f"{LLAMA_BIN} names no folder of llama.cpp's tools")
    return Path(folder) / name


def write_mixture(path: Path) -> Path:
    """A tiny mixture of NUM_EXPERTS experts, of which two answer for each token."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_expert_count(NUM_EXPERTS)
    writer.add_expert_used_count(2)
    add_tokenizer(writer, None)
    add_transformer(writer, layers=2)
    tensors = Tensors(writer, np.random.default_rng(3))
    tensors.add("token_embd.weight", NUM_TOKENS, WIDTH)
    tensors.add("output_norm.weight", WIDTH)
    tensors.add("output.weight", NUM_TOKENS, WIDTH)
    for layer in range(2):
        block = f"blk.{layer}."
        tensors.add(block + "attn_norm.weight", WIDTH)
        tensors.add(block + "ffn_norm.weight", WIDTH)
        tensors.add_attention(block)
        tensors.add(block + "ffn_gate_inp.weight", NUM_EXPERTS, WIDTH)
        tensors.add(block + "ffn_gate_exps.weight", NUM_EXPERTS, WIDTH * 2, WIDTH)
        tensors.add(block + "ffn_up_exps.weight", NUM_EXPERTS, WIDTH * 2, WIDTH)
        tensors.add(block + "ffn_down_exps.weight", NUM_EXPERTS, WIDTH, WIDTH * 2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
