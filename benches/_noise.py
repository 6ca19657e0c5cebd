"""Weights that are noise and nothing else: for shapes of which only memory and speed are measured.

Every matrix has rows of about unit length and every norm is one, so that logits stay finite and a
mixture of experts spreads its tokens; what such a model writes means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from benches._shapes import CONV_KERNEL, STATE_HEAD_DIM, Shape
from benches._weights import Array, Tensor

_CHUNK_ROWS = 16384
_FORGETTING = -1.0  # of a state, at each token; below zero, or states would grow without end


def noise(shape: Shape, seed: int) -> Iterator[Tensor]:
    """All tensors, in the order of the file. The same seed gives the same model."""
    yield _matrix("token_embd.weight", (shape.vocab, shape.width), seed)
    yield _norm("output_norm.weight", shape.width)
    if not shape.tied:
        yield _matrix("output.weight", (shape.vocab, shape.width), seed)
    for layer in range(shape.layers):
        mix = _delta_net if shape.is_recurrent(layer) else _attention
        yield from mix(shape, f"blk.{layer}.", seed)
        yield from _ffn(shape, f"blk.{layer}.", seed)


def _attention(shape: Shape, block: str, seed: int) -> Iterator[Tensor]:
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    yield _norm(block + "attn_norm.weight", shape.width)
    gated = 2 * queries if shape.arch == "qwen35" else queries  # each query comes with its gate
    for name, rows in (("q", gated), ("k", keys), ("v", keys)):
        yield _matrix(f"{block}attn_{name}.weight", (rows, shape.width), seed)
        if shape.arch == "qwen2":
            yield _full(f"{block}attn_{name}.bias", rows, 0.0)
    if shape.has_qk_norm:
        yield _norm(block + "attn_q_norm.weight", shape.head_dim)
        yield _norm(block + "attn_k_norm.weight", shape.head_dim)
    yield _matrix(block + "attn_output.weight", (shape.width, queries), seed)
    if shape.arch == "gemma3":
        yield _norm(block + "post_attention_norm.weight", shape.width)
        yield _norm(block + "post_ffw_norm.weight", shape.width)


def _delta_net(shape: Shape, block: str, seed: int) -> Iterator[Tensor]:
    """Linear attention with a state of STATE_HEAD_DIM squared for each head (llama.cpp: qwen35)."""
    yield _norm(block + "attn_norm.weight", shape.width)
    yield _matrix(block + "attn_qkv.weight", (shape.conv_width, shape.width), seed)
    yield _matrix(block + "attn_gate.weight", (shape.state_width, shape.width), seed)
    yield _matrix(block + "ssm_conv1d.weight", (shape.conv_width, CONV_KERNEL), seed)
    yield _full(block + "ssm_dt.bias", shape.state_heads, 0.0)
    yield _full(block + "ssm_a", shape.state_heads, _FORGETTING)
    for name in ("beta", "alpha"):
        yield _matrix(f"{block}ssm_{name}.weight", (shape.state_heads, shape.width), seed)
    yield _norm(block + "ssm_norm.weight", STATE_HEAD_DIM)
    yield _matrix(block + "ssm_out.weight", (shape.width, shape.state_width), seed)


def _ffn(shape: Shape, block: str, seed: int) -> Iterator[Tensor]:
    norm = "post_attention_norm" if shape.arch == "qwen35" else "ffn_norm"
    yield _norm(f"{block}{norm}.weight", shape.width)
    experts: tuple[int, ...] = (shape.experts,) if shape.experts else ()
    kind = "_exps" if experts else ""
    if experts:
        yield _matrix(block + "ffn_gate_inp.weight", (*experts, shape.width), seed)
    for name in ("gate", "up"):
        yield _matrix(f"{block}ffn_{name}{kind}.weight", (*experts, shape.ffn, shape.width), seed)
    yield _matrix(f"{block}ffn_down{kind}.weight", (*experts, shape.width, shape.ffn), seed)


def _norm(name: str, width: int) -> Tensor:
    return _full(name, width, 1.0)


def _full(name: str, width: int, value: float) -> Tensor:
    return Tensor(name, (width,), lambda: iter((np.full(width, value, np.float32),)))


def _matrix(name: str, shape: tuple[int, ...], seed: int) -> Tensor:
    return Tensor(name, shape, lambda: _parts(name, shape, seed))


def _parts(name: str, shape: tuple[int, ...], seed: int) -> Iterator[Array]:
    """Along the first dimension, so that no more than a few tens of MB are held at a time."""
    generator = np.random.default_rng([seed, *name.encode()])
    step = (
        max(1, _CHUNK_ROWS * shape[1] // int(np.prod(shape[1:]))) if len(shape) > 2 else _CHUNK_ROWS
    )
    for begin in range(0, shape[0], step):
        count = min(step, shape[0] - begin)
        values: npt.NDArray[np.float32] = generator.standard_normal((count, *shape[1:]), np.float32)
        values *= shape[-1] ** -0.5
        yield values
