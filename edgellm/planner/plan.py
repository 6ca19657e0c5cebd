"""Picks a model, its quantisation, its runtime and its device; a pure function.

Every variant of the catalogue is considered (`consider.py`). Of those that fit, the one of most
worth is picked:

    worth = score - 1 for each halving of the context below 8,192 tokens
                  + w x log2(tokens/s over reading speed), up to a limit
                  - m x log2(GiB)

`prefer` sets w and m: a doubling of speed is worth 1.5 points (quality, up to 8 times reading
speed) or 12 (speed, up to 32 times); a halving of memory 0 or 8. Twice the parameters bring some 6
points in the catalogue, and the step from Q4_K_M to Q8_0 brings 1.2: so `quality` takes the largest
model, in a quantisation of 5 or 6 bits unless speed is plenty, while `speed` and `memory` go down
to the smallest model that is not far worse.
These weights are a judgement; everything else here is arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log2
from typing import NamedTuple

from msgspec.structs import replace

from edgellm.catalog.card import Catalog, ModelCard
from edgellm.hardware.profile import HardwareProfile
from edgellm.planner import speed
from edgellm.planner.consider import consider, predict, too_slow, unsuitable
from edgellm.planner.footprint import Estimator, Footprint
from edgellm.planner.goal import (
    DEFAULT_CONTEXTS,
    DEFAULT_PARALLEL,
    READING_TOKENS_PER_SECOND,
    Candidate,
    Code,
    Goal,
    NoFit,
    Plan,
    Prefer,
    Rejection,
    Situation,
    Verdict,
)
from edgellm.planner.quality import loss
from edgellm.planner.rates import Known, decode_threads
from edgellm.planner.reasons import reasons
from edgellm.planner.room import shortage
from edgellm.planner.runtime import Runtime
from edgellm.planner.speed import Measured
from edgellm.planner.suggest import suggest


class _Weights(NamedTuple):
    speed: float
    most_times: float  # reading speed, beyond which speed is worth nothing more
    memory: float


_WEIGHTS: dict[Prefer, _Weights] = {
    "quality": _Weights(1.5, 8, 0),
    "speed": _Weights(12, 32, 0),
    "memory": _Weights(1.5, 8, 8),
}


def plan(
    profile: HardwareProfile,
    catalog: Catalog,
    goal: Goal,
    runtimes: tuple[Runtime, ...],
    estimate: Estimator,
    *,
    known: tuple[Known, ...] = (),
    measured: tuple[Measured, ...] = (),
) -> Plan | NoFit:
    """What to load here for that goal, or what would have to change.

    Args:
        goal: `goal.model` must be a name in the catalogue.
        estimate: what a variant takes in memory.
        known: what was published of this device.
        measured: what models did here before.
    """
    here = Situation(profile, catalog, runtimes, estimate, known, measured)
    verdicts = list(_consider_all(goal, here))
    candidates = [v for v in verdicts if isinstance(v, Candidate)]
    rejected = [v for v in verdicts if isinstance(v, Rejection)]
    if not candidates:
        return NoFit(tuple(rejected), suggest(goal, here, lambda other: best(other, here)))
    chosen = choose(candidates, goal)
    losers = [_lost(other, chosen, goal) for other in candidates if other is not chosen]
    return _plan(chosen, goal, here, (*losers, *rejected))


def best(goal: Goal, here: Situation) -> Candidate | None:
    """The choice alone."""
    candidates = [v for v in _consider_all(goal, here) if isinstance(v, Candidate)]
    return choose(candidates, goal) if candidates else None


def choose(candidates: list[Candidate], goal: Goal) -> Candidate:
    """The one of most worth among those that keep up with a reader; else the fastest."""
    fast = [c for c in candidates if c.tokens_per_second >= _least(goal)]
    if not fast:
        return max(candidates, key=lambda c: (c.tokens_per_second, c.score or 0))
    return max(fast, key=lambda c: (worth(c, goal.prefer), c.tokens_per_second))


def worth(candidate: Candidate, prefer: Prefer) -> float:
    """Points, see above."""
    weights = _WEIGHTS[prefer]
    times = max(candidate.tokens_per_second / READING_TOKENS_PER_SECOND, 1 / 64)
    halvings = max(0.0, log2(DEFAULT_CONTEXTS[0] / candidate.context))
    gib = _precious_bytes(candidate) / 1024**3
    points = _points(candidate) - halvings
    points += weights.speed * log2(min(times, weights.most_times))
    return points - (weights.memory * log2(gib) if weights.memory else 0.0)


def _points(candidate: Candidate) -> float:
    """Without a score, the quantisations of one model still compare."""
    if candidate.score is not None:
        return candidate.score
    return -loss(candidate.card, candidate.variant)


def _precious_bytes(candidate: Candidate) -> int:
    """That others could use: all but what an NPU has for itself."""
    device = candidate.place.device
    is_npu = device is not None and device.kind == "npu"
    return candidate.footprint.needed + (0 if is_npu else candidate.footprint.dedicated)


def _least(goal: Goal) -> float:
    asked = goal.min_tokens_per_second
    return READING_TOKENS_PER_SECOND if asked is None else asked


def _consider_all(goal: Goal, here: Situation) -> Iterable[Verdict]:
    """Without a name: general models with a score; restricted licences if there is no other."""
    if goal.model is not None:
        card = here.catalog.find(goal.model)
        yield from _consider((card,) if card else (), goal, here)
        return
    free = [card for card in here.catalog.models if card.commercial]
    others = [card for card in here.catalog.models if not card.commercial]
    verdicts = list(_consider(free, goal, here))
    yield from verdicts
    if any(isinstance(verdict, Candidate) for verdict in verdicts):
        for card in others:
            reason = f"its licence ({card.licence}) restricts commercial use: name it to get it"
            yield from _all_out(card, Rejection(card.id, "llama_cpp", "", "licence", reason))
    else:
        yield from _consider(others, goal, here)


def _consider(cards: Iterable[ModelCard], goal: Goal, here: Situation) -> Iterable[Verdict]:
    for card in cards:
        out = None if goal.model is not None else unsuitable(card)
        if out is not None:
            yield from _all_out(card, Rejection(card.id, "llama_cpp", "", *out))
            continue
        for variant in card.variants:
            if not goal.quant or variant.quant == goal.quant:
                yield consider(card, variant, goal, here)


def _all_out(card: ModelCard, reason: Rejection) -> Iterable[Rejection]:
    for variant in card.variants:
        yield replace(reason, backend=variant.backend, quant=variant.quant)


def _lost(other: Candidate, chosen: Candidate, goal: Goal) -> Rejection:
    least = _least(goal)
    is_slow = other.tokens_per_second < least <= chosen.tokens_per_second
    if is_slow:
        reason = too_slow(other, least)
    else:
        reason = f"{_standing(other)}; the choice {_standing(chosen)}"
    card, variant = other.card, other.variant
    code: Code = "speed" if is_slow else "rank"
    return Rejection(card.id, variant.backend, variant.quant, code, reason)


def _standing(candidate: Candidate) -> str:
    points = "no score" if candidate.score is None else f"scores {candidate.score:.1f}"
    return f"{points} at {candidate.tokens_per_second:.1f} tokens/s"


def _plan(chosen: Candidate, goal: Goal, here: Situation, rejected: tuple[Rejection, ...]) -> Plan:
    cells, footprint = _spend(chosen, goal, here)
    threads = decode_threads(here.known) if chosen.place.device is None else 0
    return Plan(
        card=chosen.card,
        variant=chosen.variant,
        place=chosen.place,
        context=chosen.context,
        parallel=chosen.options.parallel,
        cells=cells,
        gpu_layers=chosen.gpu_layers,
        kv_type=chosen.options.kv_type,
        threads=threads,
        memory=footprint,
        room=chosen.room,
        decode_tokens_per_second=chosen.tokens_per_second,
        full_tokens_per_second=predict(chosen, chosen.context, here),
        prefill_tokens_per_second=speed.prefill_tokens_per_second(chosen.card, chosen.rate),
        rate=chosen.rate,
        score=chosen.score,
        reasons=reasons(replace(chosen, footprint=footprint), goal, _least(goal), here),
        rejected=rejected,
    )


def _spend(chosen: Candidate, goal: Goal, here: Situation) -> tuple[int, Footprint]:
    """What memory is left makes the cache larger, up to a whole context for each sequence; but
    half of the main memory is left to others."""
    options, room = chosen.options, chosen.room
    half = replace(room, main_bytes=None if room.main_bytes is None else room.main_bytes // 2)
    is_free = goal.parallel is None and not goal.options.cells
    if is_free and options.parallel == DEFAULT_PARALLEL and goal.prefer != "memory":
        for times in (DEFAULT_PARALLEL, DEFAULT_PARALLEL // 2):
            more = replace(options, cells=options.context * times)
            footprint = here.estimate(chosen.card, chosen.variant, more, chosen.gpu_layers)
            if not shortage(footprint, chosen.place, half):
                return more.cells, footprint
    return options.cells, chosen.footprint
