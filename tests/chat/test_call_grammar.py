"""Which answers a request with tools allows; that they do fit is tested with a real model."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from edgellm.chat.call_grammar import CALL_SYNTAX, answer_constraint, regex_literal
from edgellm.chat.parsers import PARSERS
from edgellm.errors import InvalidRequest
from edgellm.types import Constraint, GenerateRequest, Tool, ToolCallDelta

CITY = {"type": "object", "properties": {"city": {"$ref": "#/$defs/c"}}, "$defs": {"c": {}}}
WEATHER, NOW = Tool("weather", "", CITY), Tool("now")
STRICT = Tool("weather", "", CITY, is_strict=True)
UNKEEPABLE = Tool("f", "", {"type": "object", "properties": {"a": {"not": {"const": 1}}}})


def grammar(**fields: Any) -> str:
    constraint = answer_constraint(GenerateRequest("m", **fields), "hermes")
    assert constraint is not None
    assert constraint.kind == "grammar"
    return constraint.text


def rule(text: str, name: str) -> str:
    (found,) = re.findall(rf"^{name}: (.*)$", text, re.MULTILINE)
    return str(found)


def test_without_demands_there_is_no_grammar() -> None:
    for request in (GenerateRequest("m"), GenerateRequest("m", tools=(WEATHER, NOW))):
        assert answer_constraint(request, "hermes") is None
    wanted = Constraint("regex", "a")
    assert answer_constraint(GenerateRequest("m", constraint=wanted), "hermes") is wanted
    with_tools = GenerateRequest("m", constraint=wanted, tools=(NOW,))
    assert answer_constraint(with_tools, "plain") is wanted  # it cannot call anyway


def test_a_call_must_come_and_nothing_else() -> None:
    text = grammar(tools=(WEATHER, NOW), must_call=("weather", "now"))
    assert rule(text, "start") == "calls"
    assert rule(text, "calls") == 'call ("\\n" call)*'
    assert rule(text, "call") == "call_0 | call_1"
    schema = json.loads(rule(text, "arguments_0").removeprefix("%json "))
    assert schema["$defs"] == CITY["$defs"]  # a root of its own


def test_a_named_tool_and_one_call_only() -> None:
    text = grammar(tools=(WEATHER, NOW), must_call=("now",), parallel_tool_calls=False)
    assert rule(text, "calls") == rule(text, "call").replace("call_0", "call")
    assert '\\"now\\"' in rule(text, "call_0")
    assert "weather" not in text


def test_free_text_may_end_in_calls_that_are_held_to_strict_schemas() -> None:
    text = grammar(tools=(STRICT, NOW))
    assert rule(text, "start") == "TEXT | TEXT calls"
    assert "city" in rule(text, "arguments_0")
    assert "city" not in grammar(tools=(WEATHER,), parallel_tool_calls=False)


def test_beside_a_schema_a_call_is_the_other_way() -> None:
    wanted = Constraint("json_schema", '{"enum":[1]}', "response_format.schema", after="</think>")
    constraint = answer_constraint(GenerateRequest("m", tools=(NOW,), constraint=wanted), "hermes")
    assert constraint is not None
    assert (constraint.param, constraint.after) == (wanted.param, wanted.after)
    assert rule(constraint.text, "start") == "answer | calls"
    assert json.loads(rule(constraint.text, "answer").removeprefix("%json "))["enum"] == [1]


def test_a_reasoning_comes_before_whatever_is_asked_for() -> None:
    for request in (
        GenerateRequest("m", tools=(NOW,), must_call=("now",)),
        GenerateRequest("m", constraint=Constraint("regex", "a")),
    ):
        constraint = answer_constraint(request, "hermes", after="</think>")
        assert constraint is not None
        assert constraint.after == "</think>"
    assert answer_constraint(GenerateRequest("m"), "hermes", after="</think>") is None


@pytest.mark.parametrize(
    ("fields", "format_", "param"),
    [
        ({"must_call": ("now",)}, "plain", "tool_choice"),
        ({"tools": (STRICT,)}, "plain", "tools"),
        ({"tools": (UNKEEPABLE,), "must_call": ("f",)}, "hermes", "tools"),
        ({"constraint": Constraint("grammar", "start: /a/")}, "hermes", "grammar"),
    ],
)
def test_what_cannot_be_done_is_refused(fields: dict[str, Any], format_: str, param: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        answer_constraint(GenerateRequest("m", **{"tools": (NOW,), **fields}), format_)
    assert error.value.param == param


@pytest.mark.parametrize("format_", CALL_SYNTAX)
def test_the_parser_reads_what_the_syntax_writes(format_: str) -> None:
    syntax = CALL_SYNTAX[format_]
    call = f'{syntax.before_name}now{syntax.before_arguments}{{"a": 1}}{syntax.end}'
    parser = PARSERS[format_]((Tool("now"),), "")
    events = parser.push(call + syntax.separator + call) + parser.finish()
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    assert len(calls) == len(events)
    assert {each.index for each in calls} == {0, 1}
    assert {each.name for each in calls if each.name} == {"now"}
    for index in (0, 1):
        written = "".join(each.arguments for each in calls if each.index == index)
        assert json.loads(written) == {"a": 1}
    assert syntax.before_name.startswith(syntax.marker)


@pytest.mark.parametrize("pattern", ["a/b", r"a\/b", "a\nb", r"a\\/b", "[/]"])
def test_a_regular_expression_stays_the_same_in_slashes(pattern: str) -> None:
    literal = regex_literal(pattern)
    assert "\n" not in literal
    text = pattern.replace("\\/", "/").replace("\\\\", "\\").replace("[/]", "/")
    assert re.fullmatch(literal[1:-1].replace("\\/", "/"), text)
