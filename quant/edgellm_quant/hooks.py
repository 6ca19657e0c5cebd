"""How long work tells of its progress, and asks whether it is still wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

OnProgress: TypeAlias = Callable[[int, int], None]  # done, and in all
IsCancelled: TypeAlias = Callable[[], bool]


def tell_nobody(_done: int, _total: int) -> None:
    """Nobody watches."""


def never() -> bool:
    """Nobody cancels."""
    return False
