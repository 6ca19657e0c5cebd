"""What the names of GGUF files tell: the quantisation, the parts of a split file, projectors.

The conventions are llama.cpp's (`gguf-split`) and those of the repositories that people publish.
Pure: it reads names, never files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from edgellm.errors import RemoteNotFound

DEFAULT_QUANT = "Q4_K_M"

_QUANT = re.compile(
    r"(?<![A-Za-z0-9])"
    r"((?:UD-)?(?:I?Q[1-8]_(?:K_(?:XXL|XL|[SML])|K|XXS|XS|NL|[SM]|[01])|TQ[12]_0|MXFP4(?:_MOE)?"
    r"|BF16|F16|F32|FP16|FP32))"
    r"(?![A-Za-z0-9_])",
    re.IGNORECASE,
)
_SPLIT = re.compile(r"(?P<stem>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.gguf)", re.I)


class Split(Struct, frozen=True):
    """A GGUF in several files; `names` without folders, in order."""

    stem: str
    count: int
    suffix: str = ".gguf"

    @property
    def names(self) -> tuple[str, ...]:
        """Of all parts."""
        return tuple(
            f"{self.stem}-{index:05}-of-{self.count:05}{self.suffix}"
            for index in range(1, self.count + 1)
        )


def split_of(path: str) -> Split | None:
    """The split that a file belongs to; None if it is a file of its own."""
    match = _SPLIT.fullmatch(path)
    if match is None or int(match["count"]) == 0:
        return None
    return Split(match["stem"], int(match["count"]), match["suffix"])


def quant_of(path: str) -> str:
    """The quantisation that a file's name tells, in capitals; empty if it tells none."""
    found = _QUANT.findall(path.rpartition("/")[2]) or _QUANT.findall(path)
    return found[-1].upper() if found else ""


def is_projector(path: str) -> bool:
    """Whether it is the vision part of a model, which no runtime opens by itself."""
    return "mmproj" in path.rpartition("/")[2].lower()


def choose(paths: Sequence[str], quant: str, where: str) -> tuple[str, ...]:
    """The files of a quantisation in a repository, all parts of it.

    Args:
        quant: empty = Q4_K_M if it is there, else the only one.
        where: for the message.

    Raises:
        RemoteNotFound: no GGUF at all, or none or several of that quantisation.
    """
    models = [path for path in sorted(paths) if is_first_part(path)]
    if not models:
        raise RemoteNotFound(
            f"{where} has no GGUF file.",
            "Look for a repository whose name ends in -GGUF, which llama.cpp can open.",
        )
    found = [path for path in models if quant_of(path) == (quant or DEFAULT_QUANT).upper()]
    if not found and not quant and len(models) == 1:
        found = models
    if len(found) == 1:
        return all_parts(found[0])
    raise _no_choice(found, models, quant, where)


def all_parts(path: str) -> tuple[str, ...]:
    """The file, or all parts of it if it is the part of a split one."""
    split = split_of(path)
    return split.names if split is not None else (path,)


def is_first_part(path: str) -> bool:
    """Whether it is a model that a runtime can be given: no projector, no later part."""
    if not path.lower().endswith(".gguf") or is_projector(path):
        return False
    split = split_of(path)
    return split is None or split.names[0] == path


def _no_choice(found: list[str], models: list[str], quant: str, where: str) -> RemoteNotFound:
    if found:
        return RemoteNotFound(
            f"{where} has {len(found)} models of {quant or DEFAULT_QUANT}.",
            f"Name one of them: {', '.join(found[:12])}.",
        )
    quants = sorted({quant_of(path) or path for path in models})
    wanted = f"GGUF of {quant}" if quant else f"GGUF of {DEFAULT_QUANT}, the usual choice"
    return RemoteNotFound(f"{where} has no {wanted}.", f"There are: {', '.join(quants)}.")
