"""What llama.cpp says while it quantises, made into words. Pure.

It tells of each tensor `[  3/ 40] NAME - [ shape ], type = f16, converting to q4_K .. size = ...`,
of a dry run `... size = 2.00 MiB -> 0.56 MiB (q4_K)`, and of shapes that a type does not fit
`warning: NAME - ncols 64 not divisible by 256 (required for type q4_K) -> falling back to q5_0`.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from msgspec import Struct

_TENSOR = re.compile(r"\[\s*(\d+)/\s*(\d+)\] (\S+)\s+- \[([^]]*)\], type =\s*(\S+),")
_DRY = re.compile(r"-> [^(]*\((\S+)\)\s*$")
_FALLBACK = re.compile(
    r"warning: (\S+)\s+- ncols\s+(\d+) not divisible by\s+(\d+) \(required for type\s+(\S+)\)"
    r".*-> falling back to\s+(\S+)"
)
_FAILURE = re.compile(r"failed to quantize: (.*)", re.DOTALL)
_NO_WEIGHTS = re.compile(r"did not find weights for (\S+)")
_NEEDS_MATRIX = "will require an imatrix"


class TensorBegun(Struct, frozen=True, tag="tensor"):
    """The `number`th of `count` (from 1). `shape`: the row's length first. `target` is told by a
    dry run only."""

    number: int
    count: int
    name: str
    shape: tuple[int, ...]
    source: str
    target: str = ""


class FellBack(Struct, frozen=True, tag="fallback"):
    """A tensor whose rows the wanted type cannot hold gets another one."""

    name: str
    row_length: int
    block_values: int
    wanted: str
    used: str


class NeedsMatrix(Struct, frozen=True, tag="matrix"):
    """Without an importance matrix the result would be of no use."""


class NoWeights(Struct, frozen=True, tag="no_weights"):
    """The importance matrix knows nothing of this tensor."""

    name: str


class Failure(Struct, frozen=True, tag="failure"):
    """llama.cpp gave up, and says why."""

    reason: str


Saying: TypeAlias = TensorBegun | FellBack | NeedsMatrix | NoWeights | Failure


def understand(line: str) -> Saying | None:
    """What a whole line says; None for talk that changes nothing."""
    # First: it comes in the middle of a tensor's line.
    if match := _FAILURE.search(line):
        return Failure(match[1].strip())
    if match := _FALLBACK.search(line):
        name, length, block, wanted, used = match.groups()
        return FellBack(name, int(length), int(block), wanted.upper(), used.upper())
    if match := _TENSOR.search(line):
        number, count, name, shape, source = match.groups()
        dry = _DRY.search(line)
        target = dry[1] if dry else source if "size =" in line else ""
        lengths = tuple(map(int, shape.split(",")))
        return TensorBegun(int(number), int(count), name, lengths, source.upper(), target.upper())
    if match := _NO_WEIGHTS.search(line):
        return NoWeights(match[1])
    return NeedsMatrix() if _NEEDS_MATRIX in line else None


class Lines:
    """Puts pieces of text together to lines; a tensor's beginning is given before its line ends,
    for that is when the work on it begins."""

    def __init__(self) -> None:
        self._held = ""

    def take(self, text: str) -> list[str]:
        """The lines that are complete with this text, without their ends."""
        *whole, self._held = (self._held + text).split("\n")
        return whole

    @property
    def unfinished(self) -> str:
        return self._held
