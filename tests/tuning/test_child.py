"""The measuring process: a real one, and children that misbehave."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from edgellm.errors import EngineCrashed, EngineError, EngineLoadError
from edgellm.tuning.child import COMMAND, ChildMeasurer
from edgellm.tuning.workload import TooSlow, Workload
from edgellm.types import EngineOptions
from tests.support.tiny_embedder import write_tiny_encoder
from tests.support.tiny_model import write_tiny_model

OPTIONS = EngineOptions(context=256, cells=256, parallel=2, threads=1, threads_batch=1)
READ = "import os, signal, sys, time; sys.stdin.buffer.readline(); "


def _measurer(path: Path, script: str = "", seconds: float = 60.0) -> ChildMeasurer:
    command = (sys.executable, "-c", READ + script) if script else COMMAND
    return ChildMeasurer("llama_cpp", path, time.monotonic() + seconds, command)


@pytest.mark.parametrize("architecture", ["llama", "mamba", "lfm2"])
def test_a_real_model_is_measured(tmp_path: Path, architecture: str) -> None:
    path = write_tiny_model(tmp_path / "model.gguf", architecture=architecture)
    with _measurer(path) as measurer:
        loaded = measurer.load(OPTIONS)
        sample = measurer.measure(Workload(prompt=40, answer=4, sequences=2))
        measurer.load(EngineOptions(context=256, cells=256, parallel=2, threads=2))
        measurer.measure(Workload(prompt=40))
    assert loaded.batch_tokens == 512
    assert loaded.kv_token_bytes > 0
    assert loaded.threads >= 1
    assert sample.prefill_seconds > 0
    assert sample.decode_seconds > 0


def test_other_threads_need_no_other_child(tiny_model: Path) -> None:
    with _measurer(tiny_model) as measurer:
        pids = []
        for options in (OPTIONS, EngineOptions(256, 2, 256, threads=2)):
            measurer.load(options)
            assert measurer._child is not None
            pids.append(measurer._child.pid)
    assert pids[0] == pids[1]


def test_a_model_that_cannot_be_loaded(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    with _measurer(path) as measurer, pytest.raises(EngineLoadError, match="cannot load") as caught:
        measurer.load(OPTIONS)
    assert caught.value.hint


def test_a_model_that_writes_nothing_is_not_tuned(tmp_path: Path) -> None:
    path = write_tiny_encoder(tmp_path / "encoder.gguf")
    with _measurer(path) as measurer, pytest.raises(EngineLoadError, match="made for embeddings"):
        measurer.load(OPTIONS)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "too little memory"),
        ("os.abort()", "by signal 6"),
        ("sys.exit('the end')", "with status 1"),
        ("print('hello', flush=True); time.sleep(60)", "nonsense"),
    ],
)
def test_a_child_that_dies_is_an_error_with_a_reason(
    tiny_model: Path, script: str, said: str
) -> None:
    with _measurer(tiny_model, script) as measurer, pytest.raises(EngineCrashed, match=said):
        measurer.load(OPTIONS)


def test_last_words_are_quoted(tiny_model: Path) -> None:
    with _measurer(tiny_model, "sys.exit('the end')") as measurer:
        with pytest.raises(EngineCrashed) as caught:
            measurer.load(OPTIONS)
        assert "the end" in caught.value.hint
        with pytest.raises(EngineError, match="no measuring process"):
            measurer.measure(Workload(8))


def test_a_child_that_hangs_is_ended(tiny_model: Path) -> None:
    with _measurer(tiny_model, "time.sleep(60)", seconds=0.2) as measurer:
        with pytest.raises(TooSlow):
            measurer.load(OPTIONS)
        assert measurer._child is None
