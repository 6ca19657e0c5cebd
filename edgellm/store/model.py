"""What is wanted of a remote, and what is there. Knows names, sizes and digests, not how to fetch.

`Wanted` is what a card's variant or a reference comes down to; the store cannot import the
catalogue (they are siblings), so `wanted` takes whatever looks like its `Variant`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from msgspec import Struct

from edgellm.errors import ConfigError

MANIFEST = "edgellm-model.json"


class RemoteFile(Struct, frozen=True):
    """A file to fetch. Where size or digest is None, the remote says it."""

    path: str  # below the source
    size_bytes: int | None = None
    sha256: str | None = None


class Wanted(Struct, frozen=True):
    """The files of one model, from one source. The first is the one that a runtime opens."""

    name: str  # as the user calls it, e.g. "qwen3-0.6b:Q4_K_M"
    source: str  # "hf:owner/repo", or the http(s) address that the files' paths follow
    files: tuple[RemoteFile, ...]
    revision: str = "main"  # of a hub's repository
    projector: str = ""  # the path of that file, of a model that sees
    backend: str = ""
    quant: str = ""

    @property
    def is_pinned(self) -> bool:
        """Whether every digest is known before anybody is asked."""
        return all(file.sha256 for file in self.files)


class LocalFile(Struct, frozen=True):
    """A file in the store. `mtime_ns` when its digest was last checked: a change is suspicious."""

    path: str
    size_bytes: int
    sha256: str
    mtime_ns: int
    etag: str = ""  # of a plain address: what tells whether the remote has another one by now


class Manifest(Struct, frozen=True):
    """What lies beside the files of a model; without it, they are no model. Times: Unix seconds."""

    names: tuple[str, ...]
    source: str
    revision: str
    commit: str  # of the hub's repository; empty elsewhere
    files: tuple[LocalFile, ...]
    pulled_at: float
    verified_at: float
    key: str = ""  # of the pull: where its good files wait, should one of them go bad
    projector: str = ""
    backend: str = ""
    quant: str = ""
    licence: str = ""  # where the hub says it

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def digests(self) -> dict[str, str]:
        """By path."""
        return {file.path: file.sha256 for file in self.files}


class LocalModel(Struct, frozen=True):
    """A model that is there, whole and verified."""

    folder: Path
    manifest: Manifest

    @property
    def id(self) -> str:
        """Its folder's name: readable, and unique by the content."""
        return self.folder.name

    @property
    def name(self) -> str:
        """What it was last pulled as."""
        return self.manifest.names[-1]

    @property
    def path(self) -> Path:
        """The file that a runtime opens."""
        return self.folder / self.manifest.files[0].path

    @property
    def projector(self) -> Path | None:
        """The vision projector's file."""
        return self.folder / self.manifest.projector if self.manifest.projector else None

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return self.manifest.size_bytes

    @property
    def sha256(self) -> str:
        """Of the file that a runtime opens."""
        return self.manifest.files[0].sha256


class FileLike(Protocol):
    """`catalog.card.ModelFile`, seen from here."""

    @property
    def path(self) -> str: ...
    @property
    def size_bytes(self) -> int | None: ...
    @property
    def sha256(self) -> str | None: ...


class VariantLike(Protocol):
    """`catalog.card.Variant`, seen from here."""

    @property
    def source(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def files(self) -> Sequence[FileLike]: ...
    @property
    def projector(self) -> FileLike | None: ...
    @property
    def backend(self) -> str: ...
    @property
    def quant(self) -> str: ...


def wanted(name: str, variant: VariantLike) -> Wanted:
    """What to fetch for a variant of the catalogue that has a source."""
    parts = [*variant.files, *([variant.projector] if variant.projector else [])]
    return Wanted(
        name=name,
        source=variant.source,
        files=tuple(RemoteFile(part.path, part.size_bytes, part.sha256) for part in parts),
        revision=variant.revision,
        projector=variant.projector.path if variant.projector else "",
        backend=variant.backend,
        quant=variant.quant,
    )


def content_id(name: str, digests: dict[str, str]) -> str:
    """The name of a model's folder: readable, and the same for the same files only."""
    lines = "\n".join(f"{path}\0{digest}" for path, digest in sorted(digests.items()))
    words = "".join(c if c.isalnum() or c in "._-" else "-" for c in name.lower())
    return f"{words.strip('.-')[:60] or 'model'}-{hashlib.sha256(lines.encode()).hexdigest()[:12]}"


def checked_path(path: str) -> str:
    """The path of a file below its source, if it stays below the model's folder.

    Raises:
        ConfigError: it is absolute, leads upwards, or is not a plain name.
    """
    parts = PurePosixPath(path).parts
    is_bad = (
        not parts
        or path.startswith("/")
        or any(part in {"..", "."} or part.endswith(".part") for part in parts)
        or any(c in "\\:\0\n" for c in path)
        or parts[0] == MANIFEST
    )
    if is_bad:
        raise ConfigError(
            f"'{path}' cannot be the path of a model's file.",
            "It must be relative and stay below the folder of the model.",
        )
    return path
