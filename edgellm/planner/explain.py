"""A plan in words: the choice, what it takes, why, and why each other variant lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from edgellm.planner.goal import Code, NoFit, Plan, Rejection

Row: TypeAlias = tuple[str, str, str, str]
HEAD: Row = ("model", "runtime", "quantisation", "why not")
# What came nearest to being picked is told first.
_ORDER: tuple[Code, ...] = (
    "rank",
    "speed",
    "memory",
    "context",
    "licence",
    "runtime",
    "device",
    "score",
    "purpose",
    "task",
)


def explain(plan: Plan | NoFit) -> str:
    """The choice and its reasons, or what would fit; without the table of the others."""
    if isinstance(plan, NoFit):
        return explain_no_fit(plan)
    lines = [plan.card.name_of(plan.variant), *_facts(plan), ""]
    return "\n".join([*lines, *(f"- {reason}" for reason in plan.reasons)]) + "\n"


def explain_no_fit(plan: NoFit) -> str:
    """What was in the way of most, and what would do."""
    if not plan.suggestions:
        return "Nothing fits, and nothing smaller would.\n"
    lines = ("Nothing fits. What would:", *(f"- {words}" for words in plan.suggestions))
    return "\n".join(lines) + "\n"


def rejection_rows(rejected: Iterable[Rejection]) -> list[Row]:
    """A row for each model, runtime and kind of reason; the reason is its first variant's."""
    rows: dict[tuple[str, str, Code], list[Rejection]] = {}
    for rejection in sorted(rejected, key=lambda r: _ORDER.index(r.code)):
        key = (rejection.model, rejection.backend, rejection.code)
        rows.setdefault(key, []).append(rejection)
    return [_row(group) for group in rows.values()]


def _row(group: list[Rejection]) -> Row:
    reason = group[0].reason
    if len({rejection.reason for rejection in group}) > 1:
        reason = f"{group[0].quant}: {reason}"
    quants = " ".join(rejection.quant for rejection in group)
    return group[0].model, group[0].backend, quants, reason


def _facts(plan: Plan) -> list[str]:
    where = plan.place.name if plan.place.device else "the CPU"
    lines = [
        f"  {plan.card.name or plan.card.id}, {plan.card.licence or 'licence not known'}",
        f"  {plan.variant.backend} on {where}{_layers(plan)}",
        f"  context {plan.context:,} tokens, {plan.parallel} at a time{_cells(plan)}",
        f"  memory {_gib(plan.memory.needed)}{_dedicated(plan)}",
        f"  decode {plan.decode_tokens_per_second:.1f} tokens/s, "
        f"{plan.full_tokens_per_second:.1f} with a full context",
    ]
    if plan.variant.planned_bytes is not None and not plan.variant.source.startswith("file:"):
        lines.append(f"  download {_gib(plan.variant.planned_bytes)}")
    return lines


def _layers(plan: Plan) -> str:
    layers = plan.card.shape.layers + 1
    return f", {plan.gpu_layers} of {layers} layers" if 0 < plan.gpu_layers < layers else ""


def _cells(plan: Plan) -> str:
    if plan.cells >= plan.context * plan.parallel:
        return ""
    return f", {plan.cells:,} tokens among them"


def _dedicated(plan: Plan) -> str:
    if not plan.memory.dedicated:
        return ""
    kind = "on the device" if plan.place.has_own_memory else "for the GPU"
    return f" and {_gib(plan.memory.dedicated)} {kind}"


def _gib(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB"
