"""What `response_format`, `regex`, `grammar` and `tool_choice` come to, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from edgellm.api.constraints import MAX_CHARS
from edgellm.api.openai.request import chat_to_requests, completion_to_requests
from edgellm.api.openai.schema import ChatCompletionBody, CompletionBody
from edgellm.api.validation import parse_body
from edgellm.errors import InvalidRequest
from edgellm.types import Constraint, GenerateRequest

USER = {"role": "user", "content": "Hi"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]


def chat(**fields: Any) -> GenerateRequest:
    raw = msgspec.json.encode({"messages": [USER], **fields})
    return chat_to_requests(parse_body(ChatCompletionBody, raw), "pocket")[0]


def complete(**fields: Any) -> GenerateRequest:
    raw = msgspec.json.encode({"prompt": "Once", **fields})
    return completion_to_requests(parse_body(CompletionBody, raw), "pocket")[0]


def schema_format(schema: Any, **fields: Any) -> dict[str, Any]:
    wrapped = {"name": "n", "schema": schema, **fields}
    return {"type": "json_schema", "json_schema": wrapped}


@pytest.mark.parametrize("request_of", [chat, complete])
def test_both_routes_take_all_forms(request_of: Any) -> None:
    text = json.dumps(SCHEMA)
    param = "response_format.json_schema.schema"
    for fields, constraint in (
        ({"response_format": schema_format(SCHEMA)}, Constraint("json_schema", text, param)),
        (
            {"response_format": schema_format(SCHEMA, strict=True)},
            Constraint("json_schema", text, param),
        ),
        (
            {"response_format": {"type": "json_object"}},
            Constraint("json_schema", '{"type":"object"}'),
        ),
        (
            {"response_format": {"type": "json_object", "schema": SCHEMA}},
            Constraint("json_schema", text, "response_format.schema"),
        ),
        ({"regex": "a+"}, Constraint("regex", "a+", "regex")),
        ({"grammar": "start: /a/"}, Constraint("grammar", "start: /a/", "grammar")),
        ({"response_format": {"type": "text"}}, None),
        ({}, None),
    ):
        assert request_of(**fields).constraint == constraint


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"response_format": {"type": "xml"}}, "response_format.type", '"xml"'),
        ({"response_format": {}}, "response_format.type", "response_format.type"),
        ({"response_format": "json"}, "response_format", "an object"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "Missing"),
        (
            {"response_format": {"type": "json_schema", "json_schema": []}},
            "response_format.json_schema",
            "an object",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
            "response_format.json_schema.schema",
            "Missing",
        ),
        (
            {"response_format": schema_format(SCHEMA, strict="yes")},
            "response_format.json_schema.strict",
            "a boolean",
        ),
        (
            {"response_format": schema_format({"properties": {"a": {"uniqueItems": True}}})},
            "response_format.json_schema.schema.properties.a.uniqueItems",
            "'uniqueItems' is not supported",
        ),
        (
            {"response_format": schema_format({"enum": ["x" * MAX_CHARS]})},
            "response_format.json_schema.schema",
            "characters, more than",
        ),
        ({"regex": 7}, "regex", "a string"),
        ({"regex": "a" * (MAX_CHARS + 1)}, "regex", "characters, more than"),
        ({"regex": "a", "grammar": "start: /a/"}, "grammar", "Only one of regex and grammar"),
        (
            {"regex": "a", "response_format": {"type": "json_object"}},
            "regex",
            "Only one of response_format and regex",
        ),
    ],
)
def test_refusals_name_the_field(fields: dict[str, Any], param: str, message: str) -> None:
    for request_of in (chat, complete):
        with pytest.raises(InvalidRequest, match=message) as error:
            request_of(**fields)
        assert error.value.param == param


def test_which_tools_must_be_called() -> None:
    assert chat(tools=TOOLS).must_call == ()
    assert chat(tools=TOOLS, tool_choice="required").must_call == ("f", "g")
    named = {"type": "function", "function": {"name": "g"}}
    request = chat(tools=TOOLS, tool_choice=named)
    assert request.must_call == ("g",)
    assert [tool.name for tool in request.tools] == ["f", "g"]  # the prompt tells of all
    assert chat(tools=TOOLS, parallel_tool_calls=False).parallel_tool_calls is False
    assert chat(tools=TOOLS).parallel_tool_calls is True
