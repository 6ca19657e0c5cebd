"""An evaluation from end to end, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgellm_quant import golden
from edgellm_quant.evaluate import evaluate, make_reference, measure_cost, refusal
from edgellm_quant.spec import Cost, Evaluation, Golden, Limits, Loss
from edgellm_quant.texts import evaluation_text

from edgellm.errors import QuantCancelled
from tests.quant.support import Q4_K_M, quantise

LOSS = Loss(1000, 10.5, 10.0, 0.02, 0.05, 0.2, 1.0, 0.95)
COST = Cost(1, 1.0, 1, 1.0, 1.0)
FOUND = Evaluation(LOSS, COST, Golden(7, 10))


def test_all_of_a_real_file(pocket: Path, tmp_path: Path) -> None:
    reference = make_reference(pocket, evaluation_text(), tmp_path, most_windows=2)
    model = quantise(pocket, tmp_path / "q4.gguf", Q4_K_M)
    prompts = golden.builtin_prompts(model)[:3]
    found = evaluate(model, reference, golden=prompts)
    assert found.loss.num_tokens == 510
    assert 0.01 < found.loss.kld_mean < 1
    assert found.golden == Golden(3, 3)
    assert found.cost.size_bytes == model.stat().st_size
    assert found.cost.load_seconds > 0
    assert found.cost.resident_bytes > 10 << 20
    assert found.cost.prefill_tokens_per_second > 0
    assert found.cost.decode_tokens_per_second > 0


def test_a_model_with_a_short_context_is_measured_too(tiny_model: Path) -> None:
    assert measure_cost(tiny_model).decode_tokens_per_second > 0


def test_it_stops_when_it_is_told_to(tiny_model: Path) -> None:
    with pytest.raises(QuantCancelled):
        measure_cost(tiny_model, is_cancelled=lambda: True)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(),
        Limits(max_kld=0.02, min_top1=0.95, min_golden=0.7),
        Limits(max_kld=0.1),
        Limits(min_golden=0.0),
    ],
)
def test_what_keeps_its_limits_is_released(limits: Limits) -> None:
    assert refusal(FOUND, limits) == ""


def test_each_broken_limit_is_told() -> None:
    text = refusal(FOUND, Limits(max_kld=0.01, min_top1=0.99, min_golden=0.8))
    assert text == (
        "Its KL divergence is 0.02, above 0.01; it agrees on 95.00 % of the likeliest tokens, "
        "below 99 %; it answers 7 of 10 golden prompts as it must, below 80 %."
    )


def test_what_is_not_a_number_keeps_no_limit() -> None:
    nan = float("nan")
    broken = Evaluation(Loss(1, nan, 1.0, nan, nan, nan, nan, nan), COST)
    assert "KL divergence is nan" in refusal(broken, Limits(max_kld=10.0))
    assert refusal(broken, Limits(min_top1=0.1))
