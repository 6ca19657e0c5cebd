"""Items -> the messages that a model is shown. Pure.

The model's own items between two of the others' make one turn: its reasoning, what it said, and
its calls, which is how templates know a turn and how the model wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from msgspec.structs import replace

from edgellm.api.responses.items import (
    CallItem,
    CallOutputItem,
    Item,
    MessageItem,
    ReasoningItem,
    Refusal,
    joined,
)
from edgellm.types import Message, ToolCall


def to_messages(instructions: str | None, items: Iterable[Item]) -> tuple[Message, ...]:
    """The whole conversation, behind the instructions."""
    turns = [[Message("system", instructions)]] if instructions else []
    for item in items:
        piece = _message(item)
        if turns and _goes_on(turns[-1][-1], piece):
            turns[-1].append(piece)
        else:
            turns.append([piece])
    return tuple(turn[0] if len(turn) == 1 else _merged(turn) for turn in turns)


def _message(item: Item) -> Message:
    match item:
        case MessageItem():
            text = joined(
                part.refusal if isinstance(part, Refusal) else part.text for part in item.content
            )
            return Message("system" if item.role == "developer" else item.role, text)
        case ReasoningItem():
            return Message("assistant", reasoning=_reasoning(item))
        case CallItem():
            return Message("assistant", tool_calls=(_call(item),))
        case CallOutputItem():
            return Message("tool", item.output, tool_call_id=item.call_id)
        case _:
            assert_never(item)


def _reasoning(item: ReasoningItem) -> str:
    """The summary stands in for reasoning that another server kept to itself."""
    return joined(part.text for part in item.content or item.summary)


def _call(item: CallItem) -> ToolCall:
    return ToolCall(item.call_id, item.name, item.arguments)


def _goes_on(last: Message, new: Message) -> bool:
    """Whether two pieces are of one turn. A message on a message begins another, as clients mean
    it; but many templates take one system turn, at the beginning."""
    match last.role, new.role:
        case "system", "system":
            return True
        case "assistant", "assistant":
            return bool(new.tool_calls) or not last.content
        case _:
            return False


def _merged(turn: list[Message]) -> Message:
    separator = "\n\n" if turn[0].role == "system" else "\n"
    return replace(
        turn[0],
        content=separator.join(piece.content for piece in turn if piece.content),
        reasoning=joined(piece.reasoning for piece in turn if piece.reasoning),
        tool_calls=tuple(call for piece in turn for call in piece.tool_calls),
    )
