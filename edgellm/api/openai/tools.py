"""OpenAI's tools and functions, and which of them may or must be called -> `Tool`s. Pure.

`functions` and `function_call` are what tools were called before 2024; clients of that time get
their answers in the shape that they know.
"""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct

from edgellm.api.constraints import known_tools
from edgellm.api.openai.schema import ChatCompletionBody, FunctionDefinition, ToolDefinition
from edgellm.api.validation import bad_type, bad_value, missing, shown, unsupported
from edgellm.errors import InvalidRequest
from edgellm.types import Tool

_NAME = "tool_choice.function.name"
_ALLOWED = "tool_choice.allowed_tools"
_MODES = "'auto', 'none', 'required' or a function"


class Choice(Struct, frozen=True):
    """The tools that the model is shown, and those of which it must call one; () = as it likes."""

    tools: tuple[Tool, ...] = ()
    must_call: tuple[str, ...] = ()


def is_legacy(body: ChatCompletionBody) -> bool:
    """Whether calls are to be told as `function_call`."""
    return bool(body.functions) and not body.tools


def to_choice(body: ChatCompletionBody) -> Choice:
    """Raises InvalidRequest."""
    if body.tools and body.functions:
        raise InvalidRequest("Only one of 'tools' and 'functions' can be used.", param="functions")
    if is_legacy(body):
        functions = enumerate(body.functions or ())
        tools = tuple(to_function(each, f"functions[{i}]") for i, each in functions)
        return choose_function(body.function_call, tools)
    tools = tuple(to_tool(tool, f"tools[{i}]") for i, tool in enumerate(body.tools or ()))
    if not tools and body.function_call not in (None, "auto", "none"):
        raise InvalidRequest(
            "'function_call' demands a call, but there are no 'functions'.", param="function_call"
        )
    return choose(body.tool_choice, tools)


def choose(tool_choice: Any, tools: tuple[Tool, ...]) -> Choice:
    """Of `tools`, what `tool_choice` leaves. Raises InvalidRequest."""
    match tool_choice:
        case None | "auto":
            return Choice(tools)
        case "none":
            return Choice()
        case "required":
            return Choice(tools, known_tools([tool.name for tool in tools], tools, _NAME))
        case {"type": "function", "function": {"name": str() as name}}:
            return Choice(tools, known_tools([name], tools, _NAME))
        case {"type": "allowed_tools", "allowed_tools": dict() as allowed}:
            return _choose_allowed(allowed, tools)
        case _:
            raise _bad_choice(tool_choice)


def _choose_allowed(allowed: dict[str, Any], tools: tuple[Tool, ...]) -> Choice:
    """Where a call must come, the grammar keeps to the allowed ones and the prompt stays as it was
    for the cache; where it may, the model is not shown the others."""
    names = [_allowed_name(each, index) for index, each in enumerate(_entries(allowed))]
    kept = known_tools(names, tools, f"{_ALLOWED}.tools")
    match allowed.get("mode"):
        case "auto":
            return Choice(tuple(tool for tool in tools if tool.name in kept))
        case "required":
            return Choice(tools, kept)
        case other:
            raise bad_value(f"{_ALLOWED}.mode", "'auto' or 'required'", other)


def _entries(allowed: dict[str, Any]) -> list[Any]:
    entries = allowed.get("tools")
    if isinstance(entries, list) and entries:
        return entries
    raise bad_type(f"{_ALLOWED}.tools", "an array of at least one tool", entries)


def _allowed_name(entry: Any, index: int) -> str:
    match entry:
        case {"type": "function", "function": {"name": str() as name}}:
            return name
        case _:
            expected = "a tool of type 'function' with its name"
            raise bad_value(f"{_ALLOWED}.tools[{index}]", expected, entry)


def _bad_choice(tool_choice: Any) -> InvalidRequest:
    match tool_choice:
        case {"type": "function"}:
            return missing(_NAME)
        case {"type": "allowed_tools"}:
            return missing(_ALLOWED)
        case str():
            return bad_value("tool_choice", _MODES, tool_choice)
        case {"type": other}:
            return bad_value("tool_choice.type", "'function' or 'allowed_tools'", other)
        case dict():
            return missing("tool_choice.type")
        case _:
            expected = "'auto', 'none', 'required' or an object"
            return bad_type("tool_choice", expected, tool_choice)


def choose_function(function_call: Any, tools: tuple[Tool, ...]) -> Choice:
    """As `choose`, of `function_call`."""
    match function_call:
        case None | "auto":
            return Choice(tools)
        case "none":
            return Choice()
        case {"name": str() as name}:
            return Choice(tools, known_tools([name], tools, "function_call.name"))
        case dict():
            raise missing("function_call.name")
        case _:
            raise bad_value("function_call", "'auto', 'none' or a function's name", function_call)


def to_tool(tool: ToolDefinition, path: str) -> Tool:
    """Raises InvalidRequest that names the field below `path`."""
    if tool.type != "function":
        raise unsupported(
            f"Tools of type {shown(tool.type)} are not supported.",
            "Only tools of type 'function' are.",
            f"{path}.type",
        )
    if tool.function is None:
        raise missing(f"{path}.function")
    return to_function(tool.function, f"{path}.function")


def to_function(function: FunctionDefinition, path: str) -> Tool:
    parameters = function.parameters or {}
    try:
        json.dumps(parameters, allow_nan=False)
    except ValueError:
        raise bad_value(f"{path}.parameters", "finite numbers only", parameters) from None
    return Tool(function.name, function.description or "", parameters, bool(function.strict))
