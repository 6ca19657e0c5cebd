"""Durations and sizes as people write them: `5m`, `1h30m`, `forever`; `6GiB`, `512M`. Pure."""

from __future__ import annotations

import math
import re

# Go's and so Ollama's durations; a bare number is seconds.
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION_PART = r"\d+(?:\.\d+)?(?:ms|s|m|h|d)"
DURATION = rf"^(?:forever|-?(?:{_DURATION_PART})+|-?\d+(?:\.\d+)?)$"

_BYTES = r"(\d+(?:\.\d+)?) ?([KMGT]?)(i?)(B?)"
SIZE = rf"^{_BYTES}$"


def parse_duration(text: str | float) -> float:
    """Seconds; infinity for `forever` and for whatever is negative, as Ollama has it.

    Raises:
        ValueError: it is no duration.
    """
    if isinstance(text, (int, float)):
        return _not_negative(float(text))
    if not re.match(DURATION, text):
        raise ValueError(f"{text!r} is no duration")
    if text == "forever" or text.startswith("-"):
        return math.inf
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    if not parts:
        return float(text)
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)


def _not_negative(seconds: float) -> float:
    if math.isnan(seconds):
        raise ValueError("not a number")
    return seconds if seconds >= 0 else math.inf


def parse_size(text: str) -> int:
    """Bytes. `GB` is decimal; `GiB`, `Gi` and `G` are binary, as container tools have it.

    Raises:
        ValueError: it is no size.
    """
    match = re.match(SIZE, text)
    if match is None:
        raise ValueError(f"{text!r} is no size")
    number, prefix, binary, byte = match.groups()
    base = 1000 if byte and not binary else 1024
    return int(float(number) * base ** " KMGT".index(prefix or " "))
