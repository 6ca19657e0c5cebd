"""The reference run: llama-perplexity's figure, kept on disk, resumed, never trusted blindly."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from edgellm_quant import reference as module
from edgellm_quant.reference import Reference, check_room
from edgellm_quant.texts import evaluation_text

from edgellm.errors import DiskFull, EngineLoadError, QuantCancelled, QuantError
from edgellm.store.lock import lock

TEXT = "It was a bright cold day in April, and nobody had wound the clocks. " * 12


def windows_of(reference: Reference) -> list[Path]:
    return sorted(reference.folder.glob("window-*.npz"))


def test_the_perplexity_is_llama_perplexitys(pocket: Path, tmp_path: Path) -> None:
    """llama-perplexity -m pocket.gguf -f evaluation.txt -c 512 -b 512 --chunks 4"""
    reference = Reference.compute(pocket, evaluation_text(), tmp_path, most_windows=4)
    assert reference.num_tokens == 4 * 255
    assert reference.perplexity() == pytest.approx(3651.8464, rel=1e-3)


def test_what_is_there_is_not_computed_again(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Reference.compute(tiny_model, TEXT, tmp_path, context=64)
    monkeypatch.setattr(module, "open_model", None)  # would be called
    told: list[tuple[int, int]] = []
    again = Reference.compute(
        tiny_model, TEXT, tmp_path, context=64, on_progress=lambda *done: told.append(done)
    )
    assert again == first
    assert told == [(12, 12)]


def test_another_model_text_or_setting_is_another_reference(
    tiny_model: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "changed.gguf"
    data = bytearray(tiny_model.read_bytes())
    data[-64] ^= 1  # in the middle of a weight
    changed.write_bytes(data)
    made = [
        Reference.compute(tiny_model, TEXT, tmp_path, context=64),
        Reference.compute(tiny_model, TEXT, tmp_path, context=32),
        Reference.compute(tiny_model, TEXT + "?", tmp_path, context=64),
        Reference.compute(tiny_model, TEXT, tmp_path, context=64, most_windows=2),
        Reference.compute(changed, TEXT, tmp_path, context=64),
    ]
    assert len({reference.folder for reference in made}) == len(made)


def test_a_cancelled_run_goes_on_where_it_stopped(tiny_model: Path, tmp_path: Path) -> None:
    done: list[int] = []
    with pytest.raises(QuantCancelled):
        Reference.compute(
            tiny_model,
            TEXT,
            tmp_path,
            context=64,
            on_progress=lambda at, total: done.append(at),
            is_cancelled=lambda: len(done) > 3,
        )
    (folder,) = tmp_path.iterdir()
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("window-*.npz")}
    assert len(kept) == 3
    with pytest.raises(QuantError, match="no finished"):
        Reference.open(folder)
    finished = Reference.compute(tiny_model, TEXT, tmp_path, context=64)
    assert len(windows_of(finished)) == 12
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    whole = Reference.compute(tiny_model, TEXT, tmp_path / "other", context=64)
    assert finished.perplexity() == whole.perplexity()


def test_a_damaged_window_is_told_and_made_again(tiny_model: Path, tmp_path: Path) -> None:
    reference = Reference.compute(tiny_model, TEXT, tmp_path, context=64)
    intact = reference.perplexity()
    file = windows_of(reference)[5]
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)
    with pytest.raises(QuantError, match=r"window-000005\.npz is damaged"):
        reference.perplexity()
    assert Reference.compute(tiny_model, TEXT, tmp_path, context=64).perplexity() == intact


def test_what_a_killed_run_left_half_written_is_removed(tiny_model: Path, tmp_path: Path) -> None:
    reference = Reference.compute(tiny_model, TEXT, tmp_path, context=64)
    windows_of(reference)[0].unlink()
    half = reference.folder / "window-000000.npz.abc.part"
    half.write_bytes(b"half")
    Reference.compute(tiny_model, TEXT, tmp_path, context=64)
    assert not half.exists()


def test_another_process_that_computes_the_same_is_waited_for(
    tiny_model: Path, tmp_path: Path
) -> None:
    folder = Reference.compute(tiny_model, TEXT, tmp_path, context=64).folder
    for file in folder.glob("window-*.npz"):
        file.unlink()
    with lock(folder / "lock"), pytest.raises(QuantCancelled):
        Reference.make(tiny_model, TEXT, tmp_path, context=64, is_cancelled=lambda: True)
    assert list(folder.glob("window-*.npz")) == []


def test_a_disk_that_will_not_do_is_told_in_time(tmp_path: Path) -> None:
    check_room(1 << 30, 1 << 20, 100, tmp_path)
    with pytest.raises(DiskFull, match=r"164 MiB .* 120 MiB are free"):
        check_room(120 << 20, 1 << 20, 100, tmp_path)


def test_a_full_disk_leaves_what_was_done(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    answers = iter([usage, usage._replace(free=1 << 20)])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: next(answers))
    with pytest.raises(DiskFull):
        Reference.compute(tiny_model, TEXT, tmp_path, context=64)
    (folder,) = tmp_path.iterdir()
    assert [path.name for path in sorted(folder.glob("window*"))] == ["window-000000.npz"]


def test_in_a_child_it_is_the_same(tiny_model: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    made = Reference.make(
        tiny_model,
        TEXT,
        tmp_path / "child",
        context=64,
        on_progress=lambda *done: told.append(done),
    )
    here = Reference.compute(tiny_model, TEXT, tmp_path / "here", context=64)
    assert made.perplexity() == here.perplexity()
    assert told[-1] == (12, 12)


def test_the_childs_errors_come_out(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF")
    with pytest.raises(EngineLoadError, match=r"bad\.gguf") as caught:
        Reference.make(bad, TEXT, tmp_path)
    assert caught.value.hint
