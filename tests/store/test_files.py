"""Digests see every change."""

from __future__ import annotations

from pathlib import Path

from edgellm.store.files import file_digest


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
