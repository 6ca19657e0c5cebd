"""Golden prompts asked of a real model, through a real engine."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from edgellm_quant.golden import Expected, GoldenPrompt, builtin_prompts
from edgellm_quant.golden_run import ask

from edgellm.errors import EngineLoadError, QuantCancelled


def test_the_built_in_model_knows_its_own(pocket: Path) -> None:
    before = psutil.Process().children()  # other tests' servers
    outcomes = ask(pocket, builtin_prompts(pocket))
    assert [(each.name, each.failure) for each in outcomes if each.failure] == []
    calls = {each.name: each.answer.calls for each in outcomes}
    assert calls["weather"] == (("get_weather", '{"city": "Oslo"}'),)
    assert psutil.Process().children() == before


def test_a_wrong_answer_and_a_prompt_too_long_have_failed(pocket: Path) -> None:
    prompts = [
        GoldenPrompt("wrong", Expected(contains=("Mars",)), "Who are you?"),
        GoldenPrompt("long", Expected(contains=("x",)), "word " * 5000),
        GoldenPrompt("right", Expected(contains=("pocket",)), "Who are you?"),
    ]
    wrong, long, right = ask(pocket, prompts)
    assert wrong.failure == "'Mars' is not in it"
    assert "context" in long.failure
    assert right.failure == ""


def test_answers_end_where_they_are_told_to(pocket: Path) -> None:
    prompt = GoldenPrompt("short", Expected(contains=("x",)), "What is Q4_K_M?", max_tokens=2)
    (outcome,) = ask(pocket, [prompt])
    assert 0 < len(outcome.answer.text) < 20


def test_it_stops_when_it_is_told_to(pocket: Path) -> None:
    before = psutil.Process().children()
    with pytest.raises(QuantCancelled):
        ask(pocket, builtin_prompts(pocket) * 50, is_cancelled=lambda: True)
    assert psutil.Process().children() == before


def test_a_file_that_does_not_load_is_an_error(tmp_path: Path, pocket: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF")
    with pytest.raises(EngineLoadError):
        ask(tmp_path / "bad.gguf", builtin_prompts(pocket))
