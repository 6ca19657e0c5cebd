"""Models' names as Ollama's clients write them, and what they mean here. Pure.

qwen3:4b  llama3.2:1b-instruct-q8_0     family:size, which catalogues write with hyphens
pocket:latest                           the tag that stands where none was written
hf.co/owner/repo:Q4_K_M                 a repository of the hub, `hf:owner/repo:Q4_K_M`

Names are compared by their words, so `llama3.2:1b` and `llama-3.2-1b` are the same; a
quantisation at the end of one of them narrows it. What Ollama's library calls `latest` is not known
here: a family alone names no model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from edgellm.catalog.card import Catalog

_HUBS = ("hf.co/", "huggingface.co/")
_LIBRARY = ("registry.ollama.ai/library/", "library/")
_LATEST = ":latest"
_WORD = re.compile(r"[a-z]+|\d+(?:\.\d+)*[a-z]*")
_QUANT = re.compile(r"[-:]((?:i?q\d|tq\d|mxfp4)[a-z0-9_]*|bf16|fp?16|fp?32)$")


class Spelling(Struct, frozen=True):
    """A name's words, and its quantisation in lower case; empty = any."""

    words: tuple[str, ...]
    quant: str = ""


def plain(name: str) -> str:
    """The name without what only Ollama's clients put around it."""
    name = name.strip()
    if name.lower().endswith(_LATEST):
        name = name[: -len(_LATEST)]
    for prefix in _LIBRARY:
        name = name.removeprefix(prefix)
    hub = next((hub for hub in _HUBS if name.lower().startswith(hub)), None)
    return "hf:" + name[len(hub) :] if hub else name


def spelling(name: str) -> Spelling:
    name = name.lower()
    match = _QUANT.search(name)
    quant = re.sub(r"^fp", "f", match[1]) if match else ""
    rest = name[: match.start()] if match else name
    return Spelling(tuple(_WORD.findall(rest)), quant)


def best_match(name: str, known: Iterable[tuple[str, Iterable[str]]]) -> str | None:
    """The first of several models that is called so.

    Args:
        known: models' ids, each with all its names.
    """
    wanted, known = plain(name), [(id_, (id_, *names)) for id_, names in known]
    for id_, names in known:
        if wanted.lower() in {each.lower() for each in names}:
            return id_
    if "/" in wanted:
        return None
    asked = spelling(wanted)
    found = (id_ for id_, names in known if any(_is_meant(asked, id_, each) for each in names))
    return next(found, None) if asked.words else None


def catalogue_name(name: str, catalog: Catalog) -> str:
    """The same in edgellm's words, where it is a card's name; otherwise `plain`."""
    wanted = plain(name)
    asked = spelling(wanted)
    for card in catalog.models:
        if "/" not in wanted and any(spelling(each).words == asked.words for each in card.names):
            quants = {each.quant.lower(): each.quant for each in card.variants}
            if not asked.quant:
                return card.id
            return f"{card.id}:{quants.get(asked.quant, asked.quant.upper())}"
    return wanted


def _is_meant(asked: Spelling, id_: str, name: str) -> bool:
    """An alias often has no quantisation; then the id's counts."""
    known = spelling(name)
    quant = known.quant or spelling(id_).quant
    return asked.words == known.words and asked.quant in {"", quant}
