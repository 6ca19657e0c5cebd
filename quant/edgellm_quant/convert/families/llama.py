"""Llama 2 and 3, Mistral, Ministral 3, SmolLM 2 and 3, and what else calls itself Llama.

Their halves of each head are interleaved in llama.cpp: it turns neighbours, transformers turns
the first half with the second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from edgellm.errors import QuantError
from edgellm_quant.convert.checkpoint import Json
from edgellm_quant.convert.family import Family
from edgellm_quant.convert.outputs import Output, changed, computed
from edgellm_quant.convert.stored import Stored

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGUFWriter
    from numpy.typing import NDArray


class Llama(Family):
    """`LlamaForCausalLM` and `MistralForCausalLM` are one architecture to llama.cpp."""

    names: ClassVar[dict[str, str]] = {
        "LlamaForCausalLM": "LLAMA",
        "LLaMAForCausalLM": "LLAMA",
        "MistralForCausalLM": "LLAMA",
    }
    defaults: ClassVar[Json] = {
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-06,
        "rope_theta": 10000.0,
    }
    pre_of_digits_split = "smollm"
    has_llama_quirks = True
    has_head_size_key = True

    def __init__(self, architecture: str, values: Json) -> None:
        super().__init__(architecture, values)
        if self.config.get("model_type") == "mistral" and not values.get("num_key_value_heads"):
            self.config.values["num_key_value_heads"] = 8  # transformers' default for Mistral
        if self.has_head_size_key:
            self.config.values.setdefault("head_dim", self.config.head_size)

    def convert(self, name: str, stored: Stored) -> Iterator[Output]:
        heads = {"q_proj": self.config.num_heads, "k_proj": self.config.num_kv_heads}
        num_heads = heads.get(name.split(".")[-2])
        if num_heads is None:
            yield from super().convert(name, stored)
            return
        if stored.num_rows % (2 * num_heads):
            raise QuantError(
                f"{name} has {stored.num_rows} rows, which {num_heads} heads cannot share.",
                "Does config.json belong to these files?",
            )
        change = partial(interleaved, num_heads=num_heads)
        yield changed(self.gguf_name(name), stored, change, is_whole=True)

    def extra(self) -> Iterator[Output]:
        if str(self.config.rope.get("rope_type", "")).lower() == "llama3":
            factors = llama3_factors(self.config.rope, self.config.head_size)
            yield computed("rope_freqs.weight", factors)

    def parameters(self, writer: GGUFWriter) -> None:
        super().parameters(writer)
        writer.add_vocab_size(self.config.vocab_size)
        writer.add_rope_dimension_count(self.config.head_size)


class SmolLM3(Llama):
    """Every fourth layer is without positions; llama.cpp knows that by the architecture."""

    names: ClassVar[dict[str, str]] = {"SmolLM3ForCausalLM": "SMOLLM3"}
    defaults: ClassVar[Json] = {
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-06,
        "rope_theta": 2000000.0,
        "num_key_value_heads": 4,
        "num_attention_heads": 16,
    }
    has_head_size_key = False

    def check(self) -> None:
        """llama.cpp takes every fourth layer, whatever the config says."""
        told = self.config.get("no_rope_layers")
        usual = [int((layer + 1) % 4 != 0) for layer in range(self.config.num_blocks)]
        if told not in (None, usual):
            raise QuantError(
                "This SmolLM3 leaves positions out of other layers than every fourth.",
                "llama.cpp cannot run it as it was trained.",
            )


class Ministral3(Llama):
    """The text part of Ministral 3: YaRN, and attention that cools with the position."""

    names: ClassVar[dict[str, str]] = {
        "Mistral3ForConditionalGeneration": "MISTRAL3",
        "Ministral3ForCausalLM": "MISTRAL3",
    }
    defaults: ClassVar[Json] = {
        "max_position_embeddings": 262144,
        "rms_norm_eps": 1e-05,
        "num_key_value_heads": 8,
        "head_dim": 128,
    }

    def check(self) -> None:
        kind, rope = self.config.get("model_type"), self.config.rope
        if kind in {"mistral4"}:
            raise QuantError(
                f"{self.architecture} of the kind {kind} is not converted here.",
                "Convert it with llama.cpp's convert_hf_to_gguf.py, or fetch a GGUF.",
            )
        if kind == "ministral3" and rope.get("rope_type") != "yarn":
            raise QuantError(
                f"Ministral 3 has YaRN, but config.json says {rope.get('rope_type')!r}.",
                "Fetch config.json again.",
            )

    def parameters(self, writer: GGUFWriter) -> None:
        super().parameters(writer)
        if self.config.get("model_type") == "ministral3":
            rope = self.config.rope
            writer.add_rope_scaling_yarn_log_mul(float(rope.get("mscale_all_dim", 1.0)))
            writer.add_attn_temperature_scale(float(rope.get("llama_4_scaling_beta", 0.1)))


def interleaved(values: NDArray[Any], num_heads: int) -> NDArray[Any]:
    """Rows of each head: first half, second half -> neighbours."""
    halves = values.reshape(num_heads, 2, -1, *values.shape[1:])
    return halves.swapaxes(1, 2).reshape(values.shape)


def llama3_factors(rope: Json, size: int) -> NDArray[np.float32]:
    """By how much each frequency is stretched: the fast ones not, the slow ones by `factor`, those
    between smoothly. As transformers has it (`_compute_llama3_parameters`), in float32."""
    import numpy as np

    base = np.float32(rope.get("rope_theta", 10000.0))
    frequencies = 1 / base ** (np.arange(0, size, 2, dtype=np.float32) / np.float32(size))
    factor, low = float(rope.get("factor", 8.0)), float(rope.get("low_freq_factor", 1.0))
    high = float(rope.get("high_freq_factor", 4.0))
    context = float(rope.get("original_max_position_embeddings", 8192))
    waves = np.float32(2 * math.pi) / frequencies
    smooth = (np.float32(context) / waves - np.float32(low)) / np.float32(high - low)
    between = 1 / ((1 - smooth) / np.float32(factor) + smooth)
    factors = np.where(waves > context / low, np.float32(factor), between)
    return np.where(waves < context / high, np.float32(1), factors).astype(np.float32)
