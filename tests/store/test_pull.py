"""Pulling from a hub on real sockets: what arrives, what is asked for, and what goes wrong."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from edgellm.errors import (
    AccessDenied,
    DigestMismatch,
    DiskFull,
    DownloadFailed,
    PullCancelled,
    RemoteNotFound,
    StoreError,
    TooManyRequests,
)
from edgellm.store import pull
from edgellm.store.locate import named_in
from edgellm.store.model import RemoteFile, Wanted
from edgellm.store.progress import Meter, Progress
from edgellm.store.sources.huggingface import Hub
from edgellm.store.store import Store
from tests.store.conftest import REPO, content
from tests.support.hub import FakeHub, Repo, sha256

Q4 = Wanted("tiny", f"hf:{REPO}", (RemoteFile("tiny-Q4_K_M.gguf"),))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries wait for seconds; who tests the waiting itself looks at what was asked for."""
    monkeypatch.setattr(Meter, "sleep", lambda self, _seconds: self.check_stop())


def hidden(folder: Path, kind: str) -> list[str]:
    """The files in one of the store's own folders."""
    return sorted(path.name for path in (folder / kind).rglob("*") if path.is_file())


def test_a_pulled_model_is_what_the_hub_has(store: Store, remote: FakeHub) -> None:
    told: list[Progress] = []
    model = store.pull(Q4, told.append)
    data = remote.repos[REPO].files["tiny-Q4_K_M.gguf"]
    assert model.path.read_bytes() == data
    assert (model.size_bytes, model.sha256) == (len(data), sha256(data))
    assert model.manifest.commit == remote.repos[REPO].commit
    assert model.manifest.licence == "apache-2.0"
    assert store.list() == (model,)
    assert store.find(Q4) == store.find("TINY") == store.find(model.id) == model
    assert hidden(store.places.root, ".unfinished") == []
    assert (told[-1].done_bytes, told[-1].total_bytes) == (len(data), len(data))


def test_the_second_pull_asks_but_fetches_nothing(store: Store, remote: FakeHub) -> None:
    model = store.pull(Q4)
    sent = remote.sent_bytes
    assert store.pull(Q4) == model
    assert remote.sent_bytes == sent
    pinned = replace(Q4, files=(RemoteFile("tiny-Q4_K_M.gguf", sha256=model.sha256),))
    remote.requests.clear()
    assert store.pull(pinned).path == model.path
    assert remote.requests == []


def test_all_parts_of_a_split_model_lie_in_one_folder(store: Store, remote: FakeHub) -> None:
    wanted = named_in(store.hub.describe(REPO, "main"), quant="BF16")
    model = store.pull(wanted)
    names = [file.path for file in model.manifest.files]
    assert names == [f"tiny-BF16-0000{part}-of-00002.gguf" for part in (1, 2)]
    assert model.path.name == names[0]
    assert all(
        (model.folder / name).read_bytes() == remote.repos[REPO].files[name] for name in names
    )
    assert wanted.name == f"hf:{REPO}:BF16"


def test_a_folder_with_small_files_and_a_projector(store: Store, remote: FakeHub) -> None:
    remote.repos["owner/folder"] = Repo(
        {"sub/config.json": b'{"a": 1}', "sub/params/x.bin": content(9), "empty.txt": b""}
    )
    paths = tuple(map(RemoteFile, remote.repos["owner/folder"].files))
    model = store.pull(Wanted("folder", "hf:owner/folder", paths, projector="sub/params/x.bin"))
    assert model.path.read_bytes() == b'{"a": 1}'
    assert model.projector is not None
    assert model.projector.read_bytes() == content(9)


def test_a_cut_connection_is_resumed_at_once(store: Store, remote: FakeHub) -> None:
    remote.faults.cut_after = [100_000, 50_000]
    told: list[Progress] = []
    model = store.pull(Q4, told.append)
    assert sha256(model.path.read_bytes()) == model.sha256
    ranges = [each.headers.get("Range") for each in remote.requests if "/cdn/" in each.path]
    assert len(ranges) == 3
    assert ranges[0] is None
    assert all(range_ is not None for range_ in ranges[1:])
    assert remote.sent_bytes < len(content(1)) + 3 * 16384
    assert told[-1].num_retries == 2


def test_the_next_process_goes_on_where_the_last_one_ended(store: Store, remote: FakeHub) -> None:
    remote.faults.cut_after = [100_000] + [0] * 20
    with pytest.raises(DownloadFailed, match="cannot be fetched") as caught:
        store.pull(Q4)
    assert "what came so far is kept" in caught.value.hint
    assert store.find(Q4) is None
    before = remote.sent_bytes
    remote.faults.cut_after = []
    again = Store(store.places.root, store.hub)
    assert again.pull(Q4).sha256 == sha256(content(1))
    assert remote.sent_bytes - before < len(content(1)) - 50_000


def test_a_spoiled_part_is_fetched_anew(store: Store, remote: FakeHub) -> None:
    """What a power cut can do: the file has its length, and zeros in it."""
    remote.faults.cut_after = [100_000] + [0] * 20
    with pytest.raises(DownloadFailed):
        store.pull(Q4)
    (part,) = store.places.unfinished.rglob("*.gguf.part")
    part.write_bytes(bytes(part.stat().st_size))
    remote.faults.cut_after = []
    assert store.pull(Q4).path.read_bytes() == content(1)


def test_what_is_not_what_its_digest_says_is_moved_aside(store: Store, remote: FakeHub) -> None:
    remote.faults.corrupt = True
    with pytest.raises(DigestMismatch, match="its sha256 is") as caught:
        store.pull(Q4)
    assert "is not used" in caught.value.hint
    assert store.list() == ()
    moved = hidden(store.places.root, ".quarantine")
    assert [name.partition("--")[2] for name in moved] == [
        "tiny-Q4_K_M.gguf",
        "tiny-Q4_K_M.gguf.reason.json",
    ]
    reason = json.loads((store.places.quarantine / moved[1]).read_bytes())
    assert "sha256" in reason["reason"]
    remote.faults.corrupt = False
    assert store.pull(Q4).path.read_bytes() == content(1)
    assert store.clean(quarantine=True) > len(content(1))


def test_a_small_file_is_checked_by_git_s_digest(store: Store, remote: FakeHub) -> None:
    remote.repos["owner/small"] = Repo({"config.json": b"{}"})
    remote.faults.corrupt = True
    with pytest.raises(DigestMismatch, match="git digest"):
        store.pull(Wanted("small", "hf:owner/small", (RemoteFile("config.json"),)))


def test_a_pin_of_the_catalogue_that_the_hub_no_longer_has(store: Store) -> None:
    pinned = replace(Q4, files=(RemoteFile("tiny-Q4_K_M.gguf", sha256="0" * 64),))
    with pytest.raises(RemoteNotFound, match="has changed"):
        store.pull(pinned)


def test_a_changed_repository_replaces_the_old_model(store: Store, remote: FakeHub) -> None:
    old = store.pull(Q4)
    remote.repos[REPO].files["tiny-Q4_K_M.gguf"] = content(77)
    new = store.pull(Q4)
    assert new.path.read_bytes() == content(77)
    assert store.list() == (new,)
    assert not old.folder.exists()


def test_an_older_version_that_is_served_stays(store: Store, remote: FakeHub) -> None:
    old = store.pull(Q4)
    remote.repos[REPO].files["tiny-Q4_K_M.gguf"] = content(77)
    with store.hold(old):
        new = store.pull(Q4)
    assert {model.id for model in store.list()} == {old.id, new.id}
    assert store.find(Q4) == new


@dataclasses.dataclass
class Refused:
    """How an answer of the hub is told."""

    error: type[StoreError]
    message: str
    hint: str


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        (401, {}, Refused(RemoteNotFound, "has no model repository", "hf auth login")),
        (
            401,
            {"X-Error-Message": "Invalid credentials in Authorization header"},
            Refused(AccessDenied, "does not accept your token", "Make a new one"),
        ),
        (
            403,
            {"X-Error-Code": "GatedRepo"},
            Refused(AccessDenied, "is gated: it is given to those who", "Accept the licence on"),
        ),
        (403, {}, Refused(AccessDenied, "may not read", "permission")),
        (404, {"X-Error-Code": "RepoNotFound"}, Refused(RemoteNotFound, "has no model", "Check")),
        (404, {"X-Error-Code": "RevisionNotFound"}, Refused(RemoteNotFound, "revision 'm", "See")),
        (404, {"X-Error-Code": "EntryNotFound"}, Refused(RemoteNotFound, "no such thing", "See")),
        (
            429,
            {"Retry-After": "300"},
            Refused(TooManyRequests, "too many requests", "Try again in 300 seconds"),
        ),
        (503, {}, Refused(DownloadFailed, "a problem of its own", "Try again later")),
    ],
)
@pytest.mark.parametrize("where", ["api_statuses", "statuses"])
def test_each_refusal_has_its_words(
    store: Store,
    remote: FakeHub,
    where: str,
    status: int,
    headers: dict[str, str],
    told: Refused,
) -> None:
    setattr(remote.faults, where, [(status, headers)] * 20)
    with pytest.raises(told.error, match=told.message) as caught:
        store.pull(Q4)
    assert told.hint in caught.value.hint
    assert store.list() == ()


@pytest.mark.parametrize("where", ["api_statuses", "statuses"])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_that_is_busy_for_a_moment_is_asked_again(
    store: Store, remote: FakeHub, monkeypatch: pytest.MonkeyPatch, where: str, status: int
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(Meter, "sleep", lambda _self, seconds: pauses.append(seconds))
    setattr(remote.faults, where, [(status, {"Retry-After": "7"})])
    assert store.pull(Q4).path.read_bytes() == content(1)
    assert pauses == [7.0] if status == 429 else len(pauses) == 1


def test_a_gated_repository_opens_to_the_right_token(remote: FakeHub, tmp_path: Path) -> None:
    remote.repos[REPO].is_gated = True
    with pytest.raises(AccessDenied, match="given to those who log in") as caught:
        Store(tmp_path / "models", Hub(remote.url)).pull(Q4)
    assert f"{remote.url}/{REPO}" in caught.value.hint
    with pytest.raises(AccessDenied, match="your account has no access"):
        Store(tmp_path / "models", Hub(remote.url, "other")).pull(Q4)
    model = Store(tmp_path / "models", Hub(remote.url, "allowed")).pull(Q4)
    assert model.path.read_bytes() == content(1)


def test_the_token_stays_with_the_hub(remote: FakeHub, tmp_path: Path) -> None:
    remote.repos[REPO].needs_token = "secret"
    hub = Hub(remote.url, "secret")
    Store(tmp_path / "models", hub).pull(Q4)
    assert hub.read_range(REPO, "tiny-Q4_K_M.gguf", 4, 10) == content(1)[4:14]
    to_cdn = [each for each in remote.requests if "/cdn/" in each.path]
    assert len(to_cdn) == 2
    assert all("Authorization" not in each.headers for each in to_cdn)
    to_hub = [each for each in remote.requests if "/resolve/" in each.path]
    assert all(each.headers["Authorization"] == "Bearer secret" for each in to_hub)


def test_a_private_repository_is_as_if_it_were_not_there(store: Store, remote: FakeHub) -> None:
    remote.repos[REPO].needs_token = "secret"
    with pytest.raises(RemoteNotFound, match="or hides it from those who are not logged in"):
        store.pull(Q4)


def test_missing_things_are_named(store: Store) -> None:
    with pytest.raises(RemoteNotFound, match=r"no file other\.gguf"):
        store.pull(replace(Q4, files=(RemoteFile("other.gguf"),)))
    with pytest.raises(RemoteNotFound, match="no revision 'v9'"):
        store.pull(replace(Q4, revision="v9"))
    with pytest.raises(RemoteNotFound, match="no model repository"):
        store.pull(replace(Q4, source="hf:nobody/nothing"))


def test_no_hub_at_all(store: Store, remote: FakeHub, tmp_path: Path) -> None:
    model = store.pull(Q4)
    remote.stop()
    assert store.pull(Q4) == model  # it is there, so nobody is needed
    with pytest.raises(DownloadFailed, match="cannot be fetched"):
        Store(tmp_path / "other", store.hub).pull(Q4)


def test_offline_uses_what_the_library_s_cache_has(
    store: Store, remote: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants, hf_hub_download

    hf_hub_download(REPO, "tiny-Q4_K_M.gguf", endpoint=remote.url, cache_dir=tmp_path / "hub-cache")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    remote.requests.clear()
    model = store.pull(Q4)
    assert model.path.read_bytes() == content(1)
    assert remote.requests == []
    with pytest.raises(DownloadFailed, match="HF_HUB_OFFLINE is set") as caught:
        store.pull(replace(Q4, files=(RemoteFile("tiny-Q8_0.gguf"),)))
    assert "edgellm pull ./FILE" in caught.value.hint


def test_what_the_library_fetched_is_not_fetched_again(
    store: Store, remote: FakeHub, tmp_path: Path
) -> None:
    from huggingface_hub import hf_hub_download

    hf_hub_download(REPO, "tiny-Q4_K_M.gguf", endpoint=remote.url, cache_dir=tmp_path / "hub-cache")
    sent = remote.sent_bytes
    model = store.pull(Q4)
    assert remote.sent_bytes == sent
    assert model.path.read_bytes() == content(1)


def test_a_file_that_two_models_share_is_fetched_once(store: Store, remote: FakeHub) -> None:
    both = tuple(map(RemoteFile, ("tiny-Q4_K_M.gguf", "mmproj-tiny-F16.gguf")))
    store.pull(Q4)
    sent = remote.sent_bytes
    model = store.pull(replace(Q4, name="seeing", files=both, projector=both[1].path))
    assert remote.sent_bytes - sent == 50_000
    assert model.path.stat().st_nlink == 2
    usage = store.disk_usage()
    manifests = sum(path.stat().st_size for path in store.places.root.rglob("edgellm-model.json"))
    assert usage.total_bytes == len(content(1)) + 50_000 + manifests


def test_too_little_room_is_said_before_the_first_byte(
    store: Store, remote: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = pull.shutil.disk_usage(store.places.root.parent)
    free = pull.MARGIN_BYTES + 200_000
    monkeypatch.setattr(pull.shutil, "disk_usage", lambda _path: usage._replace(free=free))
    with pytest.raises(DiskFull, match="needs 300,000 more bytes") as caught:
        store.pull(Q4)
    assert f"{free:,} free" in caught.value.message
    assert "Make 100,000 bytes of room" in caught.value.hint
    assert remote.sent_bytes == 0


def test_a_pull_can_be_stopped_and_goes_on(store: Store, remote: FakeHub) -> None:
    done = 0

    def remember(progress: Progress) -> None:
        nonlocal done
        done = progress.done_bytes

    remote.faults.bytes_per_second = 500_000
    with pytest.raises(PullCancelled):
        store.pull(Q4, remember, limit_rate=400_000, should_stop=lambda: done > 50_000)
    remote.faults.bytes_per_second = 0
    sent = remote.sent_bytes
    assert store.pull(Q4).path.read_bytes() == content(1)
    assert remote.sent_bytes - sent < len(content(1))


def test_two_pulls_of_the_same_fetch_it_once(store: Store, remote: FakeHub) -> None:
    remote.faults.bytes_per_second = 1_000_000
    phases: list[list[str]] = [[], []]
    found: list[Path] = []

    def run(index: int) -> None:
        other = Store(store.places.root, Hub(remote.url))
        name = replace(Q4, name=f"name {index}")
        found.append(other.pull(name, lambda told: phases[index].append(told.phase)).path)

    threads = [threading.Thread(target=run, args=(index,)) for index in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]
    assert remote.sent_bytes == len(content(1))
    assert any("waiting" in told and "fetching" not in told for told in phases)
    (model,) = store.list()
    assert set(model.manifest.names) == {"name 0", "name 1"}


def test_the_rate_is_kept(store: Store, remote: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of its own: what was slept for is what the rate asks for."""
    slept = 0.0

    def sleep(_self: Meter, seconds: float) -> None:
        nonlocal slept
        slept += max(0.0, seconds)

    start = time.monotonic()
    monkeypatch.setattr(Meter, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: start)
    meter = Meter(limit_rate=100_000, clock=lambda: start)
    for _ in range(10):
        meter.add(10_000, is_fetched=True)
    assert slept == pytest.approx(sum(0.1 * step for step in range(1, 11)))
