"""Gemma 2 and 3, whose norms are stored less one; of Gemma 3 with vision, the text part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from edgellm.errors import QuantError
from edgellm_quant.convert.checkpoint import Json
from edgellm_quant.convert.family import Family, add_epsilon, add_head_size, add_sizes
from edgellm_quant.convert.outputs import Output, changed, rows
from edgellm_quant.convert.stored import Stored

if TYPE_CHECKING:
    from gguf import GGUFWriter
    from numpy.typing import NDArray


class Gemma2(Family):
    """The output layer is the embedding, so an `lm_head` that a tool wrote is left out."""

    names: ClassVar[dict[str, str]] = {"Gemma2ForCausalLM": "GEMMA2"}
    defaults: ClassVar[Json] = {
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-06,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0,
        "sliding_window": 4096,
    }
    space_prefix = False

    def plain_name(self, name: str) -> str:
        plain = super().plain_name(name)
        return "" if plain == "lm_head.weight" else plain

    def convert(self, name: str, stored: Stored) -> Iterator[Output]:
        if name.endswith("norm.weight"):
            yield changed(self.gguf_name(name), stored, _plus_one, is_whole=False)
        else:
            yield from super().convert(name, stored)

    def parameters(self, writer: GGUFWriter) -> None:
        config = self.config
        add_sizes(writer, config)
        writer.add_head_count_kv(config.num_kv_heads)
        add_epsilon(writer, config)
        add_head_size(writer, config.head_size)
        writer.add_attn_logit_softcapping(float(config.get("attn_logit_softcapping")))
        writer.add_final_logit_softcapping(float(config.get("final_logit_softcapping")))
        writer.add_sliding_window(config.number("sliding_window"))


class Gemma3(Gemma2):
    """Norms of queries and keys instead of soft caps; layers with a window turn by a base of their
    own. The embedding may have rows that no token has."""

    names: ClassVar[dict[str, str]] = {
        "Gemma3ForCausalLM": "GEMMA3",
        "Gemma3ForConditionalGeneration": "GEMMA3",
    }
    defaults: ClassVar[Json] = {
        "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-06,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "sliding_window": 4096,
        "rope_theta": 1000000.0,
        "rope_local_base_freq": 10000.0,
        "vocab_size": 262208,
    }

    def check(self) -> None:
        if self.config.get("attn_logit_softcapping") is not None:
            raise QuantError("This Gemma 3 caps its attention, which llama.cpp does not do for it.")

    def plain_name(self, name: str) -> str:
        return Family.plain_name(self, name)

    def convert(self, name: str, stored: Stored) -> Iterator[Output]:
        if name.endswith("embed_tokens.weight"):
            last = min(stored.num_rows, self.config.vocab_size)
            yield rows(self.gguf_name(name), stored, 0, last)
        else:
            yield from super().convert(name, stored)

    def parameters(self, writer: GGUFWriter) -> None:
        Family.parameters(self, writer)
        cap = self.config.get("final_logit_softcapping")
        if cap:
            writer.add_final_logit_softcapping(float(cap))
        if self.config.get("sliding_window_pattern") != 1:
            writer.add_sliding_window(self.config.number("sliding_window"))


def _plus_one(values: NDArray[Any]) -> NDArray[Any]:
    summed: NDArray[Any] = values + values.dtype.type(1)
    return summed
