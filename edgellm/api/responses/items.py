"""The items that a conversation consists of: what was put in, and what the model gave.

They are encoded as OpenAI writes them. The same objects are sent, stored and turned into the
messages of the next request; nothing here knows HTTP, storage or models.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from msgspec import Struct

Status: TypeAlias = Literal["in_progress", "completed", "incomplete"]
ItemRole: TypeAlias = Literal["user", "assistant", "system", "developer"]


class InputText(Struct, frozen=True, tag_field="type", tag="input_text"):
    text: str


class OutputText(Struct, frozen=True, tag_field="type", tag="output_text"):
    """`annotations`: citations of hosted tools, so there are none."""

    text: str
    annotations: tuple[()] = ()
    logprobs: tuple[dict[str, Any], ...] = ()


class Refusal(Struct, frozen=True, tag_field="type", tag="refusal"):
    refusal: str


class ReasoningText(Struct, frozen=True, tag_field="type", tag="reasoning_text"):
    text: str


class SummaryText(Struct, frozen=True, tag_field="type", tag="summary_text"):
    text: str


Part: TypeAlias = InputText | OutputText | Refusal


class MessageItem(Struct, frozen=True, tag_field="type", tag="message"):
    id: str
    role: ItemRole
    content: tuple[Part, ...]
    status: Status = "completed"


class ReasoningItem(Struct, frozen=True, tag_field="type", tag="reasoning"):
    """Whole in `content`; a `summary` only where a client sent one."""

    id: str
    summary: tuple[SummaryText, ...] = ()
    content: tuple[ReasoningText, ...] = ()
    status: Status = "completed"


class CallItem(Struct, frozen=True, tag_field="type", tag="function_call"):
    """`call_id` is what its output names; `arguments` is JSON text, as the model wrote it."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: Status = "completed"


class CallOutputItem(Struct, frozen=True, tag_field="type", tag="function_call_output"):
    id: str
    call_id: str
    output: str
    status: Status = "completed"


Item: TypeAlias = MessageItem | ReasoningItem | CallItem | CallOutputItem


def new_id(prefix: str) -> str:
    """Nobody can guess it: where there are no keys, a response's id is what protects it."""
    return f"{prefix}_{secrets.token_hex(16)}"


def joined(texts: Iterable[str]) -> str:
    """Parts of one content, a line for each, as in chat completions."""
    return "\n".join(texts)
