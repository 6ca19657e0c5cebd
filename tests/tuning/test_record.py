"""Records of what was tuned: found under their own key only, and what settings make of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from edgellm.cli import tuned
from edgellm.config import Settings
from edgellm.hardware.profile import Cpu
from edgellm.tuning.plan import Chosen
from edgellm.tuning.record import Key, Record, RecordStore, apply, key_of
from edgellm.tuning.search import Candidate, Trial
from edgellm.tuning.workload import Workload

KEY = Key("d" * 64, "edgellm 1, llama-cpp-python 2", "X, 2 of 2 CPUs, avx")
DEFAULT = Chosen(4, 4, 512, "auto")
CHOSEN = Chosen(2, 3, 256, "off")
TRIAL = Trial("threads", "2", (Candidate("2", [0.5, 0.6]),), Workload(16, 32), "decode")
RECORD = Record("m.gguf", KEY, "2026-11-21T10:00:00+00:00", "f16", DEFAULT, CHOSEN, (TRIAL,))


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return RecordStore(tmp_path / "tuning")


def test_a_record_comes_back_and_is_readable(store: RecordStore) -> None:
    path = store.save(RECORD)
    assert store.load(KEY) == RECORD
    assert '"threads": 2' in path.read_text()
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # nothing unfinished


def test_a_newer_one_replaces_it(store: RecordStore) -> None:
    store.save(RECORD)
    store.save(replace(RECORD, chosen=DEFAULT))
    loaded = store.load(KEY)
    assert loaded is not None
    assert loaded.chosen == DEFAULT


@pytest.mark.parametrize("field", ["model_digest", "engine", "cpu"])
def test_another_key_finds_nothing(store: RecordStore, field: str) -> None:
    store.save(RECORD)
    other = replace(KEY, **{field: "other"})
    assert store.load(other) is None
    store.path(RECORD.key).rename(store.path(other))  # nor under another's name
    assert store.load(other) is None


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"\xff\xfe", b"[1, 2]"])
def test_a_broken_file_counts_as_absent(store: RecordStore, content: bytes) -> None:
    store.save(RECORD).write_bytes(content)
    assert store.load(KEY) is None


def test_forgetting_takes_the_model_s_stale_records_along(store: RecordStore) -> None:
    store.save(RECORD)
    store.save(replace(RECORD, key=replace(KEY, engine="older")))
    other = replace(RECORD, key=replace(KEY, model_digest="e" * 64))
    store.save(other)
    assert store.forget(KEY) == 2
    assert store.load(KEY) is None
    assert store.load(other.key) == other
    assert store.forget(KEY) == 0


def test_the_key_changes_with_the_usable_cores(tiny_model: Path) -> None:
    four = Cpu(model="X", num_cores=8, num_allowed_cores=4)
    assert key_of(tiny_model, four) == key_of(tiny_model, four)
    assert key_of(tiny_model, four) != key_of(tiny_model, Cpu(model="X", num_cores=8))
    with pytest.raises(OSError, match="no such"):
        key_of(tiny_model / "no such", four)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Settings(), (2, 3, 256, "off")),
        (Settings(threads=8), (8, 0, 256, "off")),  # automatic prefill threads follow `threads`
        (Settings(threads_batch=8), (2, 8, 256, "off")),
        (Settings(batch_tokens=64, flash_attention="on"), (2, 3, 64, "on")),
        (Settings(kv_type="q8_0"), (2, 3, 256, "auto")),  # which needs flash attention
    ],
)
def test_explicit_settings_win(given: Settings, expected: tuple[object, ...]) -> None:
    settings = apply(given, RECORD)
    names = ("threads", "threads_batch", "batch_tokens", "flash_attention")
    assert tuple(getattr(settings, name) for name in names) == expected


def test_servers_pick_the_record_up_and_say_so(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    tiny_model: Path,
) -> None:
    monkeypatch.setenv("EDGELLM_HOME", str(tmp_path))
    caplog.set_level("INFO")
    assert tuned.with_tuning(Settings(), tiny_model) == Settings()
    tuned.records().save(replace(RECORD, key=tuned.record_key(tiny_model)))
    assert tuned.with_tuning(Settings(), tiny_model) == apply(Settings(), RECORD)
    assert caplog.messages == [
        "tuned on 2026-11-21: flash-attention off, threads 2, threads-batch 3, batch-tokens 256"
    ]
    explicit = Settings(threads=1, batch_tokens=64, flash_attention="on")
    assert tuned.with_tuning(explicit, tiny_model) == explicit
    assert len(caplog.messages) == 1
    assert tuned.with_tuning(Settings(), tmp_path / "absent.gguf") == Settings()
