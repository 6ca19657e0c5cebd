"""The working child process, and everything that can happen to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
from edgellm_quant import child
from edgellm_quant.imatrix_file import read
from edgellm_quant.texts import calibration_text
from edgellm_quant.work import MakeMatrix, MeasureCost, Problem, Written, decode_answer, encode

from edgellm.errors import EngineLoadError, QuantCancelled, QuantError

WORK = MeasureCost("model.gguf", 0)


def script(code: str) -> Sequence[str]:
    return (sys.executable, "-c", "import os, sys, time; sys.stdin.readline(); " + code)


def matrix(model: Path, target: Path, text: str) -> MakeMatrix:
    return MakeMatrix(str(model), str(target), text, "", 512, 0, False, 1)


def test_progress_and_result_come_out() -> None:
    told: list[tuple[int, int]] = []
    lines = (
        r"""os.write(1, b'{"type":"progress","done":1,"total":2}\n{"type":"prog')"""
        r"""; time.sleep(0.1); os.write(1, b'ress","done":2,"total":2}\n')"""
        r"""; os.write(1, b'{"type":"written","path":"x"}\n')"""
    )
    found = child.do(WORK, on_progress=lambda *done: told.append(done), command=script(lines))
    assert found == Written("x")
    assert told == [(1, 2), (2, 2)]


def test_its_last_words_are_quoted() -> None:
    with pytest.raises(QuantError, match="died with status 3") as caught:
        child.do(WORK, command=script("print('GGML_ASSERT: 1 < 0', file=sys.stderr); os._exit(3)"))
    assert "GGML_ASSERT: 1 < 0" in caught.value.hint


def test_an_abort_names_its_signal() -> None:
    with pytest.raises(QuantError, match="by signal 6"):
        child.do(WORK, command=script("os.abort()"))


def test_a_kill_is_told_as_what_it_mostly_is() -> None:
    with pytest.raises(QuantError, match="too little memory"):
        child.do(WORK, command=script("os.kill(os.getpid(), 9)"))


def test_nonsense_is_told() -> None:
    with pytest.raises(QuantError, match="nonsense"):
        child.do(WORK, command=script("print('hello')"))


def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(QuantError, match="cannot be started"):
        child.do(WORK, command=("/no/such/program",))


def test_one_that_does_not_stop_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_GRACE_SECONDS", 0.1)
    before = set(psutil.Process().children())
    with pytest.raises(QuantCancelled):
        child.do(WORK, command=script("time.sleep(600)"), is_cancelled=lambda: True)
    assert set(psutil.Process().children()) <= before


def test_an_error_keeps_its_kind_its_message_and_its_hint() -> None:
    line = encode(Problem.of(EngineLoadError("No.", "Do this.")))
    answer = decode_answer(line)
    assert isinstance(answer, Problem)
    error = answer.error()
    assert type(error) is EngineLoadError
    assert (error.message, error.hint) == ("No.", "Do this.")


def test_a_cancelled_calibration_saves_what_it_has_and_goes_on(
    pocket: Path, tmp_path: Path
) -> None:
    target, told = tmp_path / "i.gguf", list[int]()
    work = matrix(pocket, target, calibration_text()[:20_000])
    with pytest.raises(QuantCancelled):
        child.do(
            work,
            on_progress=lambda done, total: told.append(done),
            is_cancelled=lambda: len(told) >= 3,
        )
    assert not target.exists()
    num_done = read(tmp_path / "i.gguf.partial").num_chunks
    assert num_done >= 2
    told.clear()
    child.do(work, on_progress=lambda done, total: told.append(done))
    assert told[0] == num_done
    assert [path.name for path in tmp_path.iterdir()] == ["i.gguf"]


def test_a_killed_calibration_leaves_no_half_file(pocket: Path, tmp_path: Path) -> None:
    target = tmp_path / "i.gguf"

    def kill(done: int, total: int) -> None:
        if done == 2:
            for process in psutil.Process().children():
                if "edgellm_quant.worker" in process.cmdline():
                    process.kill()

    with pytest.raises(QuantError, match="signal 9"):
        child.do(matrix(pocket, target, calibration_text()), on_progress=kill)
    assert not target.exists()


def test_the_child_of_a_dead_parent_ends(pocket: Path, tmp_path: Path) -> None:
    work = encode(matrix(pocket, tmp_path / "i.gguf", calibration_text()))
    with subprocess.Popen(
        child.COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(work)
        process.stdin.flush()
        process.stdout.readline()  # it is at work
        process.stdin.close()  # as the kernel does for a dead parent
        rest = process.stdout.read()
        assert process.wait() == 0
    assert b"QuantCancelled" in rest
    assert not (tmp_path / "i.gguf").exists()
