"""Every bad field of a request: a 400 that names it, in OpenAI's shape, and nothing generated."""

from __future__ import annotations

from typing import Any

import pytest

from edgellm.api.openai.reasoning import RESERVED
from tests.api.conftest import InMemory, ScriptedRouter

USER = {"role": "user", "content": "Hi"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:,x"}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "f"}}

VALUE, TYPE, MISSING, UNSUPPORTED = (
    "invalid_value",
    "invalid_type",
    "missing_required_parameter",
    "unsupported_value",
)

# the field, its bad value, the error's param (None = the field), its code, words of its message
SHARED: list[tuple[str, Any, str | None, str, str]] = [
    ("model", 5, None, TYPE, "expected a string, but got 5"),
    ("temperature", "hot", None, TYPE, 'expected a number, but got "hot"'),
    ("temperature", -0.1, None, VALUE, "greater than or equal to 0, but got -0.1"),
    ("temperature", 2.5, None, VALUE, "less than or equal to 2, but got 2.5"),
    ("temperature", True, None, TYPE, "got true"),
    ("top_p", 0, None, VALUE, "greater than 0"),
    ("top_p", 1.1, None, VALUE, "less than or equal to 1"),
    ("top_k", -1, None, VALUE, "greater than or equal to 0"),
    ("top_k", 1.5, None, TYPE, "an integer"),
    ("top_k", 2**40, None, VALUE, "less than"),
    ("min_p", 2, None, VALUE, "less than or equal to 1"),
    ("typical_p", 0, None, VALUE, "greater than 0"),
    ("repeat_penalty", 0, None, VALUE, "greater than 0"),
    ("repetition_penalty", -1, None, VALUE, "greater than 0"),
    ("repeat_last_n", -2, None, VALUE, "greater than or equal to -1"),
    ("presence_penalty", 3, None, VALUE, "less than or equal to 2"),
    ("frequency_penalty", -3, None, VALUE, "greater than or equal to -2"),
    ("max_tokens", 0, None, VALUE, "greater than or equal to 1, but got 0"),
    ("max_tokens", 2**40, None, VALUE, "less than or equal to"),
    ("max_tokens", "12", None, TYPE, 'got "12"'),
    ("min_tokens", -1, None, VALUE, "greater than or equal to 0"),
    ("ignore_eos", "yes", None, TYPE, "a boolean"),
    ("seed", 1.5, None, TYPE, "an integer"),
    ("n", 0, None, VALUE, "greater than or equal to 1"),
    ("n", 17, None, VALUE, "less than or equal to 16"),
    ("stop", "", "stop[0]", VALUE, "at least 1 character"),
    ("stop", ["a", 5], "stop[1]", TYPE, "a string, but got 5"),
    ("stop", {"a": 1}, None, TYPE, "a string or an array of strings, but got an object"),
    ("stop", ["x"] * 17, None, VALUE, "at most 16 item(s), but got an array of 17"),
    ("stream", "true", None, TYPE, "a boolean"),
    ("stream_options", {"include_usage": True}, None, VALUE, "only allowed when 'stream' is true"),
    ("stream_options", 1, None, TYPE, "an object"),
    ("logit_bias", {"hello": 1}, None, VALUE, "token ids (integers) as keys"),
    ("logit_bias", {"-1": 1}, None, VALUE, "token ids"),
    ("logit_bias", {"99999999999": 1}, None, VALUE, "token ids"),
    ("logit_bias", {"5": 101}, "logit_bias.5", VALUE, "less than or equal to 100"),
    ("logit_bias", {"5": "x"}, "logit_bias.5", TYPE, "a number"),
    ("logit_bias", [1], None, TYPE, "an object, but got an array of 1"),
]

CHAT: list[tuple[str, Any, str | None, str, str]] = [
    *SHARED,
    ("messages", [], None, VALUE, "at least 1 item(s), but got an empty array"),
    ("messages", "Hi", None, TYPE, 'an array, but got "Hi"'),
    ("messages", ["Hi"], "messages[0]", TYPE, "an object"),
    ("messages", [USER, {"role": "robot", "content": "x"}], "messages[1].role", VALUE, '"robot"'),
    ("messages", [{"content": "x"}], "messages[0].role", MISSING, "messages[0].role"),
    ("messages", [{"role": "function", "content": "x"}], "messages[0].name", MISSING, "name"),
    ("messages", [{"role": "user"}], "messages[0].content", MISSING, "messages[0].content"),
    ("messages", [{"role": "user", "content": 5}], "messages[0].content", TYPE, "got 5"),
    ("messages", [{"role": "assistant"}], "messages[0].content", MISSING, "content"),
    (
        "messages",
        [{"role": "tool", "content": "x"}],
        "messages[0].tool_call_id",
        MISSING,
        "tool_call_id",
    ),
    (
        "messages",
        [{"role": "user", "content": [{"type": "text", "text": "see"}, IMAGE]}],
        "messages[0].content[1]",
        UNSUPPORTED,
        "cannot see images",
    ),
    (
        "messages",
        [{"role": "user", "content": [{"type": "input_audio"}]}],
        "messages[0].content[0]",
        UNSUPPORTED,
        "cannot hear audio",
    ),
    (
        "messages",
        [{"role": "user", "content": [{"type": "file"}]}],
        "messages[0].content[0]",
        UNSUPPORTED,
        "cannot read files",
    ),
    (
        "messages",
        [{"role": "user", "content": [{"type": "smell"}]}],
        "messages[0].content[0].type",
        VALUE,
        '"smell"',
    ),
    (
        "messages",
        [{"role": "user", "content": [{"type": "text"}]}],
        "messages[0].content[0].text",
        MISSING,
        "text",
    ),
    (
        "messages",
        [{"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f"}}]}],
        "messages[0].tool_calls[0].function.arguments",
        MISSING,
        "arguments",
    ),
    (
        "messages",
        [{"role": "assistant", "tool_calls": [{**CALL, "type": "custom"}]}],
        "messages[0].tool_calls[0].type",
        VALUE,
        "'function'",
    ),
    ("max_completion_tokens", 0, None, VALUE, "greater than or equal to 1"),
    ("logprobs", 3, None, TYPE, "a boolean"),
    ("top_logprobs", 3, None, VALUE, "only allowed when 'logprobs' is true"),
    ("top_logprobs", 21, None, VALUE, "less than or equal to 20"),
    ("tools", {}, None, TYPE, "an array"),
    ("tools", [{"type": "web_search"}], "tools[0].type", UNSUPPORTED, "web_search"),
    ("tools", [{"type": "function"}], "tools[0].function", MISSING, "function"),
    ("tools", [{**TOOL, "function": {}}], "tools[0].function.name", MISSING, "name"),
    ("tools", [{**TOOL, "function": {"name": "a b"}}], "tools[0].function.name", VALUE, '"a b"'),
    (
        "tools",
        [{**TOOL, "function": {"name": "f", "parameters": []}}],
        "tools[0].function.parameters",
        TYPE,
        "an object",
    ),
    ("tool_choice", "required", None, VALUE, "there are no 'tools'"),
    ("tool_choice", {"type": "function"}, "tool_choice.function.name", MISSING, "name"),
    (
        "tool_choice",
        {"type": "function", "function": {"name": "f"}},
        "tool_choice.function.name",
        VALUE,
        '"f"',
    ),
    ("tool_choice", {"type": "custom"}, "tool_choice.type", VALUE, "'function'"),
    ("tool_choice", {"type": "allowed_tools"}, "tool_choice.allowed_tools", MISSING, "allowed"),
    *(
        ("tool_choice", {"type": "allowed_tools", "allowed_tools": allowed}, param, code, words)
        for allowed, param, code, words in (
            ({}, "tool_choice.allowed_tools.tools", TYPE, "at least one tool"),
            ({"tools": []}, "tool_choice.allowed_tools.tools", TYPE, "at least one tool"),
            ({"tools": ["f"]}, "tool_choice.allowed_tools.tools[0]", VALUE, '"f"'),
            ({"tools": [TOOL]}, "tool_choice.allowed_tools.tools", VALUE, '"f"'),
        )
    ),
    ("tool_choice", {}, "tool_choice.type", MISSING, "tool_choice.type"),
    ("tool_choice", "maybe", None, VALUE, "'auto', 'none', 'required'"),
    ("tool_choice", 7, None, TYPE, "'auto', 'none', 'required'"),
    ("parallel_tool_calls", "no", None, TYPE, "a boolean"),
    ("modalities", ["text", "audio"], None, UNSUPPORTED, "cannot speak"),
    (
        "tools",
        [{"type": "custom", "custom": {"name": "f"}}],
        "tools[0].type",
        UNSUPPORTED,
        "custom",
    ),
    ("functions", [{"name": "a b"}], "functions[0].name", VALUE, '"a b"'),
    ("functions", "f", None, TYPE, "an array"),
    ("function_call", {"name": "f"}, None, VALUE, "there are no 'functions'"),
    ("reasoning_effort", "enormous", None, VALUE, "'none', 'minimal', 'low'"),
    ("reasoning_effort", 3, None, VALUE, "got 3"),
    ("reasoning", "high", None, TYPE, "an object"),
    ("reasoning", {"effort": "enormous"}, "reasoning.effort", VALUE, "enormous"),
    ("reasoning_format", "none", None, UNSUPPORTED, "'reasoning_content' only"),
    ("enable_thinking", "yes", None, TYPE, "a boolean"),
    ("chat_template_kwargs", [], None, TYPE, "an object"),
    ("chat_template_kwargs", {"thinking": 1}, "chat_template_kwargs.thinking", TYPE, "a boolean"),
    *(
        ("chat_template_kwargs", {name: "x"}, f"chat_template_kwargs.{name}", UNSUPPORTED, name)
        for name in RESERVED
    ),
    ("continue_final_message", True, None, VALUE, "a last message of the assistant"),
    ("add_generation_prompt", False, None, UNSUPPORTED, "/v1/completions"),
    *(
        (
            "messages",
            [{"role": "user", "content": [part]}],
            "messages[0].content[0]",
            UNSUPPORTED,
            w,
        )
        for part, w in (
            ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}, "images"),
            ({"type": "input_image", "image_url": "https://example.com/cat.png"}, "images"),
            ({"type": "audio_url", "audio_url": {"url": "data:,"}}, "hear audio"),
            ({"type": "video_url", "video_url": {"url": "data:,"}}, "watch videos"),
            ({"type": "input_file", "file_id": "file-1"}, "read files"),
        )
    ),
]

COMPLETIONS: list[tuple[str, Any, str | None, str, str]] = [
    *SHARED,
    ("prompt", None, None, TYPE, "got null"),
    ("prompt", [], None, VALUE, "at least one prompt"),
    ("prompt", [[]], "prompt[0]", VALUE, "at least one token id"),
    ("prompt", {"a": 1}, None, TYPE, "got an object"),
    ("prompt", [1, "a"], "prompt[1]", TYPE, 'a token id (an integer), but got "a"'),
    ("prompt", [1, True], "prompt[1]", TYPE, "got true"),
    ("prompt", [True], "prompt[0]", TYPE, "got true"),
    ("prompt", [1, -5], "prompt[1]", VALUE, "got -5"),
    ("prompt", ["a", [1, 2.5]], "prompt[1][1]", TYPE, "got 2.5"),
    ("prompt", ["a", 5], "prompt[1]", TYPE, "got 5"),
    ("prompt", ["a"] * 129, None, VALUE, "129 prompts"),
    ("logprobs", True, None, TYPE, "an integer"),
    ("logprobs", 21, None, VALUE, "less than or equal to 20"),
    ("echo", 1, None, TYPE, "a boolean"),
    ("suffix", 5, None, TYPE, "a string"),
    ("best_of", 3, None, UNSUPPORTED, "'best_of'"),
]


@pytest.mark.parametrize(("field", "value", "param", "code", "words"), CHAT)
def test_bad_chat_field(
    client: InMemory,
    router: ScriptedRouter,
    field: str,
    value: object,
    param: str | None,
    code: str,
    words: str,
) -> None:
    response = client.chat(**{field: value})
    check(response, param or field, code, words)
    assert router.requests == []


@pytest.mark.parametrize(("field", "value", "param", "code", "words"), COMPLETIONS)
def test_bad_completion_field(
    client: InMemory,
    router: ScriptedRouter,
    field: str,
    value: object,
    param: str | None,
    code: str,
    words: str,
) -> None:
    response = client.complete(**{field: value})
    check(response, param or field, code, words)
    assert router.requests == []


FUNCTION = {"name": "f"}


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"tools": [TOOL], "functions": [FUNCTION]}, "functions", "Only one of"),
        (
            {"functions": [FUNCTION], "function_call": {"name": "g"}},
            "function_call.name",
            "one of the 'tools'",
        ),
        ({"functions": [FUNCTION], "function_call": {}}, "function_call.name", "Missing"),
        ({"functions": [FUNCTION], "function_call": "must"}, "function_call", "'auto', 'none'"),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": [TOOL]}},
            },
            "tool_choice.allowed_tools.mode",
            "'auto' or 'required'",
        ),
        (
            {"continue_final_message": True, "add_generation_prompt": True},
            "continue_final_message",
            "cannot both be true",
        ),
    ],
)
def test_fields_that_do_not_go_together(
    client: InMemory, fields: dict[str, Any], param: str, words: str
) -> None:
    error = client.chat(**fields).json()["error"]
    assert error["param"] == param
    assert words in error["message"]


def test_a_gap_cannot_be_filled_and_echoed(client: InMemory) -> None:
    response = client.complete(suffix="end", echo=True)
    check(response, "echo", VALUE, "cannot be used together")


def check(response: Any, param: str | None, code: str, words: str) -> None:
    error = response.json()["error"]
    assert response.status_code == 400
    assert {"message", "type", "param", "code"} <= set(error) <= {*error, "hint"}
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert words in error["message"]
    assert error.get("hint", "") in error["message"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "EOF while parsing a value at line 1 column 0"),
        (b'{"messages": [', "EOF while parsing"),
        (b'{"messages": }', "at line 1 column 14"),
        (b"hello", "line 1 column 1"),
        (b'{"a": "\xff"}', "line 1"),
        (b'{"a": "\\ud800"}', "line 1"),
        (b"[" * 100_000, "recursion limit exceeded"),
        (b'{"seed": 1' + b"0" * 5000 + b"}", "number out of range"),
    ],
)
def test_broken_json(client: InMemory, path: str, body: bytes, words: str) -> None:
    response = client.request("POST", path, content=body)
    check(response, None, "invalid_json", words)
    assert "could not parse the JSON body of your request" in response.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"[1]", b'"hello"', b"null", b"5"])
def test_body_that_is_not_an_object(client: InMemory, body: bytes) -> None:
    response = client.request("POST", "/v1/chat/completions", content=body)
    check(response, None, "invalid_type", "the request body: expected an object")


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
@pytest.mark.parametrize("field", [b"temperature", b"frequency_penalty", b"repeat_penalty"])
def test_numbers_are_finite(client: InMemory, field: bytes, number: bytes) -> None:
    body = b'{"messages": [{"role": "user", "content": "x"}], "%s": %s}' % (field, number)
    response = client.request("POST", "/v1/chat/completions", content=body)
    check(response, field.decode(), "invalid_value", "a finite number")


def test_numbers_in_a_schema_are_finite(client: InMemory) -> None:
    body = (
        b'{"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function", '
        b'"function": {"name": "f", "parameters": {"maximum": NaN}}}]}'
    )
    response = client.request("POST", "/v1/chat/completions", content=body)
    check(response, "tools[0].function.parameters", "invalid_value", "finite numbers only")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_missing_prompt(client: InMemory, path: str) -> None:
    param = "messages" if "chat" in path else "prompt"
    check(client.post(path, {}), param, "missing_required_parameter", param)


def test_a_long_value_is_not_echoed(client: InMemory) -> None:
    response = client.chat(temperature="x" * 1_000_000)
    check(response, "temperature", "invalid_type", '"' + "x" * 80 + '"...')
    assert len(response.content) < 500


def test_a_long_key_is_not_echoed(client: InMemory) -> None:
    response = client.chat(logit_bias={"x" * 1_000_000: "y"})
    assert response.status_code == 400
    assert len(response.content) < 1000


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_json_under_another_content_type(client: InMemory, content_type: str) -> None:
    response = client.request(
        "POST",
        "/v1/chat/completions",
        content=b'{"messages": [{"role": "user", "content": "x"}]}',
        headers={"Content-Type": content_type},
    )
    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"] == "Hello"
