"""What is written is there as a whole, or not at all; digests see every change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgellm.store.files import file_digest, write_atomically


def test_the_digest_sees_a_change_anywhere(tmp_path: Path) -> None:
    file = tmp_path / "model"
    digests = set()
    for position in (None, 0, 100_000, 199_999):
        data = bytearray(200_000)
        if position is not None:
            data[position] = 1
        file.write_bytes(data)
        digests.add(file_digest(file))
    file.write_bytes(bytes(100))
    assert len(digests | {file_digest(file)}) == 5


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file.json"
    write_atomically(file, b"old")

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
