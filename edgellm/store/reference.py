"""What a user may write to name something to pull. Parses; asks nobody.

    hf:owner/repo            the GGUF of Q4_K_M in a repository of the hub
    hf:owner/repo:Q8_0       that of another quantisation
    hf:owner/repo/a/b.gguf   a file of it
    https://…/x.gguf         a file anywhere; a hub's own address of a file is the same as its hf:
    ./x.gguf  /a/folder      a model of this device
    qwen3-0.6b[:Q8_0]        a card of the catalogue, see `cli`
A revision follows an @: hf:owner/repo@v1.0:Q8_0.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from edgellm.errors import ConfigError
from edgellm.store.gguf_names import all_parts, choose, quant_of
from edgellm.store.model import RemoteFile, Wanted, checked_path
from edgellm.store.sources.http import public
from edgellm.store.sources.huggingface import Hub

_HUB = re.compile(
    r"hf:(?P<repo>\w[\w.-]*/\w[\w.-]*?)(?:@(?P<revision>[^:]+?))?"
    r"(?:/(?P<path>[^:@]+)|:(?P<quant>[\w.-]+))?",
    re.ASCII,
)
_FILE_PAGE = re.compile(r"/([\w.-]+/[\w.-]+)/(?:resolve|blob|raw)/([^/]+)/(.+)", re.ASCII)


class HubReference(Struct, frozen=True):
    """Something in a repository of the hub: a file, or a quantisation to choose a file for."""

    repo: str
    revision: str = "main"
    path: str = ""
    quant: str = ""


class Address(Struct, frozen=True):
    """A file at an address."""

    url: str


class LocalPath(Struct, frozen=True):
    """A file or folder of this device."""

    path: Path


class CardReference(Struct, frozen=True):
    """A card of the catalogue; without a quantisation, whichever is usual."""

    id: str
    quant: str = ""


Reference: TypeAlias = HubReference | Address | LocalPath | CardReference


def parse(text: str, hub_endpoint: str = "") -> Reference:
    """What is meant.

    Args:
        hub_endpoint: whose addresses of files mean the same as `hf:`.

    Raises:
        ConfigError: it begins as one of them and does not go on like it.
    """
    if text.startswith("hf:"):
        match = _HUB.fullmatch(text)
        if match is None:
            raise ConfigError(
                f"'{text}' names nothing on the hub.",
                "Write hf:OWNER/REPO, hf:OWNER/REPO:QUANT or hf:OWNER/REPO/FILE.gguf.",
            )
        found = {name: value for name, value in match.groupdict().items() if value}
        return HubReference(**found)
    if text.startswith(("http://", "https://")):
        return _of_address(text, hub_endpoint)
    if text.startswith(("./", "../", "/", "~")) or text.endswith(".gguf") or Path(text).is_dir():
        return LocalPath(Path(text).expanduser())
    id_, _, quant = text.partition(":")
    return CardReference(id_, quant)


def locate(reference: HubReference, hub: Hub) -> Wanted:
    """Choose the files; a quantisation needs a look at the repository.

    Raises:
        StoreError: offline, refused, no such repository or quantisation.
    """
    source = f"hf:{reference.repo}"
    if reference.path:
        paths: tuple[str, ...] = all_parts(reference.path)
    else:
        found = hub.describe(reference.repo, reference.revision)
        paths = choose([file.path for file in found.files], reference.quant, source)
    quant = quant_of(paths[0])
    at = "" if reference.revision == "main" else f"@{reference.revision}"
    name = f"{source}{at}/{paths[0]}" if reference.path or not quant else f"{source}{at}:{quant}"
    return Wanted(
        name=name,
        source=source,
        files=tuple(RemoteFile(path) for path in paths),
        revision=reference.revision,
        backend="llama_cpp" if paths[0].lower().endswith(".gguf") else "",
        quant=quant,
    )


def at_address(address: Address) -> Wanted:
    """The file, and all parts of it if it is the part of a split GGUF.

    Raises:
        ConfigError: the address names no file.
    """
    parts = urlsplit(address.url)
    folder, _, name = parts.path.rpartition("/")
    if not name or not parts.netloc:
        raise ConfigError(f"{address.url} names no file.", "The address must end in its name.")
    base = parts._replace(path=folder or "/").geturl()
    paths = all_parts(checked_path(unquote(name)))
    return Wanted(
        name=public(address.url),
        source=base,
        files=tuple(RemoteFile(path) for path in paths),
        backend="llama_cpp" if paths[0].lower().endswith(".gguf") else "",
        quant=quant_of(paths[0]),
    )


def _of_address(text: str, hub_endpoint: str) -> Reference:
    parts = urlsplit(text)
    match = _FILE_PAGE.fullmatch(parts.path)
    if match is not None and hub_endpoint and parts.netloc == urlsplit(hub_endpoint).netloc:
        repo, revision, path = match.groups()
        return HubReference(repo, unquote(revision), unquote(path))
    return Address(text)
