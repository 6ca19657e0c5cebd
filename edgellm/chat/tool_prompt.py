"""Tools in words, for models whose template does not show them.

Gemma 3, SmolLM2, the distills of DeepSeek R1 and many others have templates without tools. They
are told of them in the system turn and asked for Hermes' tags, which the parsers of such models
read. Templates that show tools but no calls (Granite 3, LFM2) get the calls as text in their own
format. Knows dicts in OpenAI's shape, in which nothing a user wrote is a control token any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from edgellm.chat.conversation import Shape

Json: TypeAlias = dict[str, Any]
WriteCalls: TypeAlias = Callable[[Sequence[Json]], str]

INTRODUCTION = "You can call functions. These are described as JSON, one on each line:\n<tools>\n"
INSTRUCTION = (
    "\n</tools>\nTo call a function, answer with nothing but a JSON object inside of tags, one pair"
    ' of tags for each call:\n<tool_call>\n{"name": "the function\'s name", "arguments": {...}}\n'
    "</tool_call>\nIts result comes in <tool_response> tags. Where no function helps, just answer."
)


def in_words(messages: list[Json], tools: list[Json], shape: Shape, name: str) -> list[Json]:
    """The messages with all that the template does not show put into their contents.

    Args:
        name: the model's format of calls, as `PARSERS` has it.
    """
    if not shape.shows_calls:
        write = WRITERS.get(name, write_hermes)
        messages = [_with_calls(message, write) for message in messages]
    if not shape.shows_results:
        messages = _joined([_as_user(message) for message in messages])
    if not tools or shape.shows_tools:
        return messages
    if shape.has_tools_in_system:
        return _in_system(messages, tools)
    return _introduced(messages, tools, shape)


def write_hermes(calls: Sequence[Json]) -> str:
    """Calls in Hermes' tags."""
    return "\n".join(f"<tool_call>\n{_json(call)}\n</tool_call>" for call in calls)


def write_granite(calls: Sequence[Json]) -> str:
    """Calls as Granite 3 writes them."""
    return "<|tool_call|>[" + ", ".join(map(_json, calls)) + "]"


def write_phi4(calls: Sequence[Json]) -> str:
    """Calls as Phi-4-mini writes them."""
    return "<|tool_call|>[" + ", ".join(map(_json, calls)) + "]<|/tool_call|>"


def write_lfm2(calls: Sequence[Json]) -> str:
    """Calls as LFM2 writes them; JSON's values are read back by its parser."""
    written = []
    for call in calls:
        arguments = call["arguments"] if isinstance(call["arguments"], dict) else {}
        values = (f"{key}={_json(value)}" for key, value in arguments.items())
        written.append(f"{call['name']}({', '.join(values)})")
    return f"<|tool_call_start|>[{', '.join(written)}]<|tool_call_end|>"


WRITERS: dict[str, WriteCalls] = {
    "granite": write_granite,
    "lfm2": write_lfm2,
    "phi4": write_phi4,
}


def _with_calls(message: Json, write: WriteCalls) -> Json:
    calls = [call["function"] for call in message.get("tool_calls", ())]
    if not calls:
        return message
    content = "\n".join(filter(None, [message["content"], write(calls)]))
    return {key: value for key, value in message.items() if key != "tool_calls"} | {
        "content": content
    }


def _as_user(message: Json) -> Json:
    if message["role"] != "tool":
        return message
    content = f"<tool_response>\n{message['content']}\n</tool_response>"
    return {"role": "user", "content": content}


def _joined(messages: list[Json]) -> list[Json]:
    """Users' turns in a row become one: many templates want the roles to alternate."""
    joined: list[Json] = []
    for message in messages:
        if joined and message["role"] == joined[-1]["role"] == "user":
            content = f"{joined[-1]['content']}\n{message['content']}"
            joined[-1] = joined[-1] | {"content": content}
        else:
            joined.append(message)
    return joined


def _in_system(messages: list[Json], tools: list[Json]) -> list[Json]:
    """The tools as Phi-4-mini's template wants them: as text of the system turn."""
    text = _json([tool["function"] for tool in tools])
    has_system = bool(messages) and messages[0]["role"] == "system"
    system = messages[0] if has_system else {"role": "system", "content": ""}
    return [system | {"tools": text}, *messages[has_system:]]


def _introduced(messages: list[Json], tools: list[Json], shape: Shape) -> list[Json]:
    """The tools at the end of the system turn, or where there can be none, of the first turn."""
    lines = "\n".join(_json(tool["function"]) for tool in tools)
    text = INTRODUCTION + lines + INSTRUCTION
    if messages and messages[0]["role"] == "system":
        first = messages[0] | {"content": f"{messages[0]['content']}\n\n{text}".strip()}
        return [first, *messages[1:]]
    if shape.shows_system or not messages:
        return [{"role": "system", "content": text}, *messages]
    return [messages[0] | {"content": f"{text}\n\n{messages[0]['content']}"}, *messages[1:]]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
