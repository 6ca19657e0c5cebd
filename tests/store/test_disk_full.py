"""A disk that fills up while a file comes: a real one where we may mount it, and a limit."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgellm.errors import DiskFull, FolderUnusable
from edgellm.store import pull
from edgellm.store.disk import disk_error
from edgellm.store.model import RemoteFile, Wanted
from edgellm.store.sources.huggingface import Hub
from edgellm.store.store import Store
from tests.store.conftest import REPO, content
from tests.support.hub import FakeHub

Q4 = Wanted("tiny", f"hf:{REPO}", (RemoteFile("tiny-Q4_K_M.gguf"),))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = (mount or "", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder))
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(("umount", str(folder)), check=True)


def test_a_disk_that_is_too_small_is_known_before(small_disk: Path, remote: FakeHub) -> None:
    with pytest.raises(DiskFull, match=r"needs 300,000 more bytes and .* has 2"):
        Store(small_disk / "models", Hub(remote.url)).pull(Q4)
    assert remote.sent_bytes == 0


def test_a_disk_that_fills_up_meanwhile(
    small_disk: Path, remote: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else took the room after it was looked at."""
    monkeypatch.setattr(pull.Pull, "_make_sure_of_room", lambda *_args: None)
    store = Store(small_disk / "models", Hub(remote.url))
    with pytest.raises(DiskFull, match="The disk is full") as caught:
        store.pull(Q4)
    assert "edgellm du" in caught.value.hint
    assert store.list() == ()
    (part,) = store.places.unfinished.rglob("*.gguf.part")
    assert part.stat().st_size > 100_000
    sent = remote.sent_bytes
    subprocess.run(("mount", "-o", "remount,size=1m", str(small_disk)), check=True)
    assert store.pull(Q4).path.read_bytes() == content(1)
    assert remote.sent_bytes - sent < len(content(1)) - 100_000


def test_a_file_system_with_a_limit_for_files(store: Store) -> None:
    """As FAT32 has one."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, old[1]))
    try:
        with pytest.raises(DiskFull, match="cannot hold a file of that size") as caught:
            store.pull(Q4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert "FAT32" in caught.value.hint
    assert store.pull(Q4).path.read_bytes() == content(1)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written(tmp_path: Path, number: int) -> None:
    told = disk_error(OSError(number, "no"), tmp_path / "x")
    assert isinstance(told, FolderUnusable)
    assert "models_folder" in told.hint


def test_a_file_where_the_folder_should_be(tmp_path: Path, remote: FakeHub) -> None:
    (tmp_path / "models").write_bytes(b"")
    with pytest.raises(FolderUnusable, match="cannot be used"):
        Store(tmp_path / "models", Hub(remote.url)).pull(Q4)


def test_models_on_a_read_only_disk_are_served(small_disk: Path, remote: FakeHub) -> None:
    subprocess.run(("mount", "-o", "remount,size=1m", str(small_disk)), check=True)
    store = Store(small_disk / "models", Hub(remote.url))
    file = small_disk / "mine.gguf"
    file.write_bytes(content(1, 100_000))
    model = store.take_in(file)
    os.utime(model.path, ns=(1, 1))
    subprocess.run(("mount", "-o", "remount,ro", str(small_disk)), check=True)
    found = store.find("mine")
    assert found is not None
    with store.hold(found):
        assert found.path.read_bytes() == content(1, 100_000)
    with pytest.raises(FolderUnusable, match="Read-only"):
        store.remove(found)
    with pytest.raises(FolderUnusable, match="Read-only"):
        store.pull(Q4)
