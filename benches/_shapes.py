"""The dimensions of the models that `synthetic.py` writes, as their makers published them."""

from __future__ import annotations

from typing import Literal, NamedTuple

# Of Qwen3.5: gated DeltaNet layers between those of attention.
FULL_ATTENTION_INTERVAL = 4
STATE_KEY_HEADS, STATE_HEAD_DIM = 16, 128
CONV_KERNEL = 4


class Shape(NamedTuple):
    arch: Literal["qwen2", "qwen3", "qwen35", "llama", "gemma3", "granitemoe"]
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
    state_heads: int = 0  # of a linear-attention layer's values; 0 = there are no such layers
    tied: bool = True  # the output shares the embedding's weights
    induction: bool = True  # of architectures that can: room for the circuit of `_weights.py`

    @property
    def has_qk_norm(self) -> bool:
        return self.arch in ("qwen3", "qwen35", "gemma3")

    @property
    def has_circuit(self) -> bool:
        """Whether the weights hold the induction head, or noise alone."""
        return self.induction and self.arch in ("qwen3", "llama")

    def is_recurrent(self, layer: int) -> bool:
        """Linear attention, but for every fourth layer."""
        return self.state_heads > 0 and (layer + 1) % FULL_ATTENTION_INTERVAL != 0

    @property
    def state_width(self) -> int:
        """Of a linear-attention layer's values together."""
        return self.state_heads * STATE_HEAD_DIM

    @property
    def conv_width(self) -> int:
        """Of its queries, keys and values, which its convolution sees."""
        return 2 * STATE_KEY_HEADS * STATE_HEAD_DIM + self.state_width


SHAPES = {
    "qwen3-0.6b": Shape("qwen3", 151936, 28, 1024, 16, 8, 128, 3072, 1e6, 40960),
    "llama-3.2-1b": Shape("llama", 128256, 16, 2048, 32, 8, 64, 8192, 5e5, 131072),
    "gemma-3-1b": Shape("gemma3", 262144, 26, 1152, 4, 1, 256, 6912, 1e6, 32768, window=512),
    "granite-3.1-1b-a400m": Shape(
        "granitemoe", 49155, 24, 1024, 16, 8, 64, 512, 5e6, 131072, experts=32, experts_used=8
    ),
    "qwen2.5-0.5b": Shape("qwen2", 151936, 24, 896, 14, 2, 64, 4864, 1e6, 32768, tied=False),
    "smollm2-360m": Shape("llama", 49152, 32, 960, 15, 5, 64, 2560, 1e5, 8192, induction=False),
    "qwen3.5-2b": Shape("qwen35", 248320, 24, 2048, 8, 2, 256, 6144, 1e7, 262144, state_heads=16),
    "qwen3.5-4b": Shape("qwen35", 248320, 32, 2560, 16, 4, 256, 9216, 1e7, 262144, state_heads=32),
    "qwen3.5-9b": Shape(
        "qwen35",
        248320,
        32,
        4096,
        16,
        4,
        256,
        12288,
        1e7,
        262144,
        state_heads=32,
        tied=False,
    ),
    "tiny": Shape("qwen3", 4096, 4, 512, 4, 2, 128, 512, 1e6, 4096),
    "tiny-llama": Shape("llama", 4096, 4, 512, 8, 4, 64, 512, 5e5, 4096),
    "tiny-gemma": Shape("gemma3", 4096, 6, 512, 4, 1, 128, 1024, 1e6, 4096, window=64),
    "tiny-moe": Shape(
        "granitemoe", 4096, 4, 512, 8, 4, 64, 256, 5e5, 4096, experts=8, experts_used=2
    ),
    "tiny-hybrid": Shape("qwen35", 4096, 4, 512, 4, 2, 256, 512, 1e7, 4096, state_heads=16),
}
