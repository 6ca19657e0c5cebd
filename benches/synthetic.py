"""Write a model of a real shape with random weights: honest for speed and memory, not for text.

    python -m benches.synthetic qwen3-0.6b [--quant Q4_K_M] [--seed 0] [--folder benches/models]

Prints the path of the GGUF file, which is made once and kept. The same seed gives the same file.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np

from benches._noise import noise
from benches._shapes import (
    CONV_KERNEL,
    FULL_ATTENTION_INTERVAL,
    SHAPES,
    STATE_HEAD_DIM,
    STATE_KEY_HEADS,
    Shape,
)
from benches._tokenizer import add_tokenizer, make_vocabulary
from benches._weights import Tensor, Weights

MODELS = Path(__file__).parent / "models"
_PRECISE = ("ffn_gate_inp", "ssm_conv1d")  # matrices, but small: routers of experts, convolutions
_OUTPUT_TYPES = {"Q4_K_M": "Q5_K", "Q5_K_M": "Q6_K", "Q6_K": "Q8_0"}
FORMAT = 1  # raised when the same seed gives other weights than before


def synthetic_model(name: str, quant: str = "Q4_K_M", seed: int = 0, folder: Path = MODELS) -> Path:
    """The model's file, made if it is not there yet. `quant` as llama.cpp calls it, or F16."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name}-v{FORMAT}-seed{seed}"
    source, target = folder / f"{stem}-F16.gguf", folder / f"{stem}-{quant}.gguf"
    if not target.exists() and not source.exists():
        _replace(source, lambda path: write_model(path, name, SHAPES[name], seed))
    if not target.exists():
        _replace(target, lambda path: quantise(source, path, quant))
    return target


def write_model(path: Path, name: str, shape: Shape, seed: int) -> None:
    """Write the matrices as F16, a tensor at a time."""
    vocabulary = make_vocabulary(shape.vocab)
    made = Weights(shape, vocabulary, seed).tensors() if shape.has_circuit else noise(shape, seed)
    tensors = list(made)
    writer = gguf.GGUFWriter(path, shape.arch)
    _add_metadata(writer, f"synthetic {name}", shape)
    add_tokenizer(writer, vocabulary)
    for tensor in tensors:
        kind = _kind(tensor)
        size = int(np.prod(tensor.shape)) * kind.itemsize
        writer.add_tensor_info(tensor.name, tensor.shape, kind, size)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in tensors:
        kind = _kind(tensor)
        parts = [part.astype(kind) for part in tensor.make()]
        writer.write_tensor_data(parts[0] if len(parts) == 1 else np.concatenate(parts))
    writer.close()


def quantise(source: Path, target: Path, quant: str) -> None:
    """Quantise with llama.cpp on every CPU. `quant` is a name such as Q4_K_M or Q8_0."""
    from llama_cpp import llama_cpp as lib

    lib.llama_log_set(lib.llama_log_callback(), None)  # stderr, and nobody's who is gone
    params = lib.llama_model_quantize_default_params()
    params.ftype = gguf.LlamaFileType[f"MOSTLY_{quant}"]
    params.nthread = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    more = _more_bits(quant)
    if more:
        params.tt_overrides = more
    paths = os.fsencode(source), os.fsencode(target)
    if lib.llama_model_quantize(*paths, ctypes.byref(params)) != 0:
        raise RuntimeError(f"llama.cpp cannot quantise {source} to {quant}")


def _more_bits(quant: str) -> ctypes.Array[ctypes.Structure] | None:
    """What Qwen3.5's files give the outputs of its DeltaNet layers beyond llama.cpp's own rules.
    Inferred: it explains the published sizes of both models in these types, and Q8_0 needs none."""
    from llama_cpp import llama_cpp as lib

    if quant not in _OUTPUT_TYPES:
        return None
    kind = gguf.GGMLQuantizationType[_OUTPUT_TYPES[quant]]
    end = lib.llama_model_tensor_override(None, 0)
    return (lib.llama_model_tensor_override * 2)(
        lib.llama_model_tensor_override(b"ssm_out", kind), end
    )


def _kind(tensor: Tensor) -> np.dtype[np.floating]:
    """As llama.cpp's converter does it: what is small keeps its precision."""
    is_small = len(tensor.shape) == 1 or any(part in tensor.name for part in _PRECISE)
    return np.dtype(np.float32 if is_small else np.float16)


def _add_metadata(writer: gguf.GGUFWriter, name: str, shape: Shape) -> None:
    writer.add_name(name)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(
        shape.head_dim // 4 if shape.arch == "qwen35" else shape.head_dim
    )
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    if shape.window:
        writer.add_sliding_window(shape.window)
    if shape.experts:
        writer.add_expert_count(shape.experts)
        writer.add_expert_used_count(shape.experts_used)
    if shape.arch == "granitemoe":
        _add_granite_scales(writer)
    if shape.state_heads:
        _add_delta_net(writer, shape)


def _add_granite_scales(writer: gguf.GGUFWriter) -> None:
    """Of Granite 3.1 1B A400M, as its maker published them."""
    writer.add_embedding_scale(12.0)
    writer.add_residual_scale(0.22)
    writer.add_logit_scale(6.0)
    writer.add_attention_scale(0.015625)


def _add_delta_net(writer: gguf.GGUFWriter, shape: Shape) -> None:
    """Of Qwen3.5, as llama.cpp's converter writes it."""
    writer.add_ssm_conv_kernel(CONV_KERNEL)
    writer.add_ssm_state_size(STATE_HEAD_DIM)
    writer.add_ssm_group_count(STATE_KEY_HEADS)
    writer.add_ssm_time_step_rank(shape.state_heads)
    writer.add_ssm_inner_size(shape.state_width)
    writer.add_full_attention_interval(FULL_ATTENTION_INTERVAL)
    writer.add_rope_dimension_sections([11, 11, 10, 0])


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    """No half file under the final name."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("--quant", default="Q4_K_M", help="Q4_K_M, Q8_0, Q4_0 ... or F16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=MODELS)
    options = parser.parse_args()
    path = synthetic_model(options.shape, options.quant, options.seed, options.folder)
    print(f"{path.stat().st_size / 1e6:.0f} MB", file=sys.stderr)
    print(path)


if __name__ == "__main__":
    main()
