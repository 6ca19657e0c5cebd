"""An answer that goes on where the last message, an assistant's, stops ("prefill").

The template renders the conversation with a mark in place of the text that is continued, and the
prompt is cut there: whatever a template puts behind a turn, strips off a text or makes of its tags,
the prompt ends with exactly the text that was sent. Knows no template and no format.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct

from edgellm.errors import TemplateError
from edgellm.types import GenerateRequest, Message

THINK, THINK_END = "<think>", "</think>"  # around the reasoning, in most templates


class Continued(Struct, frozen=True):
    """The text that the answer continues, and which part of the message it is."""

    field: Literal["content", "reasoning"]
    text: str


def find_continued(messages: Sequence[Message]) -> Continued | None:
    """What an answer to these messages could continue; None = nothing: the last one is no
    assistant's, it ends in calls, or it is empty."""
    last = messages[-1] if messages else None
    if last is None or last.role != "assistant" or last.tool_calls:
        return None
    if last.content:
        return Continued("content", last.content)
    return Continued("reasoning", last.reasoning) if last.reasoning else None


def told_of(request: GenerateRequest) -> str:
    """The text with which the prompt of a request ends and which its answer continues."""
    continued = find_continued(request.messages) if request.continues_last else None
    return continued.text if continued else ""


def without_empty_end(messages: Sequence[Message]) -> Sequence[Message]:
    """The messages without a last one that begins an answer with nothing."""
    last = messages[-1] if messages else None
    is_empty = last == Message("assistant", name=last.name if last else None)
    return messages[:-1] if is_empty else messages


def new_mark() -> str:
    """A text that no message holds, in noncharacters that templates do not strip."""
    return f"\ufdd1{secrets.token_hex(8)}\ufdd1"


def marked(message: dict[str, Any], continued: Continued, mark: str) -> dict[str, Any]:
    """The last message in the template's shape, with the mark for its text."""
    if continued.field == "content":
        return message | {"content": mark}
    names = [name for name in ("reasoning_content", "thinking") if name in message]
    return message | {"content": ""} | dict.fromkeys(names, mark)


def cut_at(mark: str, rendered: str, system: str) -> str | None:
    """The prompt up to the mark; None where the template does not show it, or leaves out the system
    turn unless a user's turn comes last (Mistral Nemo)."""
    before, found, _ = rendered.rpartition(mark)
    return before if found and system.strip() in before else None


def opened_for(continued: Continued, before: str, source: str, *, is_cut: bool) -> str:
    """What must stand before the text that is continued, so that it is what it was: content, or
    reasoning.

    Args:
        before: the prompt up to the mark, or a prompt for a new answer.
        source: of the template.
        is_cut: the template itself put the text there.

    Raises:
        TemplateError: there is no way to begin the reasoning.
    """
    is_thinking = before.rstrip().endswith(THINK)
    if continued.field == "content":
        return f"{before.rstrip()}\n\n{THINK_END}\n\n" if is_thinking else before
    if is_cut or is_thinking:
        return before
    if THINK not in source or before.rstrip().endswith(THINK_END):
        raise TemplateError(
            "The model's chat template cannot continue the reasoning of the last message.",
            "Give the message a content, or end the messages with a user's.",
        )
    return f"{before}{THINK}\n"
