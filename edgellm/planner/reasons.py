"""Why a plan is as it is, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from edgellm.planner.goal import DEFAULT_CONTEXTS, Candidate, Goal, Situation
from edgellm.planner.quality import loss, measured_divergence
from edgellm.planner.runtime import why_unused

_AIM = {
    "quality": "the best quality",
    "speed": "the best trade of quality for speed",
    "memory": "the best trade of quality for memory",
}


def reasons(chosen: Candidate, goal: Goal, least: float, here: Situation) -> tuple[str, ...]:
    """The sentences, the weightiest first.

    Args:
        least: tokens per second that were asked for, or reading speed.
    """
    return (*_sentences(chosen, goal, least), *_unused_devices(chosen, here))


def main_bytes(candidate: Candidate) -> int:
    """Of main memory: a GPU without memory of its own takes from it too."""
    footprint = candidate.footprint
    return footprint.needed + (0 if candidate.place.has_own_memory else footprint.dedicated)


def _unused_devices(chosen: Candidate, here: Situation) -> Iterator[str]:
    """Nobody shall wonder why an accelerator idles."""
    for device in here.profile.devices:
        if device != chosen.place.device:
            why = why_unused(device, here.runtimes) or "the choice would not be better there"
            yield f"Not used: {device.name} ({why})."


def _sentences(chosen: Candidate, goal: Goal, least: float) -> Iterator[str]:
    if chosen.shortage:
        yield f"It does not fit: it {chosen.shortage}. It was forced."
    yield _choice(chosen, goal)
    yield _memory(chosen)
    yield _speed(chosen, least)
    if goal.context is None and chosen.context < DEFAULT_CONTEXTS[0]:
        yield _context(chosen)
    layers = chosen.card.shape.layers + 1
    if chosen.place.has_own_memory and 0 < chosen.gpu_layers < layers:
        yield (
            f"{chosen.gpu_layers} of {layers} layers are on the {chosen.place.name}; "
            "the others do not fit there, and slow it down."
        )
    if not chosen.card.commercial:
        yield f"Its licence ({chosen.card.licence}) restricts commercial use."


def _choice(chosen: Candidate, goal: Goal) -> str:
    if chosen.score is None:
        return f"{chosen.card.id} was named; it has no published score{_proof(chosen)}."
    lost = f"{loss(chosen.card, chosen.variant):.1f} for the quantisation{_proof(chosen)}"
    score = f"{chosen.score:.1f} of 100 ({chosen.card.quality:g} less {lost})"
    if goal.model is not None:
        return f"Of {chosen.card.id}, {_AIM[goal.prefer]} that fits: {score}."
    return f"Of all models, {_AIM[goal.prefer]} that fits: {score}."


def _proof(chosen: Candidate) -> str:
    kld = measured_divergence(chosen.variant)
    return "" if kld is None else f", whose loss was measured: KL divergence {kld:.3g}"


def _memory(chosen: Candidate) -> str:
    footprint, room = chosen.footprint, chosen.room
    here = (
        footprint.needed if chosen.place.has_own_memory else footprint.needed + footprint.dedicated
    )
    text = f"Takes {_gib(here)} of memory"
    if room.main_bytes is not None:
        text += f" of {_gib(room.main_bytes)} that can be used"
    text += f" ({_gib(room.reserve_bytes)} stay free)"
    if chosen.place.has_own_memory:
        limit = "" if room.device_bytes is None else f" of {_gib(room.device_bytes)}"
        text += f", and {_gib(footprint.dedicated)}{limit} on the {chosen.place.name}"
    return text + "."


def _speed(chosen: Candidate, least: float) -> str:
    published = chosen.variant.tokens_per_second is not None
    source = "published by the vendor" if published else chosen.rate.source
    about = "at least " if chosen.rate.is_least and not published else "about "
    text = f"Decodes {about}{chosen.tokens_per_second:.1f} tokens/s ({source})"
    if chosen.tokens_per_second < least:
        return f"{text}: slower than {least:g}, but nothing that fits is faster."
    return f"{text}; {least:g} keep up with a reader."


def _context(chosen: Candidate) -> str:
    limit = min(chosen.card.context, chosen.variant.context or chosen.card.context)
    why = "holds no more" if limit <= chosen.context else "does not fit with more"
    return f"The context is {chosen.context:,} tokens: it {why}."


def _gib(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB"
