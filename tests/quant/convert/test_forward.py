"""The converted file computes what the checkpoint means: Llama's forward pass in numpy, on the
checkpoint's own tensors and as transformers turns positions, against llama.cpp on the GGUF file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from edgellm_quant.convert import convert
from edgellm_quant.convert.checkpoint import read_tensors
from numpy.typing import NDArray

from tests.quant.convert.checkpoints import write_checkpoint

Array = NDArray[np.float32]


class Llama:
    """Grouped heads, scaled rope, tied embeddings; float64 inside."""

    def __init__(self, folder: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        tensors = read_tensors(folder)
        self.weights = {name: each.whole().astype(np.float64) for name, each in tensors.items()}

    def logits(self, tokens: list[int]) -> Array:
        x = self.weights["model.embed_tokens.weight"][tokens]
        for layer in range(self.config["num_hidden_layers"]):
            x = x + self._attention(layer, self._norm(x, f"layers.{layer}.input_layernorm"))
            h = self._norm(x, f"layers.{layer}.post_attention_layernorm")
            gate, up = (self._linear(h, layer, f"mlp.{part}_proj") for part in ("gate", "up"))
            x = x + self._linear(gate / (1 + np.exp(-gate)) * up, layer, "mlp.down_proj")
        return self._norm(x, "norm") @ self.weights["model.embed_tokens.weight"].T

    def _attention(self, layer: int, x: Any) -> Any:
        size, num_heads = self.config["head_dim"], self.config["num_attention_heads"]
        q, k, v = (
            self._linear(x, layer, f"self_attn.{part}_proj").reshape(len(x), -1, size)
            for part in "qkv"
        )
        q, k = self._turned(q), self._turned(k)
        groups = num_heads // self.config["num_key_value_heads"]
        k, v = np.repeat(k, groups, axis=1), np.repeat(v, groups, axis=1)
        scores = np.einsum("qhd,khd->hqk", q, k) / math.sqrt(size)
        scores += np.triu(np.full((len(x), len(x)), -np.inf), 1)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        out = np.einsum("hqk,khd->qhd", shares, v).reshape(len(x), -1)
        return self._linear(out, layer, "self_attn.o_proj")

    def _turned(self, x: Any) -> Any:
        half = x.shape[-1] // 2
        angles = np.arange(len(x))[:, None, None] * self._frequencies()
        cos, sin = np.cos(angles), np.sin(angles)
        first, second = x[..., :half], x[..., half:]
        return np.concatenate([first * cos - second * sin, second * cos + first * sin], -1)

    def _frequencies(self) -> Any:
        rope, size = self.config["rope_scaling"], self.config["head_dim"]
        plain = self.config["rope_theta"] ** -(np.arange(0, size, 2) / size)
        turns = rope["original_max_position_embeddings"] * plain / (2 * math.pi)
        low, high = rope["low_freq_factor"], rope["high_freq_factor"]
        share = np.clip((turns - low) / (high - low), 0, 1)
        return plain * (share + (1 - share) / rope["factor"])

    def _norm(self, x: Any, name: str) -> Any:
        root = np.sqrt((x * x).mean(-1, keepdims=True) + self.config["rms_norm_eps"])
        return x / root * self.weights[f"model.{name}.weight"]

    def _linear(self, x: Any, layer: int, name: str) -> Any:
        return x @ self.weights[f"model.layers.{layer}.{name}.weight"].T


def test_logits_equal_a_forward_pass_in_numpy(tmp_path: Path) -> None:
    folder = write_checkpoint("llama3", tmp_path)
    path = convert(folder, tmp_path / "model.gguf", dtype="f32")
    model = llama_cpp.Llama(
        str(path), n_ctx=256, n_threads=1, verbose=False, logits_all=True, type_k=0, type_v=0
    )
    tokens = [275, *range(7, 250, 3)]
    model.eval(tokens)
    computed = np.array(model.scores[: len(tokens)])
    expected = Llama(folder).logits(tokens)
    model.close()
    assert np.abs(computed - expected).max() < 2e-3 * np.abs(expected).max()
