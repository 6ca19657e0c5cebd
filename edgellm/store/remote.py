"""A file of a model, located: where it is, and what must be true of it. No network in here."""

from __future__ import annotations

import hashlib
from pathlib import Path

from msgspec import Struct


class Remote(Struct, frozen=True):
    """Sizes and digests as the pin or the remote tells them; None and "" = it does not tell."""

    path: str  # below the model's folder
    url: str = ""
    local: Path | None = None  # instead of `url`: a file of this device
    size_bytes: int | None = None
    sha256: str = ""
    git_sha1: str = ""  # of a hub's small files: git's digest of a blob, not that of the content
    etag: str = ""  # a validator for `If-Range`: a strong ETag, or a date; "" = none that is safe
    what: str = ""  # for messages: "the file X of owner/repo"

    @property
    def identity(self) -> str:
        """Two remotes of one identity have the same content."""
        return self.sha256 or self.git_sha1 or f"{self.url or self.local} {self.etag}"


class Resolved(Struct, frozen=True):
    """All files of a model, located."""

    files: tuple[Remote, ...]
    commit: str = ""
    licence: str = ""
    token: str = ""  # for the origin of the addresses, and for no other host

    @property
    def key(self) -> str:
        """Names the unfinished files: the same for the same content, whatever it was called."""
        lines = sorted(f"{file.path}\0{file.identity}" for file in self.files)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:24]

    @property
    def digests(self) -> dict[str, str] | None:
        """By path, if all are known."""
        digests = {file.path: file.sha256 for file in self.files}
        return digests if all(digests.values()) else None


class ContentHash:
    """The digests of one file, taken while its bytes come by."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._sha256 = hashlib.sha256()
        self._git = None
        if remote.git_sha1 and remote.size_bytes is not None:
            self._git = hashlib.sha1(b"blob %d\0" % remote.size_bytes, usedforsecurity=False)
        self.num_bytes = 0

    def update(self, piece: bytes) -> None:
        """The next bytes of the file."""
        self._sha256.update(piece)
        if self._git is not None:
            self._git.update(piece)
        self.num_bytes += len(piece)

    @property
    def sha256(self) -> str:
        """Of all bytes so far."""
        return self._sha256.hexdigest()

    @property
    def problem(self) -> str:
        """Why this is not the wanted content; "" = it is, as far as anybody knows."""
        remote = self._remote
        if remote.size_bytes is not None and self.num_bytes != remote.size_bytes:
            return f"it has {self.num_bytes:,} bytes instead of {remote.size_bytes:,}"
        if remote.sha256 and self.sha256 != remote.sha256:
            return f"its sha256 is {self.sha256} instead of {remote.sha256}"
        if self._git is not None and self._git.hexdigest() != remote.git_sha1:
            return f"its git digest is {self._git.hexdigest()} instead of {remote.git_sha1}"
        return ""
