"""What a checkpoint is: its name, size, licence, origin, and how it wants to be sampled.

`gguf` reads the model card and guesses from names, as llama.cpp's converter does with it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from edgellm_quant.convert.checkpoint import Json

if TYPE_CHECKING:
    from gguf import GGUFWriter, Metadata

_log = logging.getLogger(__name__)


def write_general(writer: GGUFWriter, folder: Path, name: str = "") -> None:
    """The keys `general.*`; all tensors must be known to the writer, for they are counted.

    Args:
        name: of the model, where the folder's name is not it.
    """
    import gguf

    total, shared, expert, num_experts = writer.get_total_parameter_count()
    config = gguf.Metadata.load_hf_parameters(folder)
    named = folder.parent / name.replace("/", "-") if name else folder
    found = gguf.Metadata.apply_metadata_heuristic(
        gguf.Metadata(), _model_card(folder), config, named, total
    )
    _add_sampling(found, gguf.Metadata.load_generation_config(folder))
    found.name = found.name or named.name
    found.size_label = found.size_label or gguf.size_label(total, shared, expert, num_experts)
    writer.add_type(gguf.GGUFType.MODEL)
    found.set_gguf_meta_model(writer)


def _model_card(folder: Path) -> Json:
    """The head of README.md. People write it by hand: a mistake in it costs what it says, not the
    conversion."""
    import yaml
    from gguf import Metadata

    try:
        return Metadata.load_model_card(folder)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        _log.warning("the head of %s cannot be read: %s", folder / "README.md", error)
        return {}


def _add_sampling(found: Metadata, generation: Json) -> None:
    for key in ("top_k", "top_p", "min_p", "xtc_probability", "xtc_threshold"):
        setattr(found, f"sampling_{key}", _number(generation, key))
    found.sampling_temp = _number(generation, "temperature")
    found.sampling_penalty_repeat = _number(generation, "repetition_penalty")


def _number(generation: Json, key: str) -> float | int | None:
    value = generation.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
