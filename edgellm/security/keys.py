"""API keys at rest: made, listed and revoked in one small file, `keys.json`.

The file holds a SHA-256 of each key and never the key. No slow hash is needed: unlike a password, a
key has 256 random bits, so nobody can try them out. Several processes may change the file at once;
it is replaced as a whole, so readers and a power cut find the old one or the new one. This module
knows nothing of requests; who watches the file for a running server is `key_ring.py`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from edgellm.atomic import write_atomically
from edgellm.errors import ConfigError
from edgellm.store.files import sync_folder
from edgellm.store.lock import lock

Role: TypeAlias = Literal["user", "admin"]

KEY_PREFIX = "edgellm-"
_RANDOM_BYTES = 32
_SHOWN_CHARACTERS = len(KEY_PREFIX) + 4  # enough to tell keys apart, and no help to guess one
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Key(Struct, frozen=True, forbid_unknown_fields=True):
    """A key as it is kept. `start`: its first characters. `created`: Unix seconds."""

    name: str
    role: Role
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    start: str
    created: int


class _Content(Struct, frozen=True, forbid_unknown_fields=True):
    keys: tuple[Key, ...]


def digest(token: bytes) -> str:
    """What is kept of a key, in hexadecimal."""
    return hashlib.sha256(token).hexdigest()


def make_key(name: str, role: Role, token: str, created: int) -> Key:
    """What is kept of the key `token`."""
    return Key(name, role, digest(token.encode()), token[:_SHOWN_CHARACTERS], created)


class KeyFile:
    """The keys of one user. All methods raise ConfigError where the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[Key, ...]:
        """In the order in which they were made; none where the file does not exist."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_Content).keys
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._unusable("read", error) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"The file of the API keys, {self.path}, is damaged: {error}.",
                "Restore it, or delete it and make new keys: edgellm keys add NAME",
            ) from error

    def add(self, name: str, role: Role, now: float) -> str:
        """Make a key and give it, for the only time."""
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"A key cannot be named {name[:80]!r}.",
                "Use letters, digits, '.', '_' and '-', 64 at most; a letter or a digit first.",
            )
        token = KEY_PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)

        def with_new(keys: tuple[Key, ...]) -> tuple[Key, ...]:
            if any(key.name == name for key in keys):
                raise ConfigError(
                    f"There is a key '{name}' already.",
                    f"Choose another name, or revoke it first: edgellm keys revoke {name}",
                )
            return (*keys, make_key(name, role, token, int(now)))

        self._change(with_new)
        return token

    def revoke(self, name: str) -> None:
        """Remove a key; a running server refuses it from its next request on."""

        def without(keys: tuple[Key, ...]) -> tuple[Key, ...]:
            rest = tuple(key for key in keys if key.name != name)
            if len(rest) == len(keys):
                known = ", ".join(key.name for key in keys)
                there = f"There are: {known}." if known else "There are none."
                raise ConfigError(f"There is no key '{name[:80]}'.", there)
            return rest

        self._change(without)

    def _change(self, change: Callable[[tuple[Key, ...]], tuple[Key, ...]]) -> None:
        """Nobody else changes the file meanwhile."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with lock(self.path.with_suffix(".lock"), on_wait=lambda: None):
                content = _Content(change(self.read()))
                data = msgspec.json.format(msgspec.json.encode(content), indent=2)
                write_atomically(self.path, data + b"\n")  # its temporary file has mode 0600
                sync_folder(self.path.parent)  # a power cut must not bring back a revoked key
        except OSError as error:
            raise self._unusable("written", error) from error

    def _unusable(self, done: str, error: OSError) -> ConfigError:
        return ConfigError(
            f"The file of the API keys, {self.path}, cannot be {done}: {error.strerror}.",
            "It belongs to the user who runs the server; check its permissions and the disk.",
        )
