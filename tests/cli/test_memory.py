"""What the server expects engines to take: by their files, and by what they took before."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.assets import builtin_model
from edgellm.cli.memory import ModelMemory, device_status
from edgellm.hardware.host import Host
from edgellm.hardware.profile import Memory
from edgellm.serving.meter import file_size_estimate
from edgellm.serving.resolver import ServedModel
from edgellm.types import EngineOptions

MIB, GIB = 2**20, 2**30
OPTIONS = EngineOptions(context=256, parallel=2, cache_ram=1)


@pytest.fixture
def memory(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ModelMemory:
    monkeypatch.setenv("EDGELLM_HOME", environment["EDGELLM_HOME"])
    return ModelMemory(Host())


def test_an_estimate_counts_the_context(memory: ModelMemory, tiny_model: Path) -> None:
    model = ServedModel("tiny", tiny_model)
    small = memory.estimate(model, OPTIONS)
    large = memory.estimate(model, EngineOptions(context=2560, parallel=2, cache_ram=1))
    assert small is not None
    assert large is not None
    assert 40 * MIB < small < large < small + GIB


def test_what_an_engine_took_corrects_the_next_estimate(
    memory: ModelMemory, tiny_model: Path
) -> None:
    model = ServedModel("tiny", tiny_model)
    before = memory.estimate(model, OPTIONS)
    assert before is not None
    memory.learn(model, OPTIONS, before + 20 * MIB)
    after = ModelMemory(Host()).estimate(model, OPTIONS)
    assert after == before + 20 * MIB
    assert memory.estimate(model, OPTIONS) == before  # of this server's life


def test_of_files_that_are_no_models_the_size_counts(memory: ModelMemory, tmp_path: Path) -> None:
    file = tmp_path / "x.gguf"
    assert memory.estimate(ServedModel("x", file), OPTIONS) is None
    file.write_bytes(b"GGUF" + bytes(60 * MIB))
    model = ServedModel("y", file.rename(tmp_path / "y.gguf"))
    assert memory.estimate(model, OPTIONS) == file_size_estimate(model, OPTIONS)


def test_the_built_in_model_needs_no_planner(memory: ModelMemory) -> None:
    model = ServedModel("pocket", builtin_model())
    estimate = memory.estimate(model, OPTIONS)
    assert estimate is not None
    assert builtin_model().stat().st_size < estimate < 128 * MIB
    memory.learn(model, OPTIONS, GIB)
    assert memory.estimate(model, OPTIONS) == estimate


@pytest.mark.parametrize(
    ("memory_", "usable"),
    [
        (Memory(1 * GIB, 800 * MIB), 544 * MIB),  # never less than 256 MiB in reserve
        (Memory(8 * GIB, 7 * GIB), 7 * GIB - int(8 * GIB * 0.05)),
        (Memory(64 * GIB, 7 * GIB, 8 * GIB), 7 * GIB - int(8 * GIB * 0.05)),  # a cgroup's limit
        (Memory(None, 4 * GIB), 4 * GIB - 256 * MIB),
        (Memory(1 * GIB, 100 * MIB), 0),
        (Memory(64 * GIB, 300 * MIB, 320 * MIB), 220 * MIB),  # nor more than a quarter
        (Memory(8 * GIB, None), None),
    ],
)
def test_the_reserve(memory_: Memory, usable: int | None) -> None:
    assert memory_.usable_bytes == usable


def test_the_device_tells_what_it_knows() -> None:
    found = device_status(Host())()
    assert found.server_bytes is not None
    assert found.server_bytes > MIB


def test_a_captured_device_tells_its_heat(tmp_path: Path) -> None:
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_text("cpu-thermal\n")
    (zone / "temp").write_text("61500\n")
    found = device_status(Host(tmp_path))()
    assert (found.server_bytes, found.temperature_celsius) == (None, 61.5)
