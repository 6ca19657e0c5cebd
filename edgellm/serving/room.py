"""The memory that engines share: who holds it, who could leave, and whether one more fits.

Only answers questions; `pool.py` acts.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgellm.errors import NotEnoughMemory
from edgellm.serving.entry import Entry
from edgellm.serving.evict import Loaded, choose_victims
from edgellm.serving.meter import MIB, Meter


class Room:
    """Keeps the entries that hold memory, those that load or leave included."""

    def __init__(self, meter: Meter) -> None:
        self.entries: list[Entry] = []
        self._meter = meter

    @property
    def budget_bytes(self) -> int | None:
        """What all engines together may take now; None = not known."""
        return self._meter.budget(sum(entry.resident_bytes for entry in self.entries))

    def free_bytes(self, entry: Entry) -> int | None:
        """What the others leave of the budget."""
        budget = self.budget_bytes
        others = (self._loaded(other).memory_bytes for other in self.entries if other is not entry)
        return None if budget is None else budget - sum(others)

    def is_free(self, entry: Entry) -> bool:
        """Whether the entry fits as it is."""
        return self._choose(entry, (self._loaded(other) for other in self.entries)) == ()

    def leavers(self, entry: Entry) -> tuple[Entry, ...] | None:
        """Idle ones that must leave for the entry, beside those that do so already. None = even
        all of them would not be enough now."""
        loaded = (self._loaded(other, can_leave=other.is_idle) for other in self._staying())
        return self._entries(self._choose(entry, loaded))

    def yielders(self, entry: Entry) -> tuple[Entry, ...]:
        """Those that must come to rest and leave for the entry, busy as they are."""
        loaded = (self._loaded(other, can_leave=not other.is_loading) for other in self._staying())
        return self._entries(self._choose(entry, loaded)) or ()

    def surplus(self) -> tuple[Entry, ...]:
        """Idle ones to unload because engines hold more than they may; never the newest."""
        staying = self._staying()
        newest = max((entry.last_used for entry in staying), default=0.0)
        loaded = [
            self._loaded(entry, can_leave=entry.is_idle and entry.last_used < newest)
            for entry in staying
        ]
        return self._entries(choose_victims(loaded, 0, self.budget_bytes)) or ()

    def refusal(self, entry: Entry) -> NotEnoughMemory | None:
        """Why it could not be loaded even if all left that are not pinned."""
        pinned = [self._loaded(other) for other in self.entries if other.is_pinned]
        if entry in self.entries or self._choose(entry, pinned) is not None:
            return None
        needed, budget = entry.needed_bytes(self._meter) or 0, self.budget_bytes or 0
        held = sum(model.memory_bytes for model in pinned)
        kept = f", and pinned models hold {_mib(held)} of that" if held else ""
        return NotEnoughMemory(
            f"The model '{entry.id}' needs about {_mib(needed)} of memory, but all models "
            f"together may take {_mib(budget)}{kept}.",
            "Choose a smaller model, quantisation, --context or --parallel, or allow more with "
            "--memory-limit." + (" Or unpin a model." if held else ""),
        )

    def _staying(self) -> list[Entry]:
        return [entry for entry in self.entries if not entry.is_leaving]

    def _loaded(self, entry: Entry, *, can_leave: bool = False) -> Loaded:
        memory_bytes = max(entry.needed_bytes(self._meter) or 0, entry.resident_bytes)
        can_leave = can_leave and not entry.is_pinned
        return Loaded(entry.id, memory_bytes, entry.last_used, can_leave)

    def _choose(self, entry: Entry, loaded: Iterable[Loaded]) -> tuple[str, ...] | None:
        needed = entry.needed_bytes(self._meter) or 0
        return choose_victims(tuple(loaded), needed, self.budget_bytes)

    def _entries(self, ids: tuple[str, ...] | None) -> tuple[Entry, ...] | None:
        if ids is None:
            return None
        return tuple(entry for entry in self._staying() if entry.id in ids)


def _mib(count: int) -> str:
    return f"{count / MIB:,.0f} MiB"
