"""How a text is cut for measuring, exactly as llama-perplexity and llama-imatrix cut it. Pure.

Windows of the context's length, one behind the other; the rest that fills no window is left out.
Each begins with the start token, in place of its own first token, where the model wants one. Only
the second half of a window counts, so that every counted token has that much text before it.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgellm.errors import QuantError

LEAST_CONTEXT = 32  # shorter windows say nothing about a model


def cut(
    tokens: Sequence[int], context: int, *, start_token: int | None, most: int = 0
) -> list[list[int]]:
    """The windows of a text.

    Args:
        most: windows; 0 = all that the text has.

    Raises:
        QuantError: the text fills none.
    """
    if context < LEAST_CONTEXT:
        raise QuantError(
            f"A context of {context} tokens is too short to measure with.",
            f"Use {LEAST_CONTEXT} or more; 512 is usual.",
        )
    count = len(tokens) // context
    if not count:
        raise QuantError(
            f"The text has {len(tokens)} tokens, and one window takes {context}.",
            "Give a longer text, or a smaller context.",
        )
    count = min(count, most) if most else count
    windows = [list(tokens[at * context : (at + 1) * context]) for at in range(count)]
    if start_token is not None:
        for window in windows:
            window[0] = start_token
    return windows


def first_counted(context: int) -> int:
    """The position whose logits are the first to count: they foretell the token behind it."""
    return context // 2


def num_counted(context: int) -> int:
    """Tokens of a window that are foretold and counted."""
    return context - 1 - first_counted(context)
