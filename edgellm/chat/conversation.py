"""Messages and tools as chat templates expect them: OpenAI's shape, and what templates differ in.

Knows no template: `probe.py` finds out what one wants.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from edgellm.types import Message, Tool

SHORT_ID_SIZE = 9


class Shape(Struct, frozen=True):
    """What a template wants of a conversation, and what of it the template shows the model."""

    arguments: Literal["object", "text"] = "object"  # of calls
    is_content_none: bool = False  # of a turn that only calls; else it is empty
    is_single_call: bool = False  # in one turn
    has_short_ids: bool = False  # of nine letters and digits
    shows_system: bool = True
    shows_tools: bool = True
    shows_calls: bool = True
    shows_results: bool = True
    has_tools_in_system: bool = False  # as text beside the system turn's content


def message_dicts(messages: Sequence[Message], shape: Shape) -> list[dict[str, Any]]:
    """The conversation in the template's shape."""
    messages = list(_with_names(_one_system(messages)))
    if not shape.shows_system:
        messages = _system_as_user(messages)
    if shape.is_single_call:
        messages = list(_one_call_a_turn(messages))
    return [_message_dict(message, shape) for message in messages]


def tool_dict(tool: Tool) -> dict[str, Any]:
    """A tool in OpenAI's shape."""
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or {"type": "object", "properties": {}},
    }
    return {"type": "function", "function": function}


def _one_system(messages: Sequence[Message]) -> list[Message]:
    """The system turns at the beginning as one: many templates show the first or the last of them
    only, or refuse the second."""
    is_system = [message.role == "system" for message in messages]
    num = is_system.index(False) if False in is_system else len(messages)
    if num < 2:
        return list(messages)
    content = "\n\n".join(message.content for message in messages[:num] if message.content)
    return [replace(messages[0], content=content), *messages[num:]]


def _system_as_user(messages: list[Message]) -> list[Message]:
    """The system turn as a part of the first user's, for templates that show or take none."""
    match messages:
        case [Message("system", content=system), Message("user", content=content) as user, *rest]:
            return [replace(user, content=f"{system}\n\n{content}"), *rest]
        case [Message("system") as system_turn, *rest]:
            return [replace(system_turn, role="user"), *rest]
        case _:
            return messages


def _with_names(messages: Sequence[Message]) -> Iterator[Message]:
    """Results of tools get the tool's name, which some templates write and clients leave out."""
    names: dict[str, str] = {}
    for message in messages:
        names |= {call.id: call.name for call in message.tool_calls}
        name = names.get(message.tool_call_id or "")
        is_nameless = message.role == "tool" and message.name is None and name is not None
        yield replace(message, name=name) if is_nameless else message


def _one_call_a_turn(messages: Sequence[Message]) -> Iterator[Message]:
    """Turns with several calls become turns with one, each followed by its result."""
    waiting: dict[str, Message] = {}  # calls whose result is still to come
    for message in messages:
        if message.role == "tool" and message.tool_call_id in waiting:
            yield waiting.pop(message.tool_call_id)
            yield message
            continue
        yield from waiting.values()
        waiting = {}
        if len(message.tool_calls) <= 1:
            yield message
            continue
        for index, call in enumerate(message.tool_calls):
            only_first = {} if index == 0 else {"content": "", "reasoning": ""}
            waiting[call.id] = replace(message, tool_calls=(call,), **only_first)
    yield from waiting.values()


def _message_dict(message: Message, shape: Shape) -> dict[str, Any]:
    shown: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        shown["tool_calls"] = [
            {
                "id": _id(call.id, shape),
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments, shape)},
            }
            for call in message.tool_calls
        ]
        if not message.content and shape.is_content_none:
            shown["content"] = None
    if message.tool_call_id is not None:
        shown["tool_call_id"] = _id(message.tool_call_id, shape)
    if message.name is not None:
        shown["name"] = message.name
    return shown | _reasoning(message)


def _reasoning(message: Message) -> dict[str, str]:
    """Under the names that templates know; gpt-oss' refuses `thinking` beside other content."""
    if not message.reasoning:
        return {}
    shown = {"reasoning_content": message.reasoning}
    if not (message.content and message.tool_calls):
        shown["thinking"] = message.reasoning
    return shown


def _id(id_: str, shape: Shape) -> str:
    """The id, or where it must be short and is not, always the same short one for it."""
    if not shape.has_short_ids or (len(id_) == SHORT_ID_SIZE and id_.isalnum()):
        return id_
    return hashlib.sha256(id_.encode()).hexdigest()[:SHORT_ID_SIZE]


def _arguments(text: str, shape: Shape) -> Any:
    """Arguments as an object, so that templates can iterate; what is not one stays text."""
    if shape.arguments == "text":
        return text or "{}"
    try:
        value = msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:
        return text
    return value if isinstance(value, dict) else text
