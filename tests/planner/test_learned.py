"""What was measured corrects the next estimate: raised at once, lowered only where that is safe."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.hardware.profile import Cpu, HardwareProfile
from edgellm.planner import learned
from edgellm.planner.learned import MOST_RECORDS, Key, correct, forget, key_of, record
from edgellm.planner.memory import MIB, Breakdown
from edgellm.types import EngineOptions

DIGEST = "0123456789abcdef" * 4
PI5 = HardwareProfile("linux", "aarch64", "Raspberry Pi 5", Cpu(features=("neon", "dotprod")))
PREDICTED = Breakdown(weights=700 * MIB, kv=200 * MIB, compute=50 * MIB, runtime=50 * MIB)
KEY = key_of(DIGEST, EngineOptions(), PI5)


def test_nothing_is_learned_before_anything_was_measured(tmp_path: Path) -> None:
    assert correct(tmp_path / "none", KEY, PREDICTED) == PREDICTED


@pytest.mark.parametrize(
    ("peak", "expected"),
    [
        (1100, 100),  # too low: raised at once
        (1000, 0),
        (960, 0),  # the compute buffer may not have been filled yet
        (900, -50),  # even with all of it, the estimate was too high
    ],
)
def test_an_estimate_is_corrected_by_what_was_measured(
    tmp_path: Path, peak: int, expected: int
) -> None:
    assert record(tmp_path, KEY, PREDICTED, peak * MIB)
    found = correct(tmp_path, KEY, PREDICTED)
    assert found.learned == expected * MIB
    assert found.total == (1000 + expected) * MIB


def test_the_most_cautious_of_the_newest_counts(tmp_path: Path) -> None:
    for peak in (1200, 900, 1100, 880):
        record(tmp_path, KEY, PREDICTED, peak * MIB)
    assert correct(tmp_path, KEY, PREDICTED).learned == 200 * MIB
    for _ in range(MOST_RECORDS):
        record(tmp_path, KEY, PREDICTED, 900 * MIB)
    assert correct(tmp_path, KEY, PREDICTED).learned == -50 * MIB


def test_a_corrected_estimate_learns_no_less(tmp_path: Path) -> None:
    """What is kept is the error of the plain estimate, however often it is corrected."""
    record(tmp_path, KEY, PREDICTED, 1100 * MIB)
    corrected = correct(tmp_path, KEY, PREDICTED)
    record(tmp_path, KEY, corrected, 1100 * MIB)
    assert correct(tmp_path, KEY, corrected) == corrected


def test_a_peak_that_cannot_be_this_models_is_not_kept(tmp_path: Path) -> None:
    assert not record(tmp_path, KEY, PREDICTED, 4000 * MIB)
    assert not record(tmp_path, KEY, PREDICTED, 0)
    assert list(tmp_path.iterdir()) == []


def test_another_model_device_or_class_of_options_knows_nothing_of_it(tmp_path: Path) -> None:
    record(tmp_path, KEY, PREDICTED, 1100 * MIB)
    others = [
        key_of("f" * 64, EngineOptions(), PI5),
        key_of(DIGEST, EngineOptions(), HardwareProfile("linux", "aarch64", "Raspberry Pi 4")),
        key_of(DIGEST, EngineOptions(kv_type="q8_0"), PI5),
        key_of(DIGEST, EngineOptions(), PI5, gpu_layers=4),
    ]
    assert all(correct(tmp_path, key, PREDICTED) == PREDICTED for key in others)
    scaled = key_of(DIGEST, EngineOptions(context=9000, parallel=2), PI5)
    assert correct(tmp_path, scaled, PREDICTED).learned == 100 * MIB


@pytest.mark.parametrize("content", [b"", b"{", b'{"key": 1}', b"\xff\x00" * 50])
def test_a_spoilt_file_counts_as_absent_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    record(tmp_path, KEY, PREDICTED, 1100 * MIB)
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)
    assert correct(tmp_path, KEY, PREDICTED) == PREDICTED
    assert record(tmp_path, KEY, PREDICTED, 1050 * MIB)
    assert correct(tmp_path, KEY, PREDICTED).learned == 50 * MIB


def test_a_file_of_another_key_under_the_same_name_is_not_believed(tmp_path: Path) -> None:
    record(tmp_path, KEY, PREDICTED, 1100 * MIB)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes().replace(b"Raspberry", b"Blueberry"))
    assert correct(tmp_path, KEY, PREDICTED) == PREDICTED


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert not record(tmp_path / "file" / "learned", KEY, PREDICTED, 1100 * MIB)


def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path, KEY, PREDICTED, 1100 * MIB)

    def no_space(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(learned, "write_atomically", no_space)
    assert not record(tmp_path, KEY, PREDICTED, 1200 * MIB)
    assert correct(tmp_path, KEY, PREDICTED).learned == 100 * MIB


def test_a_model_can_be_forgotten(tmp_path: Path) -> None:
    for options in (EngineOptions(), EngineOptions(kv_type="q8_0")):
        record(tmp_path, key_of(DIGEST, options, PI5), PREDICTED, 1100 * MIB)
    record(tmp_path, Key("f" * 64, "", ""), PREDICTED, 1100 * MIB)
    assert forget(tmp_path, DIGEST) == 2
    assert len(list(tmp_path.iterdir())) == 1
