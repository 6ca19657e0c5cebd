"""Reasoning in `<think>` tags: whether a prompt has begun it, and making it so or not.

Templates differ in what they do of their own accord, and some cannot be told to leave reasoning
out. A prompt's end decides. Knows no parser.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgellm.chat.continuation import THINK
from edgellm.chat.continuation import THINK_END as THINK_END
from edgellm.chat.parsers.base import OutputParser
from edgellm.chat.parsers.resumed import end_before
from edgellm.chat.template import thinking_variables
from edgellm.protocol import Delta
from edgellm.types import GenerateRequest


def variables_of(request: GenerateRequest, format_: str) -> dict[str, Any]:
    """What the template is told. gpt-oss cannot leave its reasoning out, only shorten it.

    Args:
        format_: a key of `PARSERS`.
    """
    is_shortest = request.is_thinking is False and format_ == "harmony"
    effort = "low" if is_shortest and request.effort is None else request.effort
    return thinking_variables(request.is_thinking, effort) | request.template_variables


def is_begun(prompt: Sequence[str | int], told: str = "") -> bool:
    """Whether the answer begins inside of the reasoning.

    Args:
        told: the text that the prompt ends with and that the answer continues.
    """
    if told and THINK in told:
        return told.rfind(THINK) > told.rfind(THINK_END)
    end = end_before(prompt, told) if told else prompt[-1] if prompt else ""
    return isinstance(end, str) and end.rstrip().endswith(THINK)


def as_asked(prompt: tuple[str, ...], request: GenerateRequest, source: str) -> tuple[str, ...]:
    """The prompt of a chat, with the reasoning begun or ended where the template leaves it open.

    Reasoning that is not wanted, but that the template begins all the same, is ended at once. What
    is wanted is begun before an answer of a certain form, which would leave no room for it.

    Args:
        source: of the template; one without these tags is of another kind.
    """
    if request.is_thinking is False and is_begun(prompt):
        return (*prompt[:-1], f"{prompt[-1].rstrip()}\n\n{THINK_END}\n\n")
    has_form = request.constraint is not None or bool(request.must_call)
    knows_tags = THINK in source and THINK_END in source
    is_settled = not prompt or prompt[-1].rstrip().endswith((THINK, THINK_END))
    if request.is_thinking and has_form and knows_tags and not is_settled:
        return (*prompt[:-1], f"{prompt[-1]}{THINK}\n")
    return prompt


class ReasoningCount:
    """Counts an answer's tokens that are not part of it: the reasoning, and the marks around it.

    A token counts as what the parser is in the middle of before it, or else behind it; while the
    parser cannot say yet (a mark of several tokens), its tokens wait. So it is exact where each
    Delta brings one token, and off by a Delta's tokens at the end of the reasoning where not.
    """

    def __init__(self, parser: OutputParser) -> None:
        self._parser = parser
        self._num_reasoning = self._num_doubtful = self._num_seen = 0
        self._was_thinking = parser.is_thinking

    def add(self, delta: Delta) -> None:
        """The parser has read `delta`."""
        num, now = len(delta.tokens), self._parser.is_thinking
        self._num_seen += num
        if self._was_thinking:
            self._num_reasoning += num
        else:
            self._num_doubtful += num
        if now is not None:
            self._num_reasoning += self._num_doubtful if now else 0
            self._num_doubtful = 0
        self._was_thinking = now

    def total(self, num_tokens: int) -> int:
        """Of `num_tokens` in all; the last ones may have come without a text."""
        rest = num_tokens - self._num_seen if self._was_thinking else 0
        return min(num_tokens, self._num_reasoning + rest)
