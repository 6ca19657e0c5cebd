"""One variant on this device: where it fits and how fast it is there, or why it is out."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from edgellm.backends.llama_limits import usual_embed_context
from edgellm.catalog.card import ModelCard, Variant
from edgellm.planner import speed
from edgellm.planner.footprint import card_footprint, weight_bytes
from edgellm.planner.goal import (
    DEFAULT_CONTEXTS,
    DEFAULT_PARALLEL,
    USUAL_TOKENS,
    Candidate,
    Code,
    Goal,
    Rejection,
    Situation,
    Verdict,
)
from edgellm.planner.quality import score
from edgellm.planner.rates import rate_of
from edgellm.planner.room import Room, room_at, shortage
from edgellm.planner.runtime import Place, find_places
from edgellm.types import EngineOptions

_MEASURED_TOKENS = 256  # in the cache where `edgellm quant` measured a speed
# These hold one sequence at a time.
_SINGLE = frozenset({"hailo", "ort_genai"})


def consider(card: ModelCard, variant: Variant, goal: Goal, here: Situation) -> Verdict:
    """The variant at its fastest place, or why it is out."""
    contexts = _contexts(card, variant, goal)
    if not contexts:
        limit = variant.context or card.context
        return _reject(card, variant, "context", f"holds {limit:,} tokens at most")
    places = find_places(variant, here.profile, here.runtimes)
    if isinstance(places, str):
        code: Code = "device" if places.startswith("needs") else "runtime"
        return _reject(card, variant, code, places)
    tried = [_at(place, card, variant, contexts, goal, here) for place in places]
    fitting = [found for found in tried if not found.shortage]
    if not fitting and not _is_forced(goal):
        return _reject(card, variant, "memory", tried[-1].shortage)
    best = max(fitting or tried, key=_preference)
    asked = goal.min_tokens_per_second
    if asked is not None and best.tokens_per_second < asked:
        return _reject(card, variant, "speed", too_slow(best, asked))
    return best


def too_slow(candidate: Candidate, least: float) -> str:
    """Why a candidate is out, for people."""
    found = candidate.tokens_per_second
    digits = 1 if f"{found:.1f}" != f"{least:.1f}" else 3
    return f"{found:.{digits}f} tokens/s, less than {least:g}"


def unsuitable(card: ModelCard) -> tuple[Code, str] | None:
    """Why nobody gets this model who has not named it."""
    if card.task != "chat":
        return "task", f"made for {'embeddings' if card.task == 'embedding' else 'reranking'}"
    if not card.is_general:
        return "purpose", "made for something special: name it to get it"
    if card.quality is None:
        return "score", "no published score: name it to get it"
    return None


def _is_forced(goal: Goal) -> bool:
    """Only what somebody named: nobody means the largest model of the catalogue."""
    return goal.is_forced and goal.model is not None


def _reject(card: ModelCard, variant: Variant, code: Code, reason: str) -> Rejection:
    return Rejection(card.id, variant.backend, variant.quant, code, reason)


def _contexts(card: ModelCard, variant: Variant, goal: Goal) -> tuple[int, ...]:
    """To try in this order. What was asked for is never cut."""
    limit = min(card.context, variant.context or card.context)
    if goal.context is not None:
        return (goal.context,) if goal.context <= limit or _is_forced(goal) else ()
    usual = DEFAULT_CONTEXTS if card.task == "chat" else _embed_contexts(card, limit)
    return tuple(dict.fromkeys(min(context, limit) for context in usual))


def _embed_contexts(card: ModelCard, limit: int) -> tuple[int, ...]:
    is_causal = card.shape.kv_bytes_per_token > 0  # encoders keep nothing
    usual = usual_embed_context(limit, card.shape.vocab, is_causal=is_causal)
    return tuple(dict.fromkeys((usual, min(usual, 1024), min(usual, 512))))


def _at(
    place: Place,
    card: ModelCard,
    variant: Variant,
    contexts: tuple[int, ...],
    goal: Goal,
    here: Situation,
) -> Candidate:
    """On one device: with the first context that fits; else with the last, and what is missing."""
    found = None
    for context in contexts:
        for found in _tries(place, card, variant, _options(card, variant, context, goal), here):
            if not found.shortage:
                return _timed(found, here)
    assert found is not None  # there is a context, and a number of layers for it
    return _timed(found, here)


def _tries(
    place: Place, card: ModelCard, variant: Variant, options: EngineOptions, here: Situation
) -> Iterator[Candidate]:
    """All layers on the device, then as many as it holds."""
    room = room_at(place, here.profile.memory)
    rate = rate_of(here.profile, variant.backend, place.device, here.known)
    for layers in _offloads(card, variant, place, options, room, here):
        is_hopeless = _is_hopeless(card, variant, place, layers, room)
        estimate = card_footprint if is_hopeless else here.estimate
        footprint = estimate(card, variant, options, layers)
        yield Candidate(
            card=card,
            variant=variant,
            place=place,
            context=options.context,
            options=options,
            gpu_layers=layers,
            footprint=footprint,
            room=room,
            rate=rate,
            score=score(card, variant),
            shortage=shortage(footprint, place, room),
        )


def _timed(candidate: Candidate, here: Situation) -> Candidate:
    tokens = min(USUAL_TOKENS, candidate.context)
    if _measured_speed(candidate, here) is not None:
        rate = replace(candidate.rate, source="this file was measured here", is_least=False)
        candidate = replace(candidate, rate=rate)
    return replace(candidate, tokens_per_second=predict(candidate, tokens, here))


def _measured_speed(candidate: Candidate, here: Situation) -> float | None:
    """What `edgellm quant` measured of these files on a device like this one. On its CPU, where no
    GPU can have taken part."""
    found = candidate.variant.measured
    is_here = found is not None and found.device and found.device == here.profile.label
    apis = {api for each in here.runtimes if each.backend == "llama_cpp" for api in each.apis}
    if found is None or not is_here or candidate.place.device is not None or apis != {"cpu"}:
        return None
    return found.decode_tokens_per_second


def _is_hopeless(card: ModelCard, variant: Variant, place: Place, layers: int, room: Room) -> bool:
    """The weights alone are too much. A tensor by tensor estimate takes milliseconds, hundreds of
    times: it is kept for what may fit."""
    weights = weight_bytes(card, variant)
    if place.has_own_memory:
        limit = room.device_bytes if layers > card.shape.layers else None
    else:
        limit = room.main_bytes
    return limit is not None and weights > limit


def predict(candidate: Candidate, num_tokens: int, here: Situation) -> float:
    """Tokens per second with so many tokens in the cache."""
    card, variant, place = candidate.card, candidate.variant, candidate.place
    all_layers = card.shape.layers + 1
    if place.device is None or not 0 < candidate.gpu_layers < all_layers:
        found = speed.decode_tokens_per_second(
            card, variant, num_tokens, candidate.rate, candidate.options.kv_type
        )
    else:
        below = rate_of(here.profile, variant.backend, None, here.known)
        share = candidate.gpu_layers / all_layers
        found = speed.split_tokens_per_second(
            card, variant, num_tokens, candidate.rate, below, share
        )
    measured = _measured_speed(candidate, here)
    if measured is not None:  # a longer cache slows it as it was predicted to
        then = speed.decode_tokens_per_second(card, variant, _MEASURED_TOKENS, candidate.rate)
        return measured * found / then
    device = place.device.name if place.device else ""
    return found * speed.correction(here.measured, card, variant, device)


def _options(card: ModelCard, variant: Variant, context: int, goal: Goal) -> EngineOptions:
    """Unless a number was asked for, sequences share the cells of one whole context. Texts to embed
    always do."""
    if card.task != "chat":
        own = replace(goal.options, context=context, parallel=1, cells=context)
        return replace(own, kv_type=goal.kv_type)
    if variant.backend in _SINGLE:
        return EngineOptions(context=context, parallel=1, cells=context, kv_type=goal.kv_type)
    parallel = goal.parallel or DEFAULT_PARALLEL
    cells = goal.options.cells or (context * goal.parallel if goal.parallel else context)
    return replace(
        goal.options, context=context, parallel=parallel, cells=cells, kv_type=goal.kv_type
    )


def _offloads(
    card: ModelCard,
    variant: Variant,
    place: Place,
    options: EngineOptions,
    room: Room,
    here: Situation,
) -> Iterator[int]:
    """Numbers of layers to put on the device: all, else as many as it holds."""
    if place.device is None:
        yield 0
        return
    most = card.shape.layers + 1
    yield most
    if variant.backend != "llama_cpp" or not place.has_own_memory or room.device_bytes is None:
        return
    low, high = 0, most - 1
    while low < high:
        middle = (low + high + 1) // 2
        taken = here.estimate(card, variant, options, middle).dedicated
        low, high = (middle, high) if taken <= room.device_bytes else (low, middle - 1)
    if low:
        yield low


def _preference(candidate: Candidate) -> tuple[float, int]:
    """The fastest. Where nothing better is known of a GPU than of the CPU: one that shares the main
    memory's bus comes after the CPU, another before it."""
    device = candidate.place.device
    rank = 1 if device is None else 0 if device.memory_kind == "shared" else 2
    return candidate.tokens_per_second, rank
