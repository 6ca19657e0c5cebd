"""What Ollama's clients want to know of a model's file: details, keys of its header, abilities.

A header is read once for each state of its file. What cannot be read is left empty.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from edgellm.catalog.card import ModelCard
from edgellm.errors import ModelFileError
from edgellm.serving.library import Description
from edgellm.store.gguf_header import GGUFHeader, LongArray, read_header
from edgellm.types import ModelStatus

Json = dict[str, Any]

_MAX_KNOWN = 64
_TEMPLATE = "tokenizer.chat_template"
_SAMPLING = "general.sampling."
_OPTIONS = {"temp": "temperature", "penalty_repeat": "repeat_penalty"}
_OPTIONS |= {"penalty_last_n": "repeat_last_n"}
_FIM_KEYS = ("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id")
_THINKING_SIGNS = (
    "enable_thinking",
    "reasoning_content",
    "</think>",
    "[THINK]",
    "reasoning_effort",
)


class Facts(Struct, frozen=True):
    """Of a file; empty where it does not say."""

    family: str = ""
    num_params: int = 0
    quant: str = ""
    template: str = ""
    licence: str = ""
    keys: Json = {}  # the header's, as Ollama names and shows them
    sampling: Json = {}  # what the file recommends, as Ollama's options
    capabilities: tuple[str, ...] = ()


def fact_reader() -> Callable[[Description | None], Facts]:
    """`read(description)`: the facts of a model; blocks, and may be called from any thread."""

    @lru_cache(maxsize=_MAX_KNOWN)
    def read(path: Path, _changed_ns: int, _size: int) -> Facts:
        try:
            return facts_of(read_header(path))
        except (ModelFileError, OSError):
            return Facts()

    def facts(description: Description | None) -> Facts:
        if description is None:
            return Facts()
        try:
            stat = description.path.stat()
        except OSError:
            return Facts()
        return read(description.path, stat.st_mtime_ns, stat.st_size)

    return facts


def facts_of(header: GGUFHeader) -> Facts:
    from edgellm.planner.header_card import num_params, quant_of_header
    from edgellm.planner.header_facts import facts_of_header

    try:
        count = num_params(facts_of_header(header))
    except ModelFileError:  # an architecture that cannot be planned can still be shown
        count = 0
    metadata = header.metadata
    return Facts(
        family=header.architecture,
        num_params=count,
        quant=quant_of_header(header),
        template=str(metadata.get(_TEMPLATE, "")),
        licence=str(metadata.get("general.license", "")),
        keys=to_keys(header, count),
        sampling={
            _OPTIONS.get(key.removeprefix(_SAMPLING), key.removeprefix(_SAMPLING)): value
            for key, value in metadata.items()
            if key.startswith(_SAMPLING) and isinstance(value, (int, float))
        },
        capabilities=capabilities_of(header),
    )


def to_keys(header: GGUFHeader, num_params: int) -> Json:
    """The metadata without the template, which has a field of its own. As in Ollama's short form,
    the vocabulary's arrays are null."""
    shown = {
        key: None if isinstance(value, LongArray) or _is_vocabulary(key, value) else value
        for key, value in header.metadata.items()
        if key != _TEMPLATE
    }
    return {**shown, **({"general.parameter_count": num_params} if num_params else {})}


def _is_vocabulary(key: str, value: object) -> bool:
    return key.startswith("tokenizer.ggml.") and isinstance(value, tuple)


def capabilities_of(header: GGUFHeader) -> tuple[str, ...]:
    """In Ollama's words. No model sees here, whatever its file could."""
    from edgellm.planner.header_card import task_of_header

    task = task_of_header(header)
    if task != "chat":
        return ("embedding",) if task == "embedding" else ()
    template = str(header.metadata.get(_TEMPLATE, ""))
    return (
        "completion",
        *(("tools",) if "tools" in template else ()),
        *(("insert",) if any(key in header.metadata for key in _FIM_KEYS) else ()),
        *(("thinking",) if any(sign in template for sign in _THINKING_SIGNS) else ()),
    )


def capabilities(facts: Facts, card: ModelCard | None) -> list[str]:
    """The catalogue has been checked, a template only been looked at."""
    if card is None:
        return list(facts.capabilities)
    if card.task != "chat":
        return ["embedding"] if card.task == "embedding" else []
    told = [name for name in ("tools", "thinking") if name in card.features]
    inserts = [name for name in facts.capabilities if name == "insert"]
    return ["completion", *told, *inserts]


def details(facts: Facts, card: ModelCard | None) -> Json:
    params = facts.num_params or (card.params if card else 0)
    return {
        "parent_model": "",
        "format": "gguf",
        "family": facts.family,
        "families": [facts.family] if facts.family else [],
        "parameter_size": human_count(params) if params else "",
        "quantization_level": facts.quant or "unknown",
    }


def digest(status: ModelStatus, description: Description | None) -> str:
    """The file's sha256. Clients need one to tell models apart and to see that one has changed: a
    file whose digest nobody has computed gets one of its name, size and time."""
    if description is not None and description.digest:
        return description.digest
    text = f"{status.id}\0{status.size_bytes}\0{status.created}"
    return hashlib.sha256(text.encode()).hexdigest()


def human_count(number: int) -> str:
    """As Ollama writes it: 4.0B is 4B, 596049920 is 596.05M."""
    for size, letter, digits in ((10**9, "B", 1), (10**6, "M", 2)):
        if number >= size:
            value = number / size
            return f"{value:.0f}{letter}" if value.is_integer() else f"{value:.{digits}f}{letter}"
    return f"{number / 1000:.0f}K" if number >= 1000 else str(number)
