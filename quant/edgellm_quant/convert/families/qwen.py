"""Qwen 2, 2.5 and 3, and Qwen 3's mixture of experts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from edgellm.errors import QuantError
from edgellm_quant.convert.checkpoint import Json
from edgellm_quant.convert.family import Family
from edgellm_quant.convert.outputs import Output, stacked, straight
from edgellm_quant.convert.stored import Stored

if TYPE_CHECKING:
    from gguf import GGUFWriter
    from numpy.typing import NDArray

_EXPERT = re.compile(r"(.+\.mlp\.experts)\.(\d+)\.(gate_proj|up_proj|down_proj)\.weight")
_DEFAULTS = {"max_position_embeddings": 32768, "rms_norm_eps": 1e-06, "rope_theta": 10000.0}


class Qwen(Family):
    """The dense ones: their tensors are as llama.cpp wants them."""

    names: ClassVar[dict[str, str]] = {"Qwen2ForCausalLM": "QWEN2", "Qwen3ForCausalLM": "QWEN3"}
    defaults: ClassVar[Json] = _DEFAULTS

    def __init__(self, architecture: str, values: Json) -> None:
        super().__init__(architecture, values)
        if architecture == "Qwen3ForCausalLM":
            self.config.values.setdefault("head_dim", 128)

    def check(self) -> None:
        if self.config.get("use_sliding_window") is True:
            raise QuantError(
                f"This {self.architecture} looks back through a sliding window, which llama.cpp "
                "does not do for it.",
                "Set use_sliding_window to false in config.json, if it was trained without.",
            )


class QwenExperts(Qwen):
    """Each expert is a tensor in the checkpoint, and all of a layer are one in GGUF."""

    names: ClassVar[dict[str, str]] = {"Qwen3MoeForCausalLM": "QWEN3MOE"}
    defaults: ClassVar[Json] = {**_DEFAULTS, "num_key_value_heads": 4, "num_experts_per_tok": 8}

    def outputs(self, tensors: dict[str, Stored]) -> Iterator[Output]:
        experts: dict[str, dict[int, Stored]] = {}
        others: dict[str, Stored] = {}
        for name, stored in tensors.items():
            match = _EXPERT.fullmatch(name)
            if match is None:
                others[name] = stored
            else:
                experts.setdefault(f"{match[1]}.{match[3]}.weight", {})[int(match[2])] = stored
        yield from super().outputs(others)
        for name, parts in experts.items():
            yield self._joined(name, parts)

    def convert(self, name: str, stored: Stored) -> Iterator[Output]:
        """Newer checkpoints have all experts of a layer in one tensor already."""
        if name.endswith("experts.gate_up_proj"):
            base, half = name.removesuffix("gate_up_proj"), stored.shape[1] // 2
            yield _half(self.gguf_name(base + "gate_proj.weight"), stored, slice(0, half))
            yield _half(self.gguf_name(base + "up_proj.weight"), stored, slice(half, None))
        elif name.endswith("experts.down_proj"):
            yield straight(self.gguf_name(name + ".weight"), stored)
        else:
            yield from super().convert(name, stored)

    def parameters(self, writer: GGUFWriter) -> None:
        super().parameters(writer)
        writer.add_expert_count(self._num_experts)
        writer.add_expert_used_count(self.config.number("num_experts_per_tok"))
        writer.add_expert_feed_forward_length(self.config.number("moe_intermediate_size"))

    @property
    def _num_experts(self) -> int:
        return self.config.number("num_local_experts", "num_experts")

    def _joined(self, name: str, parts: dict[int, Stored]) -> Output:
        ordered = [parts[index] for index in sorted(parts)]
        if sorted(parts) != list(range(self._num_experts)):
            raise QuantError(
                f"{name} has {len(parts)} of {self._num_experts} experts.",
                "Fetch the files of the checkpoint again.",
            )
        bad = next((p for p in ordered if not p.is_float or p.shape != ordered[0].shape), None)
        if bad is not None:
            raise QuantError(f"{bad.name} is {bad.dtype} {list(bad.shape)}, unlike the others.")
        return stacked(self.gguf_name(name), ordered)


def _half(name: str, stored: Stored, rows: slice) -> Output:
    """Some rows of every expert's matrix."""
    num_rows = len(range(*rows.indices(stored.shape[1])))

    def read() -> Iterator[NDArray[Any]]:
        for values in stored.pieces():
            yield values[:, rows]

    return Output(name, (stored.shape[0], num_rows, *stored.shape[2:]), read)
