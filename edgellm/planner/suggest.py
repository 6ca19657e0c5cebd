"""What would fit where nothing does: each suggestion was tried, and names its flag."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from edgellm.planner.consider import unsuitable
from edgellm.planner.goal import DEFAULT_CONTEXTS, Candidate, Goal, Situation, Suggest

_SMALLEST_CONTEXT = 512
_MOST_MODELS = 1


def suggest(goal: Goal, here: Situation, best: Suggest) -> tuple[str, ...]:
    """In the order of how little they change.

    Args:
        best: what a goal would get, or None.
    """
    found = (*_other_options(goal, best), *_smaller_models(goal, here, best))
    return tuple(f"{words} ({_figures(choice)})" for words, choice in found)


def _other_options(goal: Goal, best: Suggest) -> Iterator[tuple[str, Candidate]]:
    if goal.kv_type == "f16":
        choice = best(replace(goal, kv_type="q8_0"))
        if choice:
            yield f"--kv-type q8_0 fits {_name(choice, goal)}", choice
    if goal.parallel is not None and goal.parallel > 1:
        choice = best(replace(goal, parallel=1))
        if choice:
            yield f"--parallel 1 fits {_name(choice, goal)}", choice
    context = (goal.context or DEFAULT_CONTEXTS[-1]) // 2
    while context >= _SMALLEST_CONTEXT:
        choice = best(replace(goal, context=context))
        if choice:
            yield f"--context {context} fits {_name(choice, goal)}", choice
            return
        context //= 2


def _smaller_models(goal: Goal, here: Situation, best: Suggest) -> Iterator[tuple[str, Candidate]]:
    """Quantised otherwise, slower, or the next smaller one that anybody may get."""
    if goal.quant:
        choice = best(replace(goal, quant=""))
        if choice:
            yield f"{choice.card.id}:{choice.variant.quant} fits", choice
    if goal.min_tokens_per_second:
        choice = best(replace(goal, min_tokens_per_second=0.0))
        if choice:
            flag = f"--min-tps {choice.tokens_per_second:.1f}"
            yield f"{flag} gives {_name(choice, replace(goal, model=None))}", choice
    card = here.catalog.find(goal.model) if goal.model else None
    if card is None:
        return
    smaller = [c for c in here.catalog.models if c.params < card.params and unsuitable(c) is None]
    num_found = 0
    for other in sorted(smaller, key=lambda c: -c.params):
        choice = best(replace(goal, model=other.id, quant=""))
        if choice:
            num_found += 1
            yield f"{other.id}:{choice.variant.quant} fits", choice
        if num_found == _MOST_MODELS:
            return


def _name(choice: Candidate, goal: Goal) -> str:
    return "it" if goal.model and goal.quant else f"{choice.card.id}:{choice.variant.quant}"


def _figures(choice: Candidate) -> str:
    size = (choice.footprint.needed + choice.footprint.dedicated) / 1024**3
    return f"{size:.1f} GiB, {choice.tokens_per_second:.1f} tokens/s"
