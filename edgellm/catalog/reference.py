"""What a user may call a model. Pure: whether a path exists is asked through functions.

qwen3-4b  qwen3-4b:Q5_K_M           a card's id or alias, and one of its quantisations
hf:owner/repo  hf:owner/repo:Q4_K_M  a repository of the hub, and one of its quantisations
hf:owner/repo/folder/file.gguf       one file of it; `@revision` may follow the repository
https://host/file.gguf               a file anywhere; a hub's own address of one is its hf:
./file.gguf  ./folder                a file here, or the folder of a model
What the store calls its models is the store's to know: `cli.store` looks there as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from edgellm.catalog.card import Catalog, ModelCard, Variant
from edgellm.errors import ConfigError

_HUB = re.compile(
    r"hf:(?P<repo>\w[\w.-]*/\w[\w.-]*)(?:@(?P<revision>[\w./-]+?))?"
    r"(?:/(?P<file>[^:@]+)|:(?P<quant>[\w.-]+))?",
    re.ASCII,
)
_FILE_PAGE = re.compile(r"/([\w.-]+/[\w.-]+)/(?:resolve|blob|raw)/([^/]+)/(.+)", re.ASCII)
_OWNER_AND_NAME = re.compile(r"\w[\w.-]*/[\w.-]+(?::[\w.-]+)?")
_LOOKS_LIKE_PATH = re.compile(r"^[.~/]|[/\\]|\.gguf$")


class CardReference(Struct, frozen=True, tag="card"):
    """A model of the catalogue. `variants`: those of the quantisation, or all."""

    card: ModelCard
    quant: str = ""  # as the catalogue spells it; empty = the planner chooses

    @property
    def variants(self) -> tuple[Variant, ...]:
        return tuple(v for v in self.card.variants if not self.quant or v.quant == self.quant)


class HubReference(Struct, frozen=True, tag="hub"):
    """A repository of the hub: one `file`, or the one of a quantisation. Both may be empty."""

    repo: str
    file: str = ""
    quant: str = ""
    revision: str = "main"

    @property
    def source(self) -> str:
        """As variants and the store spell it."""
        return f"hf:{self.repo}"

    @property
    def name(self) -> str:
        """The repository, with its revision where that is not the usual one."""
        return self.source if self.revision == "main" else f"{self.source}@{self.revision}"


class UrlReference(Struct, frozen=True, tag="url"):
    """A file at an address."""

    url: str


class PathReference(Struct, frozen=True, tag="path"):
    """A file or folder here. Whether it is a model is found out when it is opened."""

    path: Path


Reference: TypeAlias = CardReference | HubReference | UrlReference | PathReference


def parse_reference(
    text: str,
    catalog: Catalog,
    is_file: Callable[[Path], bool] = Path.is_file,
    is_folder: Callable[[Path], bool] = Path.is_dir,
    *,
    hub_endpoint: str = "",
) -> Reference:
    """What the text means. A file that exists goes before a card of the same name, a folder after.

    Args:
        hub_endpoint: whose addresses of files mean the same as `hf:`.

    Raises:
        ConfigError: a malformed reference, or a name that nothing has (with what comes near).
    """
    text = text.strip()
    if text.startswith("hf:"):
        return _hub(text)
    if text.lower().startswith(("https://", "http://")):
        return _url(text, hub_endpoint)
    path = Path(text).expanduser() if text else Path()
    if text and is_file(path):
        return PathReference(path)
    card = _card(text, catalog)
    if card is None and text and is_folder(path):
        return PathReference(path)
    return card or _path_or_error(text, path, catalog)


def _hub(text: str) -> HubReference:
    match = _HUB.fullmatch(text)
    if not match:
        raise ConfigError(
            f"'{text}' is not a model of the hub.",
            "Write hf:owner/repo, hf:owner/repo:Q4_K_M or hf:owner/repo/file.gguf.",
        )
    given = {name: value for name, value in match.groupdict().items() if value}
    return HubReference(**given)


def _url(text: str, hub_endpoint: str) -> UrlReference | HubReference:
    parts = urlsplit(text)
    page = _FILE_PAGE.fullmatch(parts.path)
    if page and hub_endpoint and parts.netloc == urlsplit(hub_endpoint).netloc:
        repo, revision, path = page.groups()
        return HubReference(repo, unquote(path), revision=unquote(revision))
    if not parts.hostname or not parts.path.lower().endswith(".gguf"):
        raise ConfigError(
            f"'{text}' is not the address of a GGUF file.",
            "It must end in .gguf; a repository of the hub is written hf:owner/repo.",
        )
    return UrlReference(text)


def _card(text: str, catalog: Catalog) -> CardReference | None:
    card = catalog.find(text)
    if card:
        return CardReference(card)
    name, colon, quant = text.rpartition(":")
    card = catalog.find(name) if colon else None
    if card is None:
        return None
    known = list(dict.fromkeys(variant.quant for variant in card.variants))
    spelled = next((word for word in known if word.lower() == quant.lower()), None)
    if spelled is None:
        raise ConfigError(
            f"{card.id} has no quantisation '{quant}'.", f"It has: {', '.join(known)}."
        )
    return CardReference(card, spelled)


def _path_or_error(text: str, path: Path, catalog: Catalog) -> Reference:
    if _OWNER_AND_NAME.fullmatch(text) and not text.lower().endswith(".gguf"):
        raise ConfigError(f"There is no file {text}.", f"On the hub? Write hf:{text}.")
    if _LOOKS_LIKE_PATH.search(text):
        return PathReference(path)  # absent; opening it says so, with what lies beside it
    raise unknown_model(text, catalog)


def unknown_model(text: str, catalog: Catalog) -> ConfigError:
    """The error for a name that nothing has."""
    name = text.partition(":")[0].lower()
    parts = [known for known in catalog.names if name and (name in known or known in name)]
    near = list(dict.fromkeys([*get_close_matches(name, catalog.names, n=4), *parts]))[:5]
    hint = f"Did you mean {', '.join(near)}?" if near else "Any GGUF file works too: hf:owner/repo."
    return ConfigError(f"There is no model called '{text}'.", hint)
