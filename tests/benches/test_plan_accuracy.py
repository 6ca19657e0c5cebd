"""The bench of predictions: its arithmetic, and one whole case on a model made in a second."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benches.plan_accuracy import (
    Case,
    Result,
    environment,
    measure_memory,
    memory_cases,
    report,
    speed_cases,
    summary,
    with_one_bandwidth,
)
from benches.synthetic import synthetic_model
from edgellm.planner.facts import ModelFacts
from edgellm.planner.header_facts import facts_of_header
from edgellm.store.gguf_header import read_header

NONE = ModelFacts("llama", 64, 100, 4096, (), ())


def test_errors_are_relative_and_the_lowest_is_named() -> None:
    results = [Result(Case("a", "F16"), predicted, 100, NONE) for predicted in (98, 103, 110)]
    found = summary(results)
    assert found["num_cases"] == 3
    assert found["median_error"] == pytest.approx(0.03)
    assert found["worst_error"] == pytest.approx(0.10)
    assert found["lowest"] == pytest.approx(-0.02)


def test_the_table_tells_every_case(capsys: pytest.CaptureFixture[str]) -> None:
    results = [Result(Case("gemma", "Q8_0", 2048, 8, "q8_0"), 2 * 2**20, 1 * 2**20, NONE)]
    report("memory", results)
    table = capsys.readouterr().out
    assert "gemma" in table
    assert "+100.0%" in table
    assert "1 cases, median error 100.0%" in table


def test_the_cases_are_those_that_were_promised() -> None:
    cases = list(memory_cases())
    assert len(cases) >= 12
    assert len({case.shape for case in cases}) == 3
    assert len({case.quant for case in cases}) == 3
    assert len({case.context for case in cases}) == 2
    assert {case.kv_type for case in cases} == {"f16", "q8_0"}
    assert {case.parallel for case in cases} == {1, 8}
    assert len(list(speed_cases())) == 9


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="VmHWM is Linux's")
def test_a_small_models_memory_is_predicted(tmp_path: Path) -> None:
    path = synthetic_model("tiny-gemma", "Q4_0", folder=tmp_path)
    facts = facts_of_header(read_header(path))
    result = measure_memory(Case("tiny-gemma", "Q4_0", 256, 2), path, facts, environment())
    assert result.predicted == result.parts.total
    assert -0.05 < result.error < 0.15  # libraries are most of it


def test_a_device_has_one_bandwidth() -> None:
    results = [Result(Case("a", "F16"), 0, 100, NONE, bandwidth=b) for b in (1e9, 9e9, 2e9)]
    assert len({result.predicted for result in with_one_bandwidth(results)}) == 1
