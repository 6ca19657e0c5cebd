"""Which models leave memory so that another one fits. Pure: knows bytes and times, no processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct


class Loaded(Struct, frozen=True):
    """A model that takes memory now, or soon will."""

    id: str
    memory_bytes: int
    last_used: float  # on any clock that grows
    can_leave: bool = True  # it is not serving, not loading and not pinned


def choose_victims(
    loaded: Sequence[Loaded], needed_bytes: int, budget_bytes: int | None
) -> tuple[str, ...] | None:
    """The models to unload before one of `needed_bytes` is loaded, the least recently used first.

    None when all that can leave would not be enough: then nothing leaves. A model that was chosen
    is spared again where those after it free enough without it.

    Args:
        budget_bytes: what all models together may take; None = not known, so nothing has to leave.
    """
    if budget_bytes is None:
        return ()
    excess = _total(loaded) + needed_bytes - budget_bytes
    victims: list[Loaded] = []
    for model in sorted((m for m in loaded if m.can_leave), key=lambda m: m.last_used):
        if _total(victims) >= excess:
            break
        victims.append(model)
    if _total(victims) < excess:
        return None
    for model in reversed(victims.copy()):
        if _total(victims) - model.memory_bytes >= excess:
            victims.remove(model)
    return tuple(model.id for model in victims)


def _total(models: Iterable[Loaded]) -> int:
    return sum(model.memory_bytes for model in models)
