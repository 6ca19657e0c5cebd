"""The tools of a request, and which of them may or must be called. Pure."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct

from edgellm.api.constraints import known_tools
from edgellm.api.responses.schema import ToolInput
from edgellm.api.validation import bad_type, bad_value, missing, shown, unsupported
from edgellm.types import Tool

_CHOICES = "'auto', 'none', 'required', a function or allowed_tools"


class Choice(Struct, frozen=True):
    """The tools that the model is shown, those of which it must call one (none = as it likes), and
    the choice as the response tells it."""

    tools: tuple[Tool, ...]
    must_call: tuple[str, ...]
    shown: Any


def to_tools(tools: list[ToolInput] | None) -> tuple[Tool, ...]:
    """Raises InvalidRequest for hosted tools, by their type.

    A schema is only enforced where `strict` is true: not every model's calls can be held to one.
    """
    return tuple(_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools or ()))


def _tool(tool: ToolInput, path: str) -> Tool:
    if tool.type != "function":
        raise unsupported(
            f"Tools of type {shown(tool.type)} are not supported: this server runs no tools.",
            "Offer a tool of type 'function', and run it where you are.",
            f"{path}.type",
        )
    if tool.name is None:
        raise missing(f"{path}.name")
    parameters = tool.parameters or {}
    try:
        json.dumps(parameters, allow_nan=False)
    except ValueError:
        raise bad_value(f"{path}.parameters", "finite numbers only", parameters) from None
    return Tool(tool.name, tool.description or "", parameters, bool(tool.strict))


def to_choice(tool_choice: Any, tools: tuple[Tool, ...]) -> Choice:
    """Raises InvalidRequest."""
    match tool_choice:
        case None | "auto":
            return Choice(tools, (), "auto")
        case "none":
            return Choice((), (), "none")
        case "required":
            names = known_tools([tool.name for tool in tools], tools, "tool_choice")
            return Choice(tools, names, "required")
        case {"type": "function"}:
            return _named(tool_choice.get("name"), tools)
        case {"type": "allowed_tools"}:
            return _allowed(tool_choice, tools)
        case {"type": other}:
            raise unsupported(
                f"A tool_choice of type {shown(other)} is not supported.",
                f"It may be {_CHOICES}.",
                "tool_choice.type",
            )
        case dict():
            raise missing("tool_choice.type")
        case str():
            raise bad_value("tool_choice", _CHOICES, tool_choice)
        case _:
            raise bad_type("tool_choice", _CHOICES, tool_choice)


def _named(name: Any, tools: tuple[Tool, ...]) -> Choice:
    if not isinstance(name, str):
        raise _missing_or_bad("tool_choice.name", "a string", name)
    names = known_tools([name], tools, "tool_choice.name")
    return Choice(tools, names, {"type": "function", "name": name})


def _allowed(choice: dict[str, Any], tools: tuple[Tool, ...]) -> Choice:
    """Where a call must come, the grammar keeps to these and the prompt stays as it was, for the
    cache; where it may, the model is not shown the others."""
    mode, allowed = choice.get("mode"), choice.get("tools")
    if mode not in ("auto", "required"):
        raise _missing_or_bad("tool_choice.mode", "'auto' or 'required'", mode)
    if not isinstance(allowed, list) or not allowed:
        raise _missing_or_bad("tool_choice.tools", "an array of at least one tool", allowed)
    named = [_allowed_name(tool, f"tool_choice.tools[{i}]") for i, tool in enumerate(allowed)]
    names = set(known_tools(named, tools, "tool_choice.tools"))
    kept = tuple(tool for tool in tools if tool.name in names)
    told = [{"type": "function", "name": name} for name in named]
    echo = {"type": "allowed_tools", "mode": mode, "tools": told}
    if mode == "required":
        return Choice(tools, tuple(tool.name for tool in kept), echo)
    return Choice(kept, (), echo)


def _allowed_name(tool: Any, path: str) -> str:
    if not isinstance(tool, dict):
        raise bad_type(path, "an object", tool)
    type_, name = tool.get("type"), tool.get("name")
    if type_ != "function":
        raise _missing_or_bad(f"{path}.type", "'function'", type_)
    if not isinstance(name, str):
        raise _missing_or_bad(f"{path}.name", "a string", name)
    return name


def _missing_or_bad(path: str, expected: str, got: object) -> Exception:
    return missing(path) if got is None else bad_value(path, expected, got)
