"""The keys of a running server: which are valid now, and whether one is needed.

The file is looked at for every request (one `stat`), so keys that are added or revoked count at
once. It fails closed: while the file cannot be read, no key of it is valid, and a server that has
once needed a key goes on needing one, even when the file is gone, until it is started again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from hmac import compare_digest
from typing import TypeAlias

from edgellm.errors import ConfigError
from edgellm.security.keys import Key, KeyFile, digest

logger = logging.getLogger(__name__)

_Stamp: TypeAlias = tuple[int, ...] | str


class KeyRing:
    """All keys that count.

    Args:
        file: the user's keys; None = there is no such file, as for a private server.
        more: keys from elsewhere, such as the environment.
        must_have_key: requests need a key even while there is none.
    """

    def __init__(
        self,
        file: KeyFile | None = None,
        more: tuple[Key, ...] = (),
        *,
        must_have_key: bool = False,
    ) -> None:
        self._file = file
        self._more = more
        self._keys = more
        self._stamp: _Stamp = "never read"
        self._is_required = must_have_key

    @property
    def is_required(self) -> bool:
        """Whether a request needs a key."""
        self._refresh()
        return self._is_required

    @property
    def keys(self) -> tuple[Key, ...]:
        """Those that are valid now."""
        self._refresh()
        return self._keys

    def find(self, tokens: Iterable[bytes]) -> Key | None:
        """The key that one of `tokens` is. All are compared, each in constant time."""
        keys = self.keys
        found: Key | None = None
        for token in tokens:
            asked = digest(token)
            for key in keys:
                if compare_digest(asked, key.sha256):
                    found = key
        return found

    def _refresh(self) -> None:
        stamp = self._read_stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            kept = self._file.read() if self._file is not None else ()
        except ConfigError as error:
            logger.error("no key is valid: %s %s", error.message, error.hint)
            kept, self._is_required = (), True
        self._keys = (*self._more, *kept)
        self._is_required = self._is_required or bool(self._keys)

    def _read_stamp(self) -> _Stamp:
        """What changes with the file."""
        if self._file is None:
            return "no file"
        try:
            found = self._file.path.stat()
        except OSError as error:
            return f"errno {error.errno}"
        return (found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size)
