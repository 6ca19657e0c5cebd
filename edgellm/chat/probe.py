"""What a chat template wants of a conversation, found out by rendering small ones.

Templates do not say it, and guessing from their text fails with the next one. Knows no format.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from msgspec.structs import replace

from edgellm.chat.conversation import Shape, message_dicts, tool_dict
from edgellm.errors import TemplateError
from edgellm.types import Message, Tool, ToolCall

Render: TypeAlias = Callable[[list[dict[str, Any]], list[dict[str, Any]] | None], str]

SYSTEM, QUESTION, RESULT = "probe_system", "probe_question", "probe_result"
_TOOLS = [
    tool_dict(
        Tool(name, "Probe", {"type": "object", "properties": {"probe_key": {"type": "string"}}})
    )
    for name in ("probe_first", "probe_second")
]
_CALLS = (
    ToolCall("probe0001", "probe_first", '{"probe_key": "probe_value"}'),
    ToolCall("probe0002", "probe_second", '{"probe_key": "probe_other"}'),
)
_ARGUMENTS: tuple[Literal["object", "text"], ...] = ("object", "text")
_SHAPES = [
    Shape(arguments=arguments, is_content_none=is_none, is_single_call=is_single)
    for is_single in (False, True)
    for arguments in _ARGUMENTS
    for is_none in (False, True)
]


def find_shape(render: Render) -> Shape:
    """The shape in which the template shows most.

    Args:
        render: renders messages and tools with a generation prompt; raises TemplateError.
    """
    question = Message("user", QUESTION)
    shape = next((shape for shape in _SHAPES if _shows_calls(render, shape)), None)
    answered = [question, Message("assistant", "text"), Message("tool", RESULT, name="probe_first")]
    return replace(
        shape or Shape(shows_calls=False),
        shows_results=shape is not None or _shows(render, answered, RESULT),
        shows_tools=_shows_tools(render),
        shows_system=_shows(render, [Message("system", SYSTEM), question], SYSTEM),
        has_tools_in_system=_has_tools_in_system(render),
    )


def _shows_tools(render: Render) -> bool:
    """A template that refuses the probe is not second-guessed: the real messages will tell."""
    try:
        return "probe_first" in render([{"role": "user", "content": QUESTION}], _TOOLS)
    except TemplateError:
        return True


def _has_tools_in_system(render: Render) -> bool:
    system = {"role": "system", "content": SYSTEM, "tools": "probe_tools"}
    try:
        return "probe_tools" in render([system, {"role": "user", "content": QUESTION}], None)
    except TemplateError:
        return False


def _shows_calls(render: Render, shape: Shape) -> bool:
    """Whether two calls and their results are in the prompt."""
    messages = [Message("user", QUESTION), Message("assistant", "", _CALLS)]
    messages += [Message("tool", RESULT + call.id, tool_call_id=call.id) for call in _CALLS]
    words = ("probe_first", "probe_value", "probe_second", "probe_other")
    return _shows(render, messages, *words, RESULT + "probe0002", shape=shape)


def _shows(
    render: Render,
    messages: list[Message],
    *words: str,
    shape: Shape | None = None,
) -> bool:
    """Whether the words are in the prompt, with tools or without: some templates need them."""
    for tools in (None, _TOOLS):
        try:
            text = render(message_dicts(messages, shape or Shape()), tools)
        except TemplateError:
            continue
        if all(word in text for word in words):
            return True
    return False
