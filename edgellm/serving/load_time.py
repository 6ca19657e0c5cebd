"""How long a model takes to load, learned from the loads before. Knows no process."""

from __future__ import annotations

_USUAL_SECONDS = 5.0  # to tell a client when nothing was loaded yet
_LEAST_SECONDS = 1.0
_TELLING_PROGRESS = 0.1  # below it, a load has not shown its speed


class LoadTimes:
    """The newest load of each file, and for files that are new the speed of all loads so far."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._total_bytes = 0
        self._total_seconds = 0.0

    def learn(self, name: str, size_bytes: int, seconds: float) -> None:
        self._seconds[name] = seconds
        self._total_bytes += size_bytes
        self._total_seconds += seconds

    def predict(self, name: str, size_bytes: int) -> float | None:
        """Seconds of a whole load; None as long as nothing was loaded."""
        if name in self._seconds:
            return self._seconds[name]
        if not self._total_bytes:
            return None
        return size_bytes * self._total_seconds / self._total_bytes


def remaining_seconds(predicted: float | None, elapsed: float, progress: float) -> float:
    """Until a load is over, at least a second: from what it did so far, or from the prediction."""
    if progress >= _TELLING_PROGRESS:
        return max(_LEAST_SECONDS, elapsed * (1 - progress) / progress)
    return max(_LEAST_SECONDS, (predicted or _USUAL_SECONDS) - elapsed)
