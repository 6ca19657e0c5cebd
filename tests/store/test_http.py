"""Files at plain addresses, where no hub says sizes and digests; and parts of files."""

from __future__ import annotations

import pytest

from edgellm.cli.list_models import row
from edgellm.errors import AccessDenied, ConfigError, DigestMismatch, DownloadFailed, RemoteNotFound
from edgellm.store.locate import at_address
from edgellm.store.model import RemoteFile, Wanted
from edgellm.store.progress import Meter
from edgellm.store.sources import http
from edgellm.store.store import Store
from tests.store.conftest import content
from tests.support.hub import FakeHub, sha256


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Meter, "sleep", lambda self, _seconds: self.check_stop())


@pytest.fixture
def wanted(remote: FakeHub) -> Wanted:
    remote.files["x.gguf"] = content(1)
    return at_address(f"{remote.url}/files/x.gguf?key=1")


def test_the_digest_of_the_first_pull_is_remembered(
    store: Store, remote: FakeHub, wanted: Wanted
) -> None:
    model = store.pull(wanted)
    assert model.path.read_bytes() == content(1)
    assert model.sha256 == sha256(content(1))
    assert (model.name, model.path.name) == (f"{remote.url}/files/x.gguf", "x.gguf")
    sent = remote.sent_bytes
    assert store.pull(wanted) == model
    assert remote.sent_bytes == sent
    assert "key=1" in next(each.path for each in remote.requests)


def test_a_changed_file_is_fetched_and_takes_the_place(
    store: Store, remote: FakeHub, wanted: Wanted
) -> None:
    store.pull(wanted)
    remote.files["x.gguf"] = content(2)
    model = store.pull(wanted)
    assert model.path.read_bytes() == content(2)
    assert store.list() == (model,)


@pytest.mark.parametrize("no_head", [False, True])
def test_an_unfinished_file_goes_on_under_the_same_etag(
    store: Store, remote: FakeHub, wanted: Wanted, no_head: bool
) -> None:
    remote.faults.no_head = no_head
    remote.faults.cut_after = [1] * no_head + [150_000] + [0] * 20
    with pytest.raises(DownloadFailed):
        store.pull(wanted)
    sent, remote.faults.cut_after = remote.sent_bytes, []
    assert store.pull(wanted).path.read_bytes() == content(1)
    assert remote.sent_bytes - sent < 200_000
    assert any("If-Range" in each.headers for each in remote.requests)


def test_a_file_that_changed_meanwhile_begins_anew(
    store: Store, remote: FakeHub, wanted: Wanted
) -> None:
    remote.faults.cut_after = [150_000] + [0] * 20
    with pytest.raises(DownloadFailed):
        store.pull(wanted)
    remote.faults.cut_after = []
    remote.files["x.gguf"] = content(2)
    assert store.pull(wanted).path.read_bytes() == content(2)


def test_a_file_that_changes_while_it_is_fetched(
    store: Store, remote: FakeHub, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first half of one and the second of another are never put together."""
    remote.faults.cut_after = [150_000]

    def change(_self: Meter, _seconds: float) -> None:
        remote.files["x.gguf"] = content(2)

    monkeypatch.setattr(Meter, "sleep", change)
    assert store.pull(wanted).path.read_bytes() == content(2)


def test_one_that_changes_its_size_while_it_is_fetched(
    store: Store, remote: FakeHub, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.faults.cut_after = [150_000]

    def change(_self: Meter, _seconds: float) -> None:
        remote.files["x.gguf"] = content(2, 200_000)

    monkeypatch.setattr(Meter, "sleep", change)
    with pytest.raises(DownloadFailed, match="200,000 bytes now instead of 300,000") as caught:
        store.pull(wanted)
    assert "Pull again" in caught.value.hint
    assert store.pull(wanted).path.read_bytes() == content(2, 200_000)


def test_a_server_without_ranges_and_etags(store: Store, remote: FakeHub, wanted: Wanted) -> None:
    remote.faults.no_ranges = remote.faults.no_etag = True
    remote.faults.cut_after = [200_000, 250_000]
    assert store.pull(wanted).path.read_bytes() == content(1)


def test_a_server_that_always_cuts_is_given_up(
    store: Store, remote: FakeHub, wanted: Wanted
) -> None:
    remote.faults.no_ranges = True
    remote.faults.cut_after = [100_000] * 100
    with pytest.raises(DownloadFailed, match="cannot be fetched"):
        store.pull(wanted)
    assert remote.count("/files/") < 20


def test_a_pin_is_checked(store: Store, remote: FakeHub) -> None:
    remote.files["x.gguf"] = content(1)
    base = f"{remote.url}/files"
    bad = Wanted("x", base, (RemoteFile("x.gguf", sha256="0" * 64),))
    with pytest.raises(DigestMismatch, match="instead of 000"):
        store.pull(bad)
    with pytest.raises(DownloadFailed, match="300,000 bytes instead of 5"):
        store.pull(Wanted("x", base, (RemoteFile("x.gguf", size_bytes=5),)))
    good = Wanted("x", base, (RemoteFile("x.gguf", sha256=sha256(content(1))),))
    assert store.pull(good).path.read_bytes() == content(1)


def test_refusals_of_a_plain_server(store: Store, remote: FakeHub, wanted: Wanted) -> None:
    with pytest.raises(RemoteNotFound, match="no such thing"):
        store.pull(at_address(f"{remote.url}/files/none.gguf"))
    remote.faults.statuses = [(403, {}), (403, {})]
    with pytest.raises(AccessDenied, match="does not give out") as caught:
        store.pull(wanted)
    assert "edgellm pull ./FILE" in caught.value.hint


def test_an_address_that_names_no_file(remote: FakeHub) -> None:
    with pytest.raises(ConfigError, match="names no file"):
        at_address(f"{remote.url}/")


def test_what_may_be_secret_is_not_shown(store: Store, remote: FakeHub, wanted: Wanted) -> None:
    secret = remote.url.replace("http://", "http://me:secret@") + "/files/x.gguf?key=secret"
    model = store.pull(at_address(secret))
    assert model.path.read_bytes() == content(1)
    assert "secret" not in model.name
    assert "secret" not in row(model).source
    remote.faults.statuses = [(403, {}), (403, {})]
    with pytest.raises(AccessDenied) as caught:
        store.pull(at_address(secret))
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("no_ranges", [False, True])
def test_a_part_of_a_file(remote: FakeHub, no_ranges: bool) -> None:
    remote.files["x.gguf"] = content(1)
    remote.faults.no_ranges = no_ranges
    url = f"{remote.url}/files/x.gguf"
    assert http.read_range(url, 0, 4) == b"GGUF"
    assert http.read_range(url, 1000, 5000) == content(1)[1000:6000]
    assert http.read_range(url, 299_990, 100) == content(1)[-10:]
    assert http.read_range(url, 400_000, 10) == b""


def test_a_part_of_what_is_not_there(remote: FakeHub) -> None:
    with pytest.raises(RemoteNotFound):
        http.read_range(f"{remote.url}/files/none", 0, 4)
    remote.stop()
    with pytest.raises(DownloadFailed, match="cannot be fetched"):
        http.read_range(f"{remote.url}/files/none", 0, 4)
