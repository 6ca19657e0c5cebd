"""Every kind of bad request is a 400 in Anthropic's shape that names the field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgellm.api.anthropic.schema import MessagesBody
from edgellm.api.app import create_app
from tests.api.conftest import InMemory, ScriptedRouter

VALUE, TYPE = "invalid_value", "invalid_type"
MISSING, UNSUPPORTED = "missing_required_parameter", "unsupported_value"
USER = {"role": "user", "content": "Hi"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1"}
FORMAT = {"type": "json_schema", "schema": {"type": "object"}}
SERVER_TOOLS = ("web_search_20250305", "bash_20250124", "computer_20250124", "text_editor_20250728")


def user(*blocks: Any) -> list[Any]:
    return [{"role": "user", "content": list(blocks)}]


def assistant(*blocks: Any) -> list[Any]:
    return [USER, {"role": "assistant", "content": list(blocks)}]


FIRST, SECOND = "messages[0].content[0]", "messages[1].content[0]"

BAD: list[tuple[str, Any, str | None, str, str]] = [
    ("model", 5, None, TYPE, "a string"),
    ("max_tokens", None, None, TYPE, "an integer, but got null"),
    ("max_tokens", 0, None, VALUE, "greater than or equal to 1"),
    ("max_tokens", 2**31, None, VALUE, "less than or equal to 2147483647"),
    ("max_tokens", 1.5, None, TYPE, "an integer"),
    ("messages", [], None, VALUE, "at least 1 item(s)"),
    ("messages", "Hi", None, TYPE, "an array"),
    ("messages", [5], "messages[0]", TYPE, "an object"),
    ("messages", [{"content": "x"}], "messages[0].role", MISSING, "role"),
    ("messages", [{"role": "tool", "content": "x"}], "messages[0].role", VALUE, '"tool"'),
    ("messages", [{"role": "user"}], "messages[0].content", MISSING, "content"),
    ("messages", [{"role": "user", "content": None}], "messages[0].content", TYPE, "a string or"),
    ("messages", [{"role": "user", "content": 5}], "messages[0].content", TYPE, "got 5"),
    ("messages", user(), "messages[0].content", VALUE, "at least one content block"),
    ("messages", user("Hi"), FIRST, TYPE, "an object"),
    ("messages", user({"text": "Hi"}), f"{FIRST}.type", MISSING, "type"),
    ("messages", user({"type": "text"}), f"{FIRST}.text", MISSING, "text"),
    ("messages", user({"type": "text", "text": 5}), f"{FIRST}.text", TYPE, "a string"),
    ("messages", user({"type": "image", "source": {}}), FIRST, UNSUPPORTED, "cannot see images"),
    ("messages", user({"type": "document"}), FIRST, UNSUPPORTED, "cannot read documents"),
    ("messages", user({"type": "search_result"}), f"{FIRST}.type", VALUE, "'tool_result'"),
    ("messages", user(USE), f"{FIRST}.type", VALUE, '"tool_use"'),
    ("messages", user({"type": "thinking"}), f"{FIRST}.type", VALUE, '"thinking"'),
    ("messages", user({"type": "tool_result"}), f"{FIRST}.tool_use_id", MISSING, "tool_use_id"),
    ("messages", user({**RESULT, "content": 5}), f"{FIRST}.content", TYPE, "got 5"),
    ("messages", user({**RESULT, "is_error": "no"}), f"{FIRST}.is_error", TYPE, "a boolean"),
    (
        "messages",
        user({**RESULT, "content": [{"type": "text", "text": "a"}, {"type": "image"}]}),
        f"{FIRST}.content[1]",
        UNSUPPORTED,
        "cannot see images",
    ),
    (
        "messages",
        user({**RESULT, "content": [{"type": "tool_reference"}]}),
        f"{FIRST}.content[0].type",
        VALUE,
        '"tool_reference"',
    ),
    ("messages", assistant(RESULT), f"{SECOND}.type", VALUE, '"tool_result"'),
    ("messages", assistant({"type": "thinking"}), f"{SECOND}.thinking", MISSING, "thinking"),
    ("messages", assistant({**USE, "id": None}), f"{SECOND}.id", MISSING, "id"),
    ("messages", assistant({**USE, "name": None}), f"{SECOND}.name", MISSING, "name"),
    ("messages", assistant({**USE, "input": None}), f"{SECOND}.input", MISSING, "input"),
    ("messages", assistant({**USE, "input": "{}"}), f"{SECOND}.input", TYPE, "an object"),
    ("messages", assistant(USE), None, VALUE, "their results are missing"),
    ("messages", [{"role": "assistant", "content": ""}], None, VALUE, "nothing to answer"),
    ("messages", [{"role": "system", "content": "x"}], None, VALUE, "nothing to answer"),
    (
        "messages",
        [{"role": "system", "content": [USE]}, USER],
        f"{FIRST}.type",
        VALUE,
        "'text', but got",
    ),
    ("system", 5, None, TYPE, "a string or an array"),
    ("system", [{"type": "image"}], "system[0]", UNSUPPORTED, "cannot see images"),
    ("system", [{"type": "text"}], "system[0].text", MISSING, "text"),
    ("tools", {}, None, TYPE, "an array"),
    ("tools", [{"name": "f"}], "tools[0].input_schema", MISSING, "input_schema"),
    ("tools", [{"input_schema": {}}], "tools[0].name", MISSING, "name"),
    ("tools", [{**TOOL, "name": "a b"}], "tools[0].name", VALUE, '"a b"'),
    ("tools", [{**TOOL, "input_schema": []}], "tools[0].input_schema", TYPE, "an object"),
    *(
        ("tools", [TOOL, {"type": kind, "name": "x"}], "tools[1].type", UNSUPPORTED, f'"{kind}"')
        for kind in SERVER_TOOLS
    ),
    ("tool_choice", "auto", None, TYPE, "an object"),
    ("tool_choice", {"type": "required"}, "tool_choice.type", VALUE, "'any'"),
    ("tool_choice", {"type": "any"}, "tool_choice", VALUE, "there are no 'tools'"),
    ("tool_choice", {"type": "tool"}, "tool_choice.name", MISSING, "name"),
    ("tool_choice", {"type": "tool", "name": "g"}, "tool_choice.name", VALUE, '"g"'),
    ("stop_sequences", "x", None, TYPE, "an array"),
    ("stop_sequences", [""], "stop_sequences[0]", VALUE, "at least 1 character(s)"),
    ("stop_sequences", ["x"] * 65, None, VALUE, "at most 64 item(s)"),
    ("temperature", 2.1, None, VALUE, "less than or equal to 2"),
    ("temperature", "1", None, TYPE, "a number"),
    ("top_p", 0, None, VALUE, "greater than 0"),
    ("top_k", -1, None, VALUE, "greater than or equal to 0"),
    ("stream", "yes", None, TYPE, "a boolean"),
    ("thinking", True, None, TYPE, "an object"),
    ("thinking", {"type": "on"}, "thinking.type", VALUE, "'adaptive'"),
    ("thinking", {"type": "enabled", "budget_tokens": -1}, "thinking.budget_tokens", VALUE, "0"),
    ("metadata", {"user_id": 5}, "metadata.user_id", TYPE, "a string"),
    ("output_config", {"effort": "huge"}, "output_config.effort", VALUE, "'xhigh'"),
    ("output_config", {"format": "json"}, "output_config.format", TYPE, "an object"),
    ("output_config", {"format": {}}, "output_config.format.type", MISSING, "type"),
    ("output_config", {"format": {"type": "xml"}}, "output_config.format.type", VALUE, '"xml"'),
    (
        "output_config",
        {"format": {"type": "json_schema"}},
        "output_config.format.schema",
        MISSING,
        "schema",
    ),
    (
        "output_config",
        {"format": {"type": "json_schema", "schema": {"not": {"type": "null"}}}},
        "output_config.format.schema.not",
        UNSUPPORTED,
        "'not'",
    ),
    ("output_format", {"type": "json_schema", "schema": 5}, "output_format.schema", TYPE, "got 5"),
    ("container", "container_1", None, UNSUPPORTED, "no code is run here"),
    ("mcp_servers", [{"url": "x"}], None, UNSUPPORTED, "'mcp_servers'"),
    ("keep_alive", "soon", None, VALUE, "'5m'"),
]


@pytest.mark.parametrize(("field", "value", "param", "code", "words"), BAD)
def test_bad_field(
    client: InMemory,
    router: ScriptedRouter,
    field: str,
    value: object,
    param: str | None,
    code: str,
    words: str,
) -> None:
    body = {"max_tokens": 9, "messages": [USER], field: value}
    response = client.post("/v1/messages", body)
    check(response, param or field, code, words)
    assert router.requests == []


def check(response: Any, param: str | None, code: str, words: str) -> None:
    body = response.json()
    assert response.status_code == 400
    assert (body["type"], body["request_id"]) == ("error", response.headers["request-id"])
    error = body["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert words in error["message"]


def test_missing_fields(client: InMemory) -> None:
    check(client.post("/v1/messages", {"messages": [USER]}), "max_tokens", MISSING, "max_tokens")
    check(client.post("/v1/messages", {"max_tokens": 9}), "messages", MISSING, "messages")
    counted = client.post("/v1/messages/count_tokens", {})
    check(counted, "messages", MISSING, "messages")


def test_two_schemas_or_a_schema_for_a_begun_answer(client: InMemory) -> None:
    body = {"max_tokens": 9, "messages": [USER], "output_format": FORMAT}
    both = {**body, "output_config": {"format": FORMAT}}
    check(client.post("/v1/messages", both), "output_format", VALUE, "Only one of")
    begun = {**body, "messages": [USER, {"role": "assistant", "content": "{"}]}
    response = client.post("/v1/messages", begun)
    check(response, "output_format.schema", VALUE, "begins the answer")


@pytest.mark.parametrize("where", ["tools", "input"])
def test_numbers_are_finite(client: InMemory, where: str) -> None:
    body: dict[str, Any] = {"max_tokens": 9, "messages": [USER]}
    if where == "tools":
        body["tools"] = [{**TOOL, "input_schema": {"maximum": float("nan")}}]
    else:
        body["messages"] = assistant({**USE, "input": {"a": float("inf")}})
    response = client.request("POST", "/v1/messages", content=json.dumps(body))
    param = "tools[0].input_schema" if where == "tools" else f"{SECOND}.input"
    check(response, param, VALUE, "finite numbers only")


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a": "\\ud800"}'])
def test_broken_json(client: InMemory, path: str, body: bytes) -> None:
    response = client.request("POST", path, content=body)
    check(response, None, "invalid_json", "could not parse the JSON body")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
KINDS = st.sampled_from(["text", "thinking", "tool_use", "tool_result", "image", "custom", "any"])
WORDS = ["type", "text", "thinking", "id", "name", "input", "tool_use_id", "content", "is_error"]
BLOCK = st.fixed_dictionaries({"type": KINDS}, optional=dict.fromkeys(WORDS[1:], JSON))
GOOD_BLOCK = st.sampled_from([{"type": "text", "text": "x"}, USE, RESULT])
TURN = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant", "system"]),
        "content": st.text(max_size=5) | st.lists(GOOD_BLOCK | BLOCK, max_size=3),
    }
)
REQUIRED = {
    "messages": st.lists(TURN, max_size=4) | st.just([USER]) | JSON,
    "max_tokens": st.integers(0, 99) | JSON,
}
OPTIONAL = dict.fromkeys(MessagesBody.model_fields.keys() - REQUIRED.keys(), JSON) | {
    "tool_choice": st.fixed_dictionaries({"type": KINDS}) | JSON,
    "tools": st.lists(st.just(TOOL) | BLOCK, max_size=2) | JSON,
    "stream": st.booleans(),
}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=st.fixed_dictionaries(REQUIRED, optional=OPTIONAL))
def test_no_body_is_a_server_error(body: Any) -> None:
    client = InMemory(create_app(ScriptedRouter()))
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        response = client.request("POST", path, content=json.dumps(body))  # with NaN
        assert response.status_code in (200, 400, 404), response.text
        if response.status_code != 200:
            assert response.json()["type"] == "error"


@settings(max_examples=100, deadline=None)
@given(turns=st.lists(TURN, min_size=1, max_size=4))
def test_turns_make_a_prompt_or_an_error(turns: Any) -> None:
    """Valid turns more often than not, so that what is behind the schema is met too."""
    client = InMemory(create_app(ScriptedRouter()))
    body = json.dumps({"max_tokens": 9, "messages": turns})
    response = client.request("POST", "/v1/messages", content=body)
    assert response.status_code in (200, 400), response.text
