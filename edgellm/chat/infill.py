"""The prompt of a text that goes between two others ("fill in the middle"). Pure.

The order is llama.cpp's: the text before, the text behind, then what is asked for. Models without a
token for the latter (Codestral) were taught the other order, in which the text before comes last.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgellm.errors import InvalidRequest
from edgellm.protocol import ModelInfo

Piece = str | int


def infill_prompt(
    before: Sequence[Piece], behind: Sequence[Piece], model: ModelInfo
) -> tuple[Piece, ...]:
    """The prompt's pieces.

    Args:
        before: the text before the gap, in pieces that hold no control tokens; or token ids.
        behind: the text behind it.

    Raises:
        InvalidRequest: the model was not taught to fill gaps.
    """
    prefix, suffix, middle = model.fim_prefix, model.fim_suffix, model.fim_middle
    if prefix is None or suffix is None:
        raise InvalidRequest(
            "This model cannot fill in the middle: it has no tokens for it.",
            "Leave 'suffix' out, or use a model made for code, such as Qwen2.5-Coder.",
            param="suffix",
            code="unsupported_value",
        )
    # The empty text comes first because the beginning-of-text token is put in front of a text.
    if middle is None:
        return ("", suffix, *behind, prefix, *before)
    return ("", prefix, *before, suffix, *behind, middle)
