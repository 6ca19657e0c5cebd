"""What is there: found, held, verified, removed, summed up."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgellm.catalog.card import ModelFile, Variant
from edgellm.errors import ConfigError, ModelFileError, ModelInUse, PullCancelled
from edgellm.store.model import RemoteFile, Wanted, checked_path, wanted
from edgellm.store.progress import Progress
from edgellm.store.store import Store
from tests.store.conftest import REPO, content
from tests.support.hub import FakeHub, sha256

Q4 = Wanted("tiny:Q4_K_M", f"hf:{REPO}", (RemoteFile("tiny-Q4_K_M.gguf"),), quant="Q4_K_M")
SPLIT = tuple(RemoteFile(f"tiny-BF16-0000{part}-of-00002.gguf") for part in (1, 2))


def spoil(path: Path, keep_time: bool = True) -> None:
    """Turn one bit over, as a bad disk does."""
    stat = path.stat()
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    if keep_time:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_an_empty_store_creates_nothing(store: Store) -> None:
    assert store.list() == ()
    assert store.find("anything") is None
    assert store.find(Q4) is None
    assert store.disk_usage().total_bytes == 0
    assert store.clean(unfinished=True, quarantine=True) == 0
    assert not store.places.root.exists()


def test_a_variant_of_the_catalogue_is_found_by_its_files(store: Store) -> None:
    model = store.pull(Q4)
    pin = ModelFile("sub/tiny-Q4_K_M.gguf", len(content(1)), sha256(content(1)))
    elsewhere = Variant("llama_cpp", "Q4_K_M", source="hf:other/repo", files=(pin,))
    assert store.find(wanted("card:Q4_K_M", elsewhere)) == model
    other = Variant("llama_cpp", "Q4_K_M", source="hf:other/repo", files=(ModelFile(pin.path),))
    assert store.find(wanted("card:Q4_K_M", other)) is None
    wrong = replace(Q4, files=(RemoteFile("tiny-Q4_K_M.gguf", sha256="0" * 64),))
    assert store.find(wrong) is None
    assert store.find(replace(Q4, revision=model.manifest.commit)) == model
    assert store.find(replace(Q4, revision="v2")) is None


def test_a_file_from_a_stick_is_the_catalogue_s_model(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "tiny-Q4_K_M.gguf"
    file.write_bytes(content(1))
    model = store.take_in(file)
    assert model.path.read_bytes() == content(1)
    assert model.path.stat().st_ino == file.stat().st_ino
    pinned = replace(Q4, files=(RemoteFile("tiny-Q4_K_M.gguf", sha256=sha256(content(1))),))
    assert store.find(pinned) == model
    assert store.take_in(file).folder == model.folder


def test_all_parts_and_whole_folders_are_taken_in(store: Store, tmp_path: Path) -> None:
    for part in SPLIT:
        (tmp_path / part.path).write_bytes(content(3))
    model = store.take_in(tmp_path / SPLIT[0].path)
    assert [file.path for file in model.manifest.files] == [part.path for part in SPLIT]
    folder = tmp_path / "mlc"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"a")
    (folder / "mlc-chat-config.json").write_bytes(b"{}")
    (folder / "sub" / "b.bin").write_bytes(b"b")
    taken = store.take_in(folder)
    assert taken.path.name == "mlc-chat-config.json"
    assert (taken.folder / "sub" / "b.bin").read_bytes() == b"b"


def test_what_cannot_be_taken_in(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="There is no file"):
        store.take_in(tmp_path / "none.gguf")
    (tmp_path / SPLIT[0].path).write_bytes(content(3))
    with pytest.raises(ModelFileError, match="is one of 2 parts") as caught:
        store.take_in(tmp_path / SPLIT[0].path)
    assert str(tmp_path) in caught.value.hint
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFileError, match="is empty"):
        store.take_in(tmp_path / "empty")


def test_verify_moves_aside_what_rotted_and_the_rest_waits(store: Store, remote: FakeHub) -> None:
    model = store.pull(replace(Q4, files=SPLIT))
    spoil(model.folder / SPLIT[1].path)
    assert store.find(Q4) is None
    verdict = store.verify(model)
    (problem,) = verdict.problems
    assert (verdict.is_ok, problem.path) == (False, SPLIT[1].path)
    assert "its sha256 is" in problem.reason
    assert Path(problem.moved_to).is_file()
    note = json.loads(Path(problem.moved_to + ".reason.json").read_bytes())
    assert note["reason"] == problem.reason
    assert store.list() == ()
    sent = remote.sent_bytes
    again = store.pull(replace(Q4, files=SPLIT))
    assert remote.sent_bytes - sent == len(content(4))  # the good part was not fetched again
    assert store.verify(again).is_ok


def test_a_file_that_changed_is_never_found(store: Store) -> None:
    model = store.pull(Q4)
    spoil(model.path, keep_time=False)
    assert store.find(Q4) is None
    assert store.list() == ()
    assert store.disk_usage().quarantine_bytes > len(content(1))


@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_a_file_that_is_cut_off_or_gone(store: Store, harm: str) -> None:
    model = store.pull(Q4)
    model.path.write_bytes(b"GGUF") if harm == "cut" else model.path.unlink()
    assert store.find(Q4) is None
    assert store.pull(Q4).path.read_bytes() == content(1)


def test_a_touched_file_is_verified_once_and_found(store: Store) -> None:
    model = store.pull(Q4)
    os.utime(model.path, ns=(1, 1))
    found = store.find(Q4)
    assert found is not None
    assert found.manifest.files[0].mtime_ns == 1
    assert found.manifest.verified_at > model.manifest.verified_at


def test_a_model_without_its_manifest_is_none_and_is_mended(store: Store, remote: FakeHub) -> None:
    model = store.pull(Q4)
    (model.folder / "edgellm-model.json").write_bytes(b"")
    assert store.find(Q4) is None
    assert store.list() == ()
    (verdict,) = store.broken()
    assert (verdict.id, verdict.is_ok) == (model.id, False)
    assert store.pull(Q4).path.read_bytes() == content(1)
    assert store.broken() == ()


def test_who_holds_a_model_keeps_it(store: Store) -> None:
    model = store.pull(Q4)
    with store.hold(model), Store(store.places.root).hold(model):
        with pytest.raises(ModelInUse, match="in use by another process") as caught:
            store.remove(model)
        assert "Stop the server" in caught.value.hint
        assert store.find(Q4) == model
    assert store.remove(model) == len(content(1))
    assert store.find(Q4) is None
    with pytest.raises(ModelFileError, match="was removed"), store.hold(model):
        pass


def test_what_is_taken_is_summed_up(store: Store) -> None:
    small, large = store.pull(Q4), store.pull(replace(Q4, name="split", files=SPLIT))
    usage = store.disk_usage()
    assert usage.models.keys() == {small.id, large.id}
    assert usage.models[large.id] > len(content(3)) + len(content(4))
    assert usage.total_bytes == sum(usage.models.values())
    assert usage.free_bytes is not None


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../x", "a/../../b", "c:\\x", "x\0", "x.part", "edgellm-model.json"]
)
def test_paths_that_lead_elsewhere_are_refused(store: Store, remote: FakeHub, path: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the path"):
        checked_path(path)
    remote.repos[REPO].files[path] = b"evil"
    with pytest.raises(ConfigError, match="cannot be the path"):
        store.pull(replace(Q4, files=(RemoteFile(path),)))
    assert store.list() == ()


def test_other_sources_are_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match="is no source"):
        store.pull(replace(Q4, source="ftp://x"))
    with pytest.raises(ConfigError, match="names no repository"):
        store.pull(replace(Q4, source="hf:justone"))


def test_a_server_pulls_in_a_thread_and_can_stop_it(store: Store) -> None:
    stop, told = threading.Event(), asyncio.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def show(progress: Progress) -> None:
            if progress.done_bytes:
                loop.call_soon_threadsafe(told.set)

        pulling = asyncio.create_task(
            asyncio.to_thread(store.pull, Q4, show, limit_rate=50_000, should_stop=stop.is_set)
        )
        await told.wait()
        stop.set()
        with pytest.raises(PullCancelled):
            await pulling

    asyncio.run(main())
    assert store.pull(Q4).path.read_bytes() == content(1)


def test_looking_for_a_model_imports_nothing_heavy(tmp_path: Path) -> None:
    """A server looks for its model before it answers; the network's libraries can wait."""
    code = (
        "import sys; from pathlib import Path; from edgellm.store.store import Store;"
        f"Store(Path({str(tmp_path)!r})).find('x');"
        "print(sorted({'huggingface_hub', 'httpx', 'httpx2', 'rich'} & sys.modules.keys()))"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
