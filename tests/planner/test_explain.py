"""Plans in words."""

from __future__ import annotations

from edgellm.planner.explain import explain, rejection_rows
from edgellm.planner.goal import Goal, NoFit, Plan, Rejection
from tests.planner.test_plan import make


def test_the_choice_with_its_figures_and_reasons() -> None:
    found = make()
    text = explain(found)
    assert text.startswith("middle:Q8_0\n  middle, MIT\n  llama_cpp on the CPU\n")
    assert isinstance(found, Plan)
    assert f"decode {found.decode_tokens_per_second:.1f} tokens/s" in text
    assert all(f"- {reason}" in text for reason in found.reasons)


def test_what_would_fit() -> None:
    found = make(Goal(model="large", min_tokens_per_second=300))
    assert isinstance(found, NoFit)
    assert "Nothing fits. What would:\n- " in explain(found)
    assert explain(NoFit(())) == "Nothing fits, and nothing smaller would.\n"


def test_rows_gather_variants_with_one_kind_of_reason() -> None:
    rows = rejection_rows(
        (
            Rejection("a", "mlc", "q4f16_1", "runtime", "not installed"),
            Rejection("a", "llama_cpp", "Q4_K_M", "memory", "needs 5"),
            Rejection("a", "llama_cpp", "Q8_0", "memory", "needs 9"),
            Rejection("b", "mlc", "q4f16_1", "runtime", "not installed"),
            Rejection("b", "mlc", "q4f32_1", "runtime", "not installed"),
        )
    )
    assert rows == [
        ("a", "llama_cpp", "Q4_K_M Q8_0", "Q4_K_M: needs 5"),
        ("a", "mlc", "q4f16_1", "not installed"),
        ("b", "mlc", "q4f16_1 q4f32_1", "not installed"),
    ]


def test_every_variant_is_in_some_row() -> None:
    found = make()
    quants = [quant for row in rejection_rows(found.rejected) for quant in row[2].split()]
    assert len(quants) == len(found.rejected)
