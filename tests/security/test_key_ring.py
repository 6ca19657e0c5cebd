"""The keys of a running server: what is added counts at once, and failures close the door."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from edgellm.security.key_ring import KeyRing
from edgellm.security.keys import KeyFile, make_key


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json")


def names(ring: KeyRing, *tokens: str) -> str | None:
    key = ring.find([token.encode() for token in tokens])
    return key.name if key is not None else None


def test_without_keys_none_is_needed(file: KeyFile) -> None:
    assert not KeyRing().is_required
    assert not KeyRing(file).is_required
    assert KeyRing(file, must_have_key=True).is_required
    assert names(KeyRing(file), "anything") is None


def test_keys_come_and_go_while_it_runs(file: KeyFile) -> None:
    ring = KeyRing(file)
    assert not ring.is_required
    first = file.add("first", "user", 0)
    assert ring.is_required
    assert names(ring, first) == "first"
    second = file.add("second", "admin", 0)
    assert names(ring, "wrong", second) == "second"
    file.revoke("first")
    assert names(ring, first) is None
    assert names(ring, first, second) == "second"


def test_what_is_no_key(file: KeyFile) -> None:
    token = file.add("a", "user", 0)
    ring = KeyRing(file)
    for wrong in ("", token[:-1], token + "x", token.upper(), ring.keys[0].sha256, "\xff"):
        assert ring.find([wrong.encode("latin-1")]) is None


def test_once_needed_always_needed(file: KeyFile) -> None:
    file.add("a", "user", 0)
    ring = KeyRing(file)
    assert ring.is_required
    file.revoke("a")
    assert ring.is_required
    file.path.unlink()
    assert ring.is_required
    assert ring.keys == ()
    assert not KeyRing(file).is_required  # a new start


def test_a_file_that_breaks_lets_nobody_in(file: KeyFile, caplog: pytest.LogCaptureFixture) -> None:
    token = file.add("a", "user", 0)
    content = file.path.read_bytes()
    environment = make_key("environment", "admin", "e" * 20, 0)
    ring = KeyRing(file, (environment,))
    assert names(ring, token) == "a"
    file.path.write_bytes(content[:-9])
    with caplog.at_level(logging.ERROR):
        assert names(ring, token) is None
        assert names(ring, token) is None
    assert caplog.text.count("no key is valid") == 1
    assert names(ring, "e" * 20) == "environment"
    file.path.write_bytes(content)
    assert names(ring, token) == "a"


def test_a_damaged_file_at_the_start_closes_the_door(file: KeyFile) -> None:
    file.path.write_bytes(b"{")
    ring = KeyRing(file)
    assert ring.is_required
    assert ring.keys == ()
