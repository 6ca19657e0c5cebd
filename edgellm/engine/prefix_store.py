"""Keeps computed prefixes on disk, so that a device that reboots need not compute them again.

A file holds the tokens of a prefix and the KV cache's state for them, with a digest over both: a
file that a power cut or a full disk left broken is deleted and never loaded. The folder belongs to
its owner alone, for the tokens are what users wrote. Knows files only, neither models nor slots.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from edgellm.atomic import UNFINISHED, write_atomically
from edgellm.backends.base import State

SUFFIX = ".prefix"
_DIGEST_BYTES = 32


class Prefix(Struct, frozen=True, array_like=True):
    """`state` is what the backend gave for `tokens`, under the same `key`."""

    key: str
    tokens: tuple[int, ...]
    state: State


class PrefixStore:
    """A folder of prefixes, of any number of models, bounded in size."""

    def __init__(self, folder: Path, key: str, max_bytes: int) -> None:
        """Open a store.

        Args:
            key: what the states depend on: the model's digest, context parameters, versions.
            max_bytes: of all files together, those of other keys included.
        """
        self._folder = folder
        self._key = key
        self._max_bytes = max_bytes

    def save(self, prefixes: Iterable[tuple[Sequence[int], State]]) -> None:
        """Make these, the most valuable first, what `load` gives; others of this key go.

        The first that does not fit is the last that is taken: one state is in memory at a time.

        A disk that is full or read-only costs the saved prefixes, and nothing else.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            kept = {self._write(tokens, state) for tokens, state in self._fitting(prefixes)}
            self._clean(kept)
        except OSError as error:
            sys.stderr.write(f"prefixes are not saved: {error}\n")

    def load(self) -> Iterator[tuple[tuple[int, ...], State]]:
        """The tokens and states of this key. Broken files are deleted on the way."""
        for path in sorted(self._folder.glob(f"{self._name_of_key()}-*{SUFFIX}")):
            prefix = _read(path)
            if prefix is None or prefix.key != self._key:
                path.unlink(missing_ok=True)
            else:
                yield prefix.tokens, prefix.state

    def _fitting(
        self, prefixes: Iterable[tuple[Sequence[int], State]]
    ) -> Iterator[tuple[Sequence[int], State]]:
        left = self._max_bytes
        for tokens, state in prefixes:
            left -= len(state) + 4 * len(tokens)
            if left < 0:
                return
            yield tokens, state

    def _name_of_key(self) -> str:
        return hashlib.sha256(self._key.encode()).hexdigest()[:16]

    def _write(self, tokens: Sequence[int], state: State) -> Path:
        identity = hashlib.sha256(msgspec.msgpack.encode(tuple(tokens))).hexdigest()[:16]
        path = self._folder / f"{self._name_of_key()}-{identity}{SUFFIX}"
        if not path.exists():
            body = msgspec.msgpack.encode(Prefix(self._key, tuple(tokens), state))
            write_atomically(path, hashlib.sha256(body).digest(), body)
        return path

    def _clean(self, kept: set[Path]) -> None:
        """Delete what this key no longer needs, then the oldest of all while there is too much."""
        for path in self._folder.glob(f"{self._name_of_key()}-*{SUFFIX}"):
            if path not in kept:
                path.unlink(missing_ok=True)
        for path in self._folder.glob(f"*{UNFINISHED}"):
            path.unlink(missing_ok=True)
        files = sorted(self._folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)
        others = [path for path in files if path not in kept]
        total = sum(path.stat().st_size for path in files)
        for path in others:
            if total <= self._max_bytes:
                return
            total -= path.stat().st_size
            path.unlink(missing_ok=True)


def _read(path: Path) -> Prefix | None:
    with contextlib.suppress(OSError, msgspec.DecodeError):
        data = memoryview(path.read_bytes())
        body = data[_DIGEST_BYTES:]
        if hashlib.sha256(body).digest() == data[:_DIGEST_BYTES]:
            return msgspec.msgpack.decode(body, type=Prefix)
    return None
