"""The file of the keys: what is in it, what is not, and what breaks it."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from edgellm.errors import ConfigError
from edgellm.security.keys import KEY_PREFIX, KeyFile, digest


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "data" / "keys.json")


def test_a_key_is_random_and_only_its_digest_is_kept(file: KeyFile) -> None:
    token, other = file.add("phone", "user", 1_000.9), file.add("laptop", "admin", 2_000)
    assert token != other
    assert token.startswith(KEY_PREFIX)
    assert len(token) >= len(KEY_PREFIX) + 43  # 256 bits
    phone, laptop = file.read()
    assert (phone.name, phone.role, phone.created) == ("phone", "user", 1_000)
    assert (laptop.name, laptop.role) == ("laptop", "admin")
    assert phone.sha256 == digest(token.encode())
    content = file.path.read_text()
    assert token.removeprefix(phone.start) not in content
    assert len(phone.start) == len(KEY_PREFIX) + 4


def test_nobody_else_can_read_it(file: KeyFile) -> None:
    previous = os.umask(0)
    try:
        file.add("phone", "user", 0)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_no_file_is_no_keys(file: KeyFile) -> None:
    assert file.read() == ()
    assert not file.path.exists()


def test_a_name_is_taken_once(file: KeyFile) -> None:
    file.add("phone", "user", 0)
    before = file.path.read_bytes()
    with pytest.raises(ConfigError) as caught:
        file.add("phone", "admin", 0)
    assert "edgellm keys revoke phone" in caught.value.hint
    assert file.path.read_bytes() == before


@pytest.mark.parametrize("name", ["", " ", "-x", "a b", "a/b", "../x", "ä", "x" * 65, "a\n"])
def test_bad_names(file: KeyFile, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be named"):
        file.add(name, "user", 0)
    assert not file.path.exists()


def test_revoking(file: KeyFile) -> None:
    for name in ("a", "b", "c"):
        file.add(name, "user", 0)
    file.revoke("b")
    assert [key.name for key in file.read()] == ["a", "c"]
    with pytest.raises(ConfigError, match="no key 'b'") as caught:
        file.revoke("b")
    assert caught.value.hint == "There are: a, c."
    file.add("b", "user", 0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"keys": [{"name": "x"}]}',
        b'{"keys": [], "more": 1}',
        b'{"keys": [{"name":"x","role":"root","sha256":"","start":"","created":0}]}',
        b'{"keys": [{"name":"x","role":"user","sha256":"\xc3\xa4","start":"","created":0}]}',
        b"\xff\xfe",
    ],
)
def test_a_damaged_file_is_an_error_and_stays(file: KeyFile, content: bytes) -> None:
    file.path.parent.mkdir()
    file.path.write_bytes(content)
    for act in (file.read, lambda: file.add("x", "user", 0), lambda: file.revoke("x")):
        with pytest.raises(ConfigError, match="is damaged"):
            act()
    assert file.path.read_bytes() == content


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    file = KeyFile(tmp_path / "data" / "keys.json")
    with pytest.raises(ConfigError, match="cannot be written"):
        file.add("x", "user", 0)
    with pytest.raises(ConfigError, match="cannot be read"):
        file.read()


def test_a_full_disk_changes_nothing(file: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.add("a", "user", 0)
    before = file.path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        file.add("b", "user", 0)
    with pytest.raises(ConfigError, match="No space left"):
        file.revoke("a")
    assert file.path.read_bytes() == before
    assert [path.name for path in file.path.parent.iterdir() if "part" in path.name] == []


def _add_several(path: Path, letter: str) -> None:
    for number in range(5):
        KeyFile(path).add(f"{letter}{number}", "user", 0)


def test_several_processes_lose_nothing(file: KeyFile) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_add_several, args=(file.path, each)) for each in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    names = {f"{letter}{number}" for letter in "abc" for number in range(5)}
    assert {key.name for key in file.read()} == names
    assert len(json.loads(file.path.read_text())["keys"]) == 15
