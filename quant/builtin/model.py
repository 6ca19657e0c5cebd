"""The model: a small Llama, with rotary positions on neighbouring pairs as llama.cpp has them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """The dimensions of the model."""

    vocab: int = 4096
    width: int = 256
    layers: int = 7
    heads: int = 4
    kv_heads: int = 2
    hidden: int = 768
    context: int = 2048
    theta: float = 10_000.0
    eps: float = 1e-5


def angles(shape: Shape) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every position and frequency."""
    size = shape.width // shape.heads
    rates = shape.theta ** (-torch.arange(0, size, 2).float() / size)
    turned = torch.outer(torch.arange(shape.context).float(), rates)
    return turned.cos(), turned.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (0, 1), (2, 3), ... of each head."""
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    pair = torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1)
    return pair.flatten(-2).type_as(x)


class Block(nn.Module):
    """One layer: attention and feed-forward, each behind a norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape, head = shape, shape.width // shape.heads
        self.attn_norm = nn.RMSNorm(shape.width, eps=shape.eps)
        self.q = nn.Linear(shape.width, shape.heads * head, bias=False)
        self.k = nn.Linear(shape.width, shape.kv_heads * head, bias=False)
        self.v = nn.Linear(shape.width, shape.kv_heads * head, bias=False)
        self.o = nn.Linear(shape.heads * head, shape.width, bias=False)
        self.ffn_norm = nn.RMSNorm(shape.width, eps=shape.eps)
        self.gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, shape.width, bias=False)

    def attend(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Grouped-query attention."""
        q, k, v = (
            f(x).unflatten(-1, (n, -1)).transpose(1, 2)
            for f, n in (
                (self.q, self.shape.heads),
                (self.k, self.shape.kv_heads),
                (self.v, self.shape.kv_heads),
            )
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        times = self.shape.heads // self.shape.kv_heads
        k, v = k.repeat_interleave(times, 1), v.repeat_interleave(times, 1)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o(mixed.transpose(1, 2).flatten(2))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Add both parts to the stream."""
        x = x + self.attend(self.attn_norm(x), cos, sin)
        h = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Pocket(nn.Module):
    """The whole model, with tied embeddings."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        self.shape = shape or Shape()
        self.embed = nn.Embedding(self.shape.vocab, self.shape.width)
        self.blocks = nn.ModuleList(Block(self.shape) for _ in range(self.shape.layers))
        self.norm = nn.RMSNorm(self.shape.width, eps=self.shape.eps)
        cos, sin = angles(self.shape)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.apply(self._start)

    def _start(self, module: nn.Module) -> None:
        """Small normal weights; the outputs of the layers start smaller."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, Block):
            for part in (module.o, module.down):
                nn.init.normal_(part.weight, std=0.02 / (2 * self.shape.layers) ** 0.5)

    def hidden(self, ids: Tensor) -> Tensor:
        """The last hidden states."""
        x = self.embed(ids)
        cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        for block in self.blocks:
            x = block(x, cos, sin)
        return self.norm(x)

    def forward(self, ids: Tensor) -> Tensor:
        """The logits."""
        return self.hidden(ids) @ self.embed.weight.t()

    def loss(self, ids: Tensor, weights: Tensor) -> Tensor:
        """The weighted sum of the losses; positions of no weight are not computed."""
        kept = weights[:, 1:] > 0
        states = self.hidden(ids[:, :-1])[kept]
        logits = states @ self.embed.weight.t()
        losses = F.cross_entropy(logits.float(), ids[:, 1:][kept], reduction="none")
        return (losses * weights[:, 1:][kept]).sum()
