"""A checkpoint's `config.json`: the values of its text model, and how it turns positions (rope).

Different versions of transformers write the same thing in different places: `text_config` within,
`rope_theta` beside `rope_scaling` or both in `rope_parameters`. Here each has one place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgellm.errors import QuantError
from edgellm_quant.convert.checkpoint import Json, read_json

_ORIGINAL = "original_max_position_embeddings"


class Config:
    """What is asked of a config. `defaults` stand in for what transformers knows without being
    told: many configs leave out what is usual for their family."""

    def __init__(self, values: Json, defaults: Json | None = None) -> None:
        text = values.get("text_config")
        merged = {**values, **text} if isinstance(text, dict) else values
        told = {key: value for key, value in merged.items() if value is not None}
        self.values: Json = {**(defaults or {}), **told}
        self.rope, self.local_rope = _rope(self.values)

    def get(self, *keys: str) -> Any:
        """The first of these that there is; None where there is none."""
        return next((self.values[key] for key in keys if key in self.values), None)

    def number(self, *keys: str) -> int:
        """A whole number greater than 0.

        Raises:
            QuantError: it is not there, or something else.
        """
        value = self.get(*keys)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise QuantError(
                f"config.json should say {keys[0]}, a whole number, and says {value!r}.",
                "Fetch it again, or from the original repository.",
            )
        return value

    @property
    def num_blocks(self) -> int:
        """Layers."""
        return self.number("num_hidden_layers", "n_layers")

    @property
    def num_heads(self) -> int:
        return self.number("num_attention_heads")

    @property
    def num_kv_heads(self) -> int:
        return self.number("num_key_value_heads", "num_attention_heads")

    @property
    def head_size(self) -> int:
        """As it is told, or the width's share."""
        told = self.get("head_dim")
        return int(told) if told else self.number("hidden_size") // self.num_heads

    @property
    def vocab_size(self) -> int:
        return self.number("vocab_size")


def read_config(folder: Path) -> Json:
    """A folder's `config.json`.

    Raises:
        QuantError: there is none, or it names no architecture; or the weights are quantised.
    """
    values = read_json(folder / "config.json")
    if not values:
        raise QuantError(
            f"{folder} has no config.json, so it is no Hugging Face model.",
            "Name a folder with config.json, the tokenizer's files and model.safetensors.",
        )
    text = values.get("text_config")
    nested = text.get("quantization_config") if isinstance(text, dict) else None
    quantised = values.get("quantization_config") or nested
    if quantised:
        how = quantised.get("quant_method") if isinstance(quantised, dict) else None
        raise QuantError(
            f"The weights in {folder} are quantised already ({how or 'config.json says so'}).",
            "Take the original repository, with weights in BF16, F16 or F32.",
        )
    return values


def architecture_of(values: Json) -> str:
    """E.g. "LlamaForCausalLM"; of a model that also sees, its own name for the whole.

    Raises:
        QuantError: the config names none.
    """
    named = values.get("architectures")
    text = values.get("text_config")
    if isinstance(text, dict) and text.get("architectures"):
        named = text["architectures"]
    if not isinstance(named, list) or not named or not isinstance(named[0], str):
        raise QuantError("config.json names no architecture.", "Fetch it again.")
    return named[0]


def _rope(values: Json) -> tuple[Json, Json]:
    """How positions are turned: in layers that see everything, and in those with a window (empty
    where they do the same)."""
    given = values.get("rope_parameters") or values.get("rope_scaling") or {}
    given = dict(given) if isinstance(given, dict) else {}
    if "full_attention" in given:
        return dict(given["full_attention"]), dict(given.get("sliding_attention") or {})
    for key in ("rope_theta", "partial_rotary_factor", _ORIGINAL):
        if key not in given and key in values:
            given[key] = values[key]
    if "rope_type" not in given and "type" in given:
        given["rope_type"] = given["type"]
    if given.get("rope_type") == "yarn" and _ORIGINAL not in given:
        given[_ORIGINAL] = values.get("max_position_embeddings")
    local = values.get("rope_local_base_freq")
    return given, {"rope_theta": local} if local is not None else {}
