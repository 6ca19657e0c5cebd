"""Counts prompts' tokens without asking the engine, in models where that is known to be right.

Found out once for each model, in the background, as soon as it is used: an encoding is made from
its file, and must give the engine's own tokens on all samples. Until then, and where it does not,
the engine counts; and so on devices whose memory is too dear for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from edgellm.errors import ModelFileError
from edgellm.protocol import Tokenize
from edgellm.tokens.check import SAMPLES, is_equal
from edgellm.tokens.counter import TokenCounter
from edgellm.tokens.encoding import Encoding, make_encoding
from edgellm.tokens.vocabulary import read_vocabulary

logger = logging.getLogger(__name__)

Ask: TypeAlias = Callable[[Tokenize], Awaitable[Sequence[int]]]
ENCODING_BYTES = 600  # for each token of the vocabulary, while it is made: 90 MB of 151,936 tokens
MEMORY_SHARE = 20  # of what models may take, the part that this may take
_PLAIN = "a"  # a text that no token around it could be joined with


class Counters:
    """The models' counters. `aclose` ends what is still being found out."""

    def __init__(self) -> None:
        self._finding: dict[tuple[Path, float], asyncio.Task[TokenCounter | None]] = {}
        self._declined: set[tuple[Path, float]] = set()

    def find(
        self,
        path: Path,
        control_tokens: Sequence[str],
        ask: Ask,
        can_afford: Callable[[], bool] = lambda: True,
    ) -> TokenCounter | None:
        """A model's counter; None while there is none. Begins to look for one if need be.

        Args:
            control_tokens: as the engine tells them.
            ask: gives the engine's own tokens.
            can_afford: whether there is memory for it; asked once for each model.
        """
        key = path, _modified_at(path)
        finding = self._finding.get(key)
        if finding is None and (key in self._declined or not can_afford()):
            self._declined.add(key)
            return None
        if finding is None or _has_failed(finding):
            found = find_counter(path, control_tokens, ask)
            finding = self._finding[key] = asyncio.create_task(found, name=f"counter {path}")
        return finding.result() if finding.done() else None

    async def aclose(self) -> None:
        for finding in self._finding.values():
            finding.cancel()
        await asyncio.gather(*self._finding.values(), return_exceptions=True)


async def find_counter(path: Path, control_tokens: Sequence[str], ask: Ask) -> TokenCounter | None:
    """A counter whose tokens are the engine's; None where they are not.

    Raises:
        EngineError: it cannot be asked now.
    """
    try:
        encoding = await asyncio.to_thread(_make_encoding, path, control_tokens)
    except ModelFileError as error:
        logger.debug("%s: the engine counts its tokens (%s)", path, error.message)
        return None
    if encoding is None:
        logger.debug("%s: the engine counts its tokens (its vocabulary is another)", path)
        return None
    theirs = [await ask(Tokenize(0, (text,), add_special=False)) for text in SAMPLES]
    if not is_equal(encoding, theirs):
        logger.debug("%s: the engine counts its tokens (ours are not the same)", path)
        return None
    return _counter(encoding, list(await ask(Tokenize(0, (_PLAIN,)))))


def is_affordable(num_tokens: int, budget_bytes: int | None) -> bool:
    """Whether a device can do with less memory, by so many bytes for each token of a vocabulary.

    Args:
        budget_bytes: what all models may take; None = not known.
    """
    return budget_bytes is None or num_tokens * ENCODING_BYTES * MEMORY_SHARE <= budget_bytes


def _make_encoding(path: Path, control_tokens: Sequence[str]) -> Encoding | None:
    encoding = make_encoding(read_vocabulary(path), control_tokens)
    give_back()
    return encoding


def give_back() -> None:
    """Let the system have the memory that is free inside of this process: 15 MB of a large
    vocabulary. glibc keeps it otherwise; others have no such function."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _counter(encoding: Encoding, around: list[int]) -> TokenCounter | None:
    """`around`: the tokens of `_PLAIN` with all that the engine adds."""
    plain = encoding.encode(_PLAIN)
    starts = (i for i in range(len(around)) if around[i : i + len(plain)] == plain)
    start = next(starts, None)
    if start is None:
        return None
    return TokenCounter(encoding, around[:start], len(around) - start - len(plain))


def _has_failed(task: asyncio.Task[TokenCounter | None]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _modified_at(path: Path) -> float:
    """Unix seconds; 0 where the file is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
