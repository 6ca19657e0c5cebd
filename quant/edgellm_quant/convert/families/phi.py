"""Phi-3, Phi-3.5 and Phi-4 mini: fused projections stay fused, long contexts have their factors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from edgellm.errors import QuantError
from edgellm_quant.convert.checkpoint import Json
from edgellm_quant.convert.family import Family, add_epsilon, add_sizes
from edgellm_quant.convert.outputs import Output, computed

if TYPE_CHECKING:
    from gguf import GGUFWriter


class Phi(Family):
    """One architecture to llama.cpp; a sliding window of 0 tells Phi-4 from the older ones."""

    names: ClassVar[dict[str, str]] = {"Phi3ForCausalLM": "PHI3"}
    defaults: ClassVar[Json] = {
        "max_position_embeddings": 4096,
        "original_max_position_embeddings": 4096,
        "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0,
        "num_key_value_heads": 32,
    }

    are_flags_literal = True

    def __init__(self, architecture: str, values: Json) -> None:
        super().__init__(architecture, values)
        if not values.get("num_key_value_heads"):
            self.config.values["num_key_value_heads"] = self.config.num_heads

    def check(self) -> None:
        kind = self.config.rope.get("rope_type", "default")
        if kind not in {"default", "longrope", "su", "yarn"}:
            raise QuantError(f"The rope scaling '{kind}' is not known for {self.architecture}.")

    def extra(self) -> Iterator[Output]:
        import numpy as np

        for length in ("long", "short") if self._is_long else ():
            factors = self.config.rope.get(f"{length}_factor")
            if not isinstance(factors, list) or 2 * len(factors) != self._rope_size:
                raise QuantError(
                    f"config.json should have {self._rope_size // 2} {length} rope factors.",
                    "Fetch it again.",
                )
            name = f"rope_factors_{length}.weight"
            yield computed(name, np.array(factors, dtype=np.float32))

    def parameters(self, writer: GGUFWriter) -> None:
        config = self.config
        add_sizes(writer, config)
        writer.add_head_count_kv(config.num_kv_heads)
        writer.add_rope_scaling_orig_ctx_len(self._original_context)
        add_epsilon(writer, config)
        writer.add_rope_dimension_count(self._rope_size)
        writer.add_rope_freq_base(float(config.rope["rope_theta"]))
        writer.add_sliding_window(int(config.get("sliding_window") or 0))
        if self._is_long:
            writer.add_rope_scaling_attn_factors(self._attention_factor)

    @property
    def _is_long(self) -> bool:
        return bool(self.config.rope.get("long_factor"))

    @property
    def _rope_size(self) -> int:
        """Of each head, the values that turn."""
        share = float(self.config.rope.get("partial_rotary_factor", 1.0))
        return int(share * self.config.number("hidden_size")) // self.config.num_heads

    @property
    def _original_context(self) -> int:
        return int(self.config.rope["original_max_position_embeddings"])

    @property
    def _attention_factor(self) -> float:
        """By how much attention grows with the context, as transformers has it for each kind."""
        scale = self.config.number("max_position_embeddings") / self._original_context
        if scale <= 1:
            return 1.0
        if self.config.rope.get("rope_type") == "yarn":
            return 0.1 * math.log(scale) + 1.0
        return math.sqrt(1 + math.log(scale) / math.log(self._original_context))
