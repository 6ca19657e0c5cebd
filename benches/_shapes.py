"""The dimensions of the models that `synthetic.py` writes, as their makers published them."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Shape(NamedTuple):
    arch: Literal["qwen3", "llama"]
    vocab: int
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    rope_base: float
    context: int

    @property
    def has_qk_norm(self) -> bool:
        return self.arch == "qwen3"


SHAPES = {
    "qwen3-0.6b": Shape("qwen3", 151936, 28, 1024, 16, 8, 128, 3072, 1e6, 40960),
    "llama-3.2-1b": Shape("llama", 128256, 16, 2048, 32, 8, 64, 8192, 5e5, 131072),
    "tiny": Shape("qwen3", 4096, 4, 512, 4, 2, 128, 512, 1e6, 4096),
    "tiny-llama": Shape("llama", 4096, 4, 512, 8, 4, 64, 512, 5e5, 4096),
}
