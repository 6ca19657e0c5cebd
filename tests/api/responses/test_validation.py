"""Every bad field of a request: a 400 that names it, in OpenAI's shape, and nothing generated."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgellm.api.app import create_app
from tests.api.conftest import InMemory, ScriptedRouter

VALUE, TYPE, MISSING, UNSUPPORTED = (
    "invalid_value",
    "invalid_type",
    "missing_required_parameter",
    "unsupported_value",
)

USER = {"role": "user", "content": "Hi"}
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
TOOL = {"type": "function", "name": "f"}
ALLOWED = {"type": "allowed_tools", "mode": "auto", "tools": [TOOL]}
SCHEMA = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}


def parts(*items: Any) -> list[Any]:
    return [USER, {"role": "user", "content": [{"type": "input_text", "text": "a"}, *items]}]


# the field, its bad value, the error's param (None = the field), its code, words of its message
CASES: list[tuple[str, Any, str | None, str, str]] = [
    ("input", 5, None, TYPE, "a string or an array of items, but got 5"),
    ("input", {"a": 1}, None, TYPE, "but got an object"),
    ("input", None, None, MISSING, "'input'"),
    ("input", [], None, VALUE, "at least one item"),
    ("input", ["Hi"], "input[0]", TYPE, "an object"),
    ("input", [{}], "input[0].type", MISSING, "type"),
    ("input", [{"type": "mcp_call", "id": "x"}], "input[0].type", UNSUPPORTED, '"mcp_call"'),
    ("input", [USER, {"type": 5}], "input[1].type", VALUE, "got 5"),
    ("input", [{"content": "x"}], "input[0].role", MISSING, "role"),
    ("input", [{"role": "tool", "content": "x"}], "input[0].role", VALUE, '"tool"'),
    ("input", [{"role": "user"}], "input[0].content", MISSING, "content"),
    ("input", [{"role": "user", "content": None}], "input[0].content", TYPE, "content parts"),
    ("input", parts({"type": "input_text"}), "input[1].content[1].text", MISSING, "text"),
    ("input", parts({"type": "text", "text": 5}), "input[1].content[1].text", TYPE, "got 5"),
    ("input", parts({"type": "refusal"}), "input[1].content[1].refusal", MISSING, "refusal"),
    ("input", parts({"text": "x"}), "input[1].content[1].type", MISSING, "type"),
    ("input", parts({"type": "smell"}), "input[1].content[1].type", VALUE, '"smell"'),
    ("input", parts({"type": "input_image"}), "input[1].content[1]", UNSUPPORTED, "see images"),
    ("input", parts({"type": "input_audio"}), "input[1].content[1]", UNSUPPORTED, "hear audio"),
    ("input", parts({"type": "input_file"}), "input[1].content[1]", UNSUPPORTED, "read files"),
    ("input", [{**CALL, "arguments": {}}], "input[0].arguments", TYPE, "a string"),
    ("input", [{**CALL, "name": None}], "input[0].name", TYPE, "a string"),
    ("input", [{"type": "function_call"}], "input[0].call_id", MISSING, "call_id"),
    (
        "input",
        [CALL, {"type": "function_call_output", "call_id": "c2", "output": "x"}],
        "input[1].call_id",
        VALUE,
        'No tool call found for the function call output with call_id "c2"',
    ),
    (
        "input",
        [CALL, {"type": "function_call_output", "call_id": "c1"}],
        "input[1].output",
        MISSING,
        "output",
    ),
    (
        "input",
        [
            CALL,
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_image"}]},
        ],
        "input[1].output[0]",
        UNSUPPORTED,
        "see images",
    ),
    (
        "input",
        [{"type": "reasoning", "content": [{"type": "reasoning_text"}]}],
        "input[0].content[0].text",
        MISSING,
        "text",
    ),
    (
        "input",
        [{"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}],
        "input[0].encrypted_content",
        UNSUPPORTED,
        "encrypted reasoning of another",
    ),
    ("input", [{"type": "item_reference"}], "input[0].id", MISSING, "id"),
    ("instructions", ["x"], None, TYPE, "a string"),
    ("model", 5, None, TYPE, "a string"),
    ("previous_response_id", 5, None, TYPE, "a string"),
    ("store", "no", None, TYPE, "a boolean"),
    ("background", True, None, UNSUPPORTED, "'background' is not supported"),
    ("conversation", "conv_1", None, UNSUPPORTED, "previous_response_id"),
    ("conversation", {"id": "conv_1"}, None, UNSUPPORTED, "previous_response_id"),
    ("prompt", {"id": "pmpt_1"}, None, UNSUPPORTED, "templates"),
    ("moderation", {"model": "m"}, None, UNSUPPORTED, "judge"),
    ("context_management", [{"type": "compaction"}], None, UNSUPPORTED, "truncation"),
    ("response_format", {"type": "json_object"}, None, UNSUPPORTED, "text.format"),
    ("max_tokens", 5, None, UNSUPPORTED, "max_output_tokens"),
    ("n", 2, None, UNSUPPORTED, "one answer"),
    ("truncation", "middle", None, VALUE, "'auto' or 'disabled'"),
    ("temperature", 3, None, VALUE, "less than or equal to 2"),
    ("top_p", 0, None, VALUE, "greater than 0"),
    ("top_logprobs", 21, None, VALUE, "less than or equal to 20"),
    ("max_output_tokens", 0, None, VALUE, "greater than or equal to 1"),
    ("max_tool_calls", 0, None, VALUE, "greater than or equal to 1"),
    ("include", ["everything"], "include[0]", VALUE, '"everything"'),
    ("metadata", {"a": 1}, "metadata.a", TYPE, "a string"),
    ("metadata", {"a": "x" * 513}, "metadata.a", VALUE, "at most 512 characters"),
    ("metadata", {str(i): "" for i in range(17)}, None, VALUE, "at most 16 item(s)"),
    ("stream", 1, None, TYPE, "a boolean"),
    ("stream_options", {}, None, VALUE, "only allowed when 'stream' is true"),
    ("keep_alive", "soon", None, VALUE, "a duration"),
    ("reasoning", {"effort": "huge"}, "reasoning.effort", VALUE, '"huge"'),
    ("reasoning", {"summary": "long"}, "reasoning.summary", VALUE, '"long"'),
    ("reasoning", {"context": "all_turns"}, "reasoning.context", UNSUPPORTED, "'auto'"),
    ("reasoning", {"mode": "pro"}, "reasoning.mode", UNSUPPORTED, "'standard'"),
    ("text", "short", None, TYPE, "an object"),
    ("text", {"verbosity": "mute"}, "text.verbosity", VALUE, '"mute"'),
    ("text", {"format": "json"}, "text.format", TYPE, "an object"),
    ("text", {"format": {}}, "text.format.type", MISSING, "type"),
    ("text", {"format": {"type": "xml"}}, "text.format.type", VALUE, '"xml"'),
    ("text", {"format": {**SCHEMA, "name": None}}, "text.format.name", MISSING, "name"),
    ("text", {"format": {**SCHEMA, "name": "a b"}}, "text.format.name", VALUE, '"a b"'),
    ("text", {"format": {**SCHEMA, "strict": 1}}, "text.format.strict", TYPE, "a boolean"),
    ("text", {"format": {**SCHEMA, "schema": None}}, "text.format.schema", MISSING, "schema"),
    ("text", {"format": {**SCHEMA, "schema": "x"}}, "text.format.schema", TYPE, "an object"),
    (
        "text",
        {"format": {**SCHEMA, "schema": {"items": {"not": {"type": "null"}}}}},
        "text.format.schema.items.not",
        UNSUPPORTED,
        "cannot be held to this JSON Schema",
    ),
    ("tools", {}, None, TYPE, "an array"),
    ("tools", [{"type": "web_search"}], "tools[0].type", UNSUPPORTED, '"web_search"'),
    ("tools", [TOOL, {"type": "file_search"}], "tools[1].type", UNSUPPORTED, '"file_search"'),
    ("tools", [{"type": "mcp", "server_label": "x"}], "tools[0].type", UNSUPPORTED, '"mcp"'),
    ("tools", [{"type": "custom", "name": "x"}], "tools[0].type", UNSUPPORTED, '"custom"'),
    ("tools", [{"name": "f"}], "tools[0].type", MISSING, "type"),
    ("tools", [{"type": "function"}], "tools[0].name", MISSING, "name"),
    ("tools", [{**TOOL, "name": "a b"}], "tools[0].name", VALUE, '"a b"'),
    ("tools", [{**TOOL, "parameters": []}], "tools[0].parameters", TYPE, "an object"),
    ("tool_choice", "required", None, VALUE, "there are no 'tools'"),
    ("tool_choice", "maybe", None, VALUE, '"maybe"'),
    ("tool_choice", 5, None, TYPE, "got 5"),
    ("tool_choice", {}, "tool_choice.type", MISSING, "type"),
    ("tool_choice", {"type": 5}, "tool_choice.type", UNSUPPORTED, "5"),
    ("tool_choice", {"type": "mcp"}, "tool_choice.type", UNSUPPORTED, '"mcp"'),
    ("tool_choice", {"type": "function"}, "tool_choice.name", MISSING, "name"),
    ("tool_choice", TOOL, "tool_choice.name", VALUE, '"f"'),
    ("tool_choice", ALLOWED, "tool_choice.tools", VALUE, '"f"'),
    ("tool_choice", {**ALLOWED, "mode": "x"}, "tool_choice.mode", VALUE, '"x"'),
    ("tool_choice", {**ALLOWED, "tools": []}, "tool_choice.tools", VALUE, "at least one"),
    ("tool_choice", {**ALLOWED, "tools": [5]}, "tool_choice.tools[0]", TYPE, "an object"),
    (
        "tool_choice",
        {**ALLOWED, "tools": [{"type": "mcp"}]},
        "tool_choice.tools[0].type",
        VALUE,
        '"mcp"',
    ),
    ("regex", 5, None, TYPE, "a string"),
]


@pytest.mark.parametrize(("field", "value", "param", "code", "words"), CASES)
def test_bad_field(
    client: InMemory,
    router: ScriptedRouter,
    field: str,
    value: object,
    param: str | None,
    code: str,
    words: str,
) -> None:
    for path in ("/v1/responses", "/v1/responses/input_tokens"):
        response = client.post(path, {"input": "Hi", field: value})
        error = response.json()["error"]
        assert response.status_code == 400
        assert (error["param"], error["code"]) == (param or field, code)
        assert error["type"] == "invalid_request_error"
        assert words in error["message"]
    assert router.requests == []


def test_only_one_constraint(client: InMemory) -> None:
    response = client.post("/v1/responses", {"input": "x", "regex": "a", "grammar": "b"})
    assert response.json()["error"]["param"] == "grammar"


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999"])
@pytest.mark.parametrize(
    "field",
    [
        b'"temperature": %s',
        b'"tools": [{"type": "function", "name": "f", "parameters": {"maximum": %s}}]',
        b'"text": {"format": {"type": "json_schema", "name": "n", "schema": {"maximum": %s}}}',
        b'"reasoning": {"context": %s}',
        b'"tool_choice": %s',
    ],
)
def test_numbers_are_finite(client: InMemory, field: bytes, number: bytes) -> None:
    body = b'{"input": "x", ' + field % number + b"}"
    assert client.request("POST", "/v1/responses", content=body).status_code == 400


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
WORDS = st.sampled_from(
    [
        *("message", "function_call", "function_call_output", "reasoning", "item_reference"),
        *("input_text", "output_text", "refusal", "input_image", "user", "assistant", "developer"),
        *("function", "web_search", "allowed_tools", "auto", "required", "none", "c1", "f"),
        *("json_schema", "json_object", "text", "low", "xhigh"),
    ]
)
KEYS = st.sampled_from(
    [
        *("type", "role", "content", "id", "call_id", "name", "arguments", "output", "summary"),
        *("text", "refusal", "format", "schema", "strict", "parameters", "tools", "mode"),
        *("effort", "encrypted_content", "properties", "maximum"),
    ]
)
VALUES = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(sorted({case[0] for case in CASES} | {"user", "seed", "stop"}))


@settings(max_examples=150, deadline=None)
@given(body=st.dictionaries(FIELDS, VALUES, max_size=4), items=st.lists(VALUES, max_size=3))
def test_no_body_is_an_internal_error(body: dict[str, Any], items: list[Any]) -> None:
    client = InMemory(create_app(ScriptedRouter()))
    for each in ({"input": "x", **body}, {**body, "input": items}):
        response = client.request("POST", "/v1/responses", content=json.dumps(each).encode())
        assert response.status_code in (200, 400, 404), response.text
