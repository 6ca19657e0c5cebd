"""Printing: stdout is data, stderr is talk. No colours at all, so NO_COLOR holds by itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum

import msgspec


class Format(StrEnum):
    """How a command prints its result."""

    human = "human"
    json = "json"


def put(text: str) -> None:
    """Data: to stdout at once, as it is."""
    sys.stdout.write(text)
    sys.stdout.flush()


def put_json(value: object) -> None:
    """One JSON document on one line. Takes msgspec structs too."""
    put(msgspec.json.encode(value).decode() + "\n")


def say(text: str) -> None:
    """Talk: a line on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def table(rows: Sequence[Sequence[str]], gap: str = "  ") -> str:
    """Rows in aligned columns; the last column is not padded."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "".join(line + "\n" for line in lines)


def format_bytes(count: int) -> str:
    """Binary units, three digits: `7.8 GiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return (
                f"{amount:.0f} {unit}" if amount >= 100 or unit == "B" else f"{amount:.1f} {unit}"
            )
        amount /= 1024
    return f"{amount:.1f} TiB"
