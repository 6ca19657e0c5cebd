"""The grammar of an answer that must be, or may be, a call of a tool.

How a format writes a call stands in `CALL_SYNTAX`, under its parser's name. Only formats whose
arguments are JSON have one; a model of another format cannot be made to call. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, assert_never

from msgspec import Struct
from msgspec.structs import replace

from edgellm.errors import InvalidRequest
from edgellm.json_schema import compiler_options, find_problem, join, to_compilable
from edgellm.types import Constraint, GenerateRequest, Tool

ANY_OBJECT: dict[str, Any] = {"type": "object"}  # arguments of which the tool says nothing


class CallSyntax(Struct, frozen=True):
    """What stands around a call's name and its arguments, and between two calls.

    `marker` is a text that begins every call, and that no other text of an answer contains.
    """

    marker: str
    before_name: str
    before_arguments: str
    end: str
    separator: str = "\n"


_TAGGED_JSON = CallSyntax(
    marker="<tool_call>",
    before_name='<tool_call>\n{"name": "',
    before_arguments='", "arguments": ',
    end="}\n</tool_call>",
)
CALL_SYNTAX = {"hermes": _TAGGED_JSON, "qwen3": _TAGGED_JSON, "smollm3": _TAGGED_JSON}


def answer_constraint(request: GenerateRequest, format_: str, after: str = "") -> Constraint | None:
    """What the answer to a request must match, with the model's format of calls in mind.

    A call that must come leaves no room for anything else. Where calls are possible beside a
    constraint, the answer is either. Free text may end in calls, which are held to the schemas of
    strict tools.

    Args:
        format_: a key of `PARSERS`.
        after: the text that ends the model's reasoning, where it reasons first; it is free so long.

    Raises:
        InvalidRequest: this model's format cannot do what is asked, or a schema cannot be kept to.
    """
    constraint = _answer_constraint(request, format_)
    return replace(constraint, after=after) if constraint is not None and after else constraint


def _answer_constraint(request: GenerateRequest, format_: str) -> Constraint | None:
    tools = request.tools
    syntax = CALL_SYNTAX.get(format_) if tools else None
    is_strict = any(tool.is_strict for tool in tools)
    if syntax is None:
        if request.must_call or is_strict:
            raise _no_grammar("tool_choice" if request.must_call else "tools")
        return request.constraint
    if request.must_call:
        tools = tuple(tool for tool in tools if tool.name in request.must_call)
        rules = call_rules(syntax, tools, is_parallel=request.parallel_tool_calls)
        return Constraint("grammar", f"start: calls\n{rules}", "tools")
    if request.constraint is None and request.parallel_tool_calls and not is_strict:
        return None
    rules = call_rules(syntax, tools, is_parallel=request.parallel_tool_calls, are_all_strict=False)
    if request.constraint is not None:
        return _either(request.constraint, rules)
    return Constraint("grammar", _text_then_calls(syntax, rules), "tools")


def call_rules(
    syntax: CallSyntax, tools: Iterable[Tool], *, is_parallel: bool, are_all_strict: bool = True
) -> str:
    """Rules in Lark, of which the first is `calls`: at least one, and one only without
    `is_parallel`. Each tool's schema is a root of its own, so its `$ref`s lead where they should.

    Raises:
        InvalidRequest: a schema that no answer can be held to.
    """
    lines, names = [], []
    for index, tool in enumerate(tools):
        is_strict = tool.is_strict or are_all_strict
        begin = f"{syntax.before_name}{tool.name}{syntax.before_arguments}"
        schema = arguments_schema(tool) if is_strict else ANY_OBJECT
        lines += [
            f"call_{index}: {_literal(begin)} arguments_{index} {_literal(syntax.end)}",
            f"arguments_{index}: %json {_with_options(schema)}",
        ]
        names.append(f"call_{index}")
    more = f" ({_literal(syntax.separator)} call)*" if is_parallel else ""
    return "\n".join([f"calls: call{more}", f"call: {' | '.join(names)}", *lines])


def arguments_schema(tool: Tool) -> dict[str, Any]:
    """A schema of the tool's arguments, always an object, that the compiler takes.

    Raises:
        InvalidRequest: it says what no answer can be held to.
    """
    problem = find_problem(tool.parameters)
    if problem is not None:
        raise InvalidRequest(
            f"A call cannot be held to the parameters of '{tool.name}': {problem.message}",
            f"The problem is in '{join('parameters', problem.path)}' of that function.",
            param="tools",
            code="unsupported_value",
        )
    schema: dict[str, Any] = to_compilable(tool.parameters)
    is_open = not {"type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"} & schema.keys()
    return ANY_OBJECT | schema if is_open else schema


def _with_options(schema: dict[str, Any]) -> str:
    return json.dumps({**schema, "x-guidance": compiler_options(json.dumps(schema))})


def _text_then_calls(syntax: CallSyntax, rules: str) -> str:
    """Text that holds no call, and behind it nothing, or calls."""
    marker = regex_literal(re.escape(syntax.marker))[1:-1]
    text = f"TEXT: /(?s:.*)/ & ~/(?s:.*){marker}(?s:.*)/"
    return f"start: TEXT | TEXT calls\n{text}\n{rules}"


def _either(constraint: Constraint, rules: str) -> Constraint:
    """The answer as asked for, or calls."""
    match constraint.kind:
        case "json_schema":
            answer = f"%json {_with_options(json.loads(constraint.text))}"
        case "regex":
            answer = regex_literal(constraint.text)
        case "grammar":
            raise InvalidRequest(
                "'grammar' and 'tools' cannot be used together.",
                "Write the calls into the grammar, or set tool_choice to 'none'.",
                param="grammar",
            )
        case _:
            assert_never(constraint.kind)
    text = f"start: answer | calls\nanswer: {answer}\n{rules}"
    return Constraint("grammar", text, constraint.param, constraint.after)


def _no_grammar(param: str) -> InvalidRequest:
    return InvalidRequest(
        "This model cannot be held to calling a tool: there is no grammar for how it writes calls.",
        "Use tool_choice 'auto' without 'strict', or a model that writes its calls as Qwen does.",
        param=param,
        code="unsupported_value",
    )


def _literal(text: str) -> str:
    """A string of Lark."""
    return json.dumps(text)


def regex_literal(pattern: str) -> str:
    """A regular expression of Lark: in slashes, which have to be escaped inside, on one line."""

    def escaped(found: re.Match[str]) -> str:
        return {"/": "\\/", "\n": "\\n", "\\\n": "\\n"}.get(found[0], found[0])

    body = re.sub(r"(?s)\\.|/|\n", escaped, pattern)
    return f"/{body}/"
