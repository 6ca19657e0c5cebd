"""The dimensions of the models that `synthetic.py` writes, as their makers published them."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Shape(NamedTuple):
    arch: Literal["qwen3", "llama", "gemma3", "granitemoe"]
    vocab: int
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    rope_base: float
    context: int
    window: int = 0  # tokens that a sliding-window layer sees; 0 = there are no such layers
    experts: int = 0  # `ffn` is the size of one; 0 = the layers are dense
    experts_used: int = 0

    @property
    def has_qk_norm(self) -> bool:
        return self.arch in ("qwen3", "gemma3")

    @property
    def has_circuit(self) -> bool:
        """Whether the weights hold the induction head, or noise alone."""
        return self.arch in ("qwen3", "llama")


SHAPES = {
    "qwen3-0.6b": Shape("qwen3", 151936, 28, 1024, 16, 8, 128, 3072, 1e6, 40960),
    "llama-3.2-1b": Shape("llama", 128256, 16, 2048, 32, 8, 64, 8192, 5e5, 131072),
    "gemma-3-1b": Shape("gemma3", 262144, 26, 1152, 4, 1, 256, 6912, 1e6, 32768, window=512),
    "granite-3.1-1b-a400m": Shape(
        "granitemoe", 49155, 24, 1024, 16, 8, 64, 512, 5e6, 131072, experts=32, experts_used=8
    ),
    "tiny": Shape("qwen3", 4096, 4, 512, 4, 2, 128, 512, 1e6, 4096),
    "tiny-llama": Shape("llama", 4096, 4, 512, 8, 4, 64, 512, 5e5, 4096),
    "tiny-gemma": Shape("gemma3", 4096, 6, 512, 4, 1, 128, 1024, 1e6, 4096, window=64),
    "tiny-moe": Shape(
        "granitemoe", 4096, 4, 512, 8, 4, 64, 256, 5e5, 4096, experts=8, experts_used=2
    ),
}
