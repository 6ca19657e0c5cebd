"""What would fit where nothing does: each suggestion was tried, and names its flag."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from edgellm.planner.consider import unsuitable
from edgellm.planner.goal import DEFAULT_CONTEXTS, Candidate, Goal, Situation, Suggest

_SMALLEST_CONTEXT = 512


def suggest(goal: Goal, here: Situation, best: Suggest) -> tuple[str, ...]:
    """In the order of how little they change.

    Args:
        best: what a goal would get, or None.
    """
    found = [
        *_other_options(goal, best),
        *_other_models(goal, here, best),
        *_built_in(goal, here, best),
    ]
    return tuple(f"{words} ({_figures(choice)})" for words, choice in found)


def _other_options(goal: Goal, best: Suggest) -> Iterator[tuple[str, Candidate]]:
    """The same model, or any where none was named, with one flag changed; or else with none."""
    num_found = 0
    for flag, other in _changes(goal):
        choice = best(other)
        if choice is None:
            continue
        num_found += 1
        yield f"{_flag(flag, choice)} fits {_name(choice)}", choice
        if flag.startswith("--context"):
            break
    if not num_found and (goal.context or goal.parallel):
        choice = best(replace(goal, context=None, parallel=None))
        if choice:
            yield f"without --context and --parallel, {_name(choice)} fits", choice


def _changes(goal: Goal) -> Iterator[tuple[str, Goal]]:
    if goal.kv_type == "f16":
        yield "--kv-type q8_0", replace(goal, kv_type="q8_0")
    if goal.parallel is not None and goal.parallel > 1:
        yield "--parallel 1", replace(goal, parallel=1)
    if goal.min_tokens_per_second:
        yield "--min-tps", replace(goal, min_tokens_per_second=0.0)
    context = (goal.context or DEFAULT_CONTEXTS[-1]) // 2
    while context >= _SMALLEST_CONTEXT:
        yield f"--context {context}", replace(goal, context=context)
        context //= 2


def _other_models(goal: Goal, here: Situation, best: Suggest) -> Iterator[tuple[str, Candidate]]:
    """Quantised otherwise; the next smaller one that anybody may get; what would be picked."""
    if goal.quant:
        choice = best(replace(goal, quant=""))
        if choice:
            yield f"{_name(choice)} fits", choice
    card = here.catalog.find(goal.model) if goal.model else None
    if card is None:
        return
    general = [c for c in here.catalog.models if c.commercial and unsuitable(c) is None]
    smaller = [c for c in general if c.params < card.params]
    for other in sorted(smaller, key=lambda c: -c.params):
        choice = best(replace(goal, model=other.id, quant=""))
        if choice:
            yield f"the next smaller model, {_name(choice)}, fits", choice
            break
    choice = best(replace(goal, model=None, quant=""))
    if choice:
        yield f"without a name, {_name(choice)} would be picked", choice


def _built_in(goal: Goal, here: Situation, best: Suggest) -> Iterator[tuple[str, Candidate]]:
    """What comes with edgellm is tiny, and there already."""
    for card in here.catalog.models:
        if card.id != goal.model and any(variant.asset for variant in card.variants):
            choice = best(Goal(model=card.id))
            if choice:
                yield f"the built-in model, {card.id}, fits", choice


def _flag(flag: str, choice: Candidate) -> str:
    return f"--min-tps {choice.tokens_per_second:.1f}" if flag == "--min-tps" else flag


def _name(choice: Candidate) -> str:
    return choice.card.name_of(choice.variant)


def _figures(choice: Candidate) -> str:
    size = (choice.footprint.needed + choice.footprint.dedicated) / 1024**3
    return f"{size:.1f} GiB, {choice.tokens_per_second:.1f} tokens/s"
