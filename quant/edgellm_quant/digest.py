"""Which bytes a file holds, so that what is there is not made again."""

from __future__ import annotations

import hashlib
from pathlib import Path

from msgspec import Struct

from edgellm.store.gguf_names import all_parts


class Sealed(Struct, frozen=True):
    """A file, or a split model by its first part. `sha256` of one file is what sha256sum says; of
    several, that of their digests."""

    path: str
    size_bytes: int
    sha256: str


def seal(path: Path) -> Sealed:
    """Read all of it. Raises OSError."""
    parts = [path.with_name(name) for name in all_parts(path.name)]
    digests = []
    for part in parts:
        with part.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    whole = hashlib.sha256("".join(digests).encode()).hexdigest()
    size = sum(part.stat().st_size for part in parts)
    return Sealed(str(path), size, digests[0] if len(parts) == 1 else whole)


def is_intact(sealed: Sealed) -> bool:
    """Whether it is there, with these bytes. What has another size is not read."""
    path = Path(sealed.path)
    parts = [path.with_name(name) for name in all_parts(path.name)]
    try:
        if sum(part.stat().st_size for part in parts) != sealed.size_bytes:
            return False
        return seal(path).sha256 == sealed.sha256
    except OSError:
        return False


def move(path: Path, target: Path) -> Path:
    """Rename a file, or all parts of a model; the first last, for by it a model is known."""
    names = all_parts(path.name)
    stem, new = names[0].removesuffix(".gguf"), target.name.removesuffix(".gguf")
    if len(names) == 1:
        path.replace(target)
        return target
    ending = stem[-len("-00001-of-00001") :]
    new = new.removesuffix(ending)
    for number, name in reversed(list(enumerate(names, 1))):
        part = f"{new}-{number:05}-of-{len(names):05}.gguf"
        path.with_name(name).replace(target.with_name(part))
    return target.with_name(f"{new}-00001-of-{len(names):05}.gguf")
