"""What a valid body means, as one canonical request."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from edgellm.api.responses.input import InputReader
from edgellm.api.responses.items import Item, MessageItem, OutputText
from edgellm.api.responses.request import to_request
from edgellm.api.responses.schema import CreateResponseBody
from edgellm.api.validation import parse_body
from edgellm.types import Constraint, GenerateRequest, Message, Sampling, Tool, ToolCall

WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
NOW = {"type": "function", "name": "now", "description": "The time.", "strict": True}
CALL = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "Sun."}
THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [],
    "content": [{"type": "reasoning_text", "text": "Hm."}],
}


def respond(input_: Any = "Hi", stored: dict[str, Item] | None = None, **fields: Any) -> Any:
    body = parse_body(CreateResponseBody, msgspec.json.encode({"input": input_, **fields}))
    numbers = itertools.count()
    reader = InputReader((), lambda: stored or {}, lambda prefix: f"{prefix}_{next(numbers)}")
    return to_request(body, "pocket", reader.read(body.input or ()))


def messages(*items: Any, **fields: Any) -> tuple[Message, ...]:
    request: GenerateRequest = respond(list(items), **fields)
    return request.messages


def test_the_least_request_leaves_everything_to_the_model() -> None:
    assert respond() == GenerateRequest("pocket", messages=(Message("user", "Hi"),))


def test_sampling_and_extensions() -> None:
    request = respond(
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=7,
        seed=3,
        top_k=40,
        min_p=0.1,
        presence_penalty=1,
        stop="x",
        logit_bias={"5": 1},
        keep_alive="5m",
        parallel_tool_calls=False,
    )
    assert request.sampling == Sampling(
        temperature=0.5,
        top_p=0.9,
        max_tokens=7,
        seed=3,
        top_k=40,
        min_p=0.1,
        presence_penalty=1,
        stop=("x",),
        logit_bias={5: 1},
    )
    assert request.keep_alive_seconds == 300
    assert not request.parallel_tool_calls


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"top_logprobs": 0}, None),
        ({"top_logprobs": 3}, 3),
        ({"include": ["message.output_text.logprobs"]}, 0),
        ({"include": ["message.output_text.logprobs"], "top_logprobs": 2}, 2),
        ({"include": ["reasoning.encrypted_content"]}, None),
    ],
)
def test_logprobs(fields: dict[str, Any], expected: int | None) -> None:
    assert respond(**fields).sampling.top_logprobs == expected


@pytest.mark.parametrize(
    ("effort", "expected"),
    [
        (None, (None, None)),
        ("none", (False, None)),
        ("minimal", (None, "low")),
        ("low", (True, "low")),
        ("medium", (True, "medium")),
        ("high", (True, "high")),
        ("max", (True, "high")),
    ],
)
def test_effort(effort: str | None, expected: tuple[bool | None, str | None]) -> None:
    request = respond(reasoning={"effort": effort, "summary": "auto"})
    assert (request.is_thinking, request.effort) == expected


def test_roles_and_parts() -> None:
    assert messages(
        {"role": "developer", "content": "Be brief."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "b", "annotations": []},
                {"type": "refusal", "refusal": "c"},
            ],
        },
        {"role": "assistant", "content": "d"},
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "e"}, {"type": "text", "text": "f"}],
        },
    ) == (
        Message("system", "Be brief."),
        Message("user", "a"),
        Message("assistant", "b\nc"),
        Message("assistant", "d"),
        Message("user", "e\nf"),
    )


def test_instructions_and_system_messages_are_one_turn() -> None:
    """Templates that know one system turn only, at the beginning, refuse a second one."""
    system = {"role": "system", "content": "Be kind."}
    assert messages(system, {"role": "user", "content": "Hi"}, instructions="Be brief.") == (
        Message("system", "Be brief.\n\nBe kind."),
        Message("user", "Hi"),
    )


def test_what_a_model_gave_is_one_turn_again() -> None:
    user = {"role": "user", "content": "Hi"}
    said = {"role": "assistant", "content": "Wait."}
    second = {**CALL, "call_id": "c2", "name": "now"}
    other = {**RESULT, "call_id": "c2", "output": [{"type": "input_text", "text": "Noon."}]}
    calls = (ToolCall("c1", "weather", "{}"), ToolCall("c2", "now", "{}"))
    assert messages(user, THOUGHT, said, CALL, second, RESULT, other) == (
        Message("user", "Hi"),
        Message("assistant", "Wait.", calls, reasoning="Hm."),
        Message("tool", "Sun.", tool_call_id="c1"),
        Message("tool", "Noon.", tool_call_id="c2"),
    )


def test_reasoning_belongs_to_what_follows_it() -> None:
    first, second = ({"role": "assistant", "content": text} for text in "ab")
    assert messages(first, THOUGHT, second) == (
        Message("assistant", "a"),
        Message("assistant", "b", reasoning="Hm."),
    )
    assert messages(THOUGHT) == (Message("assistant", reasoning="Hm."),)
    summary = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "In short."}]}
    assert messages(summary)[0].reasoning == "In short."


@pytest.mark.parametrize("reference", [{"id": "msg_9"}, {"type": "item_reference", "id": "msg_9"}])
def test_references(reference: dict[str, str]) -> None:
    item = MessageItem("msg_9", "assistant", (OutputText("Hello"),))
    request = respond([{"role": "user", "content": "Hi"}, reference], {"msg_9": item})
    assert request.messages[1] == Message("assistant", "Hello")


def test_items_keep_their_ids_and_get_one_otherwise() -> None:
    numbers = itertools.count()
    reader = InputReader((), dict, lambda prefix: f"{prefix}_{next(numbers)}")
    items = reader.read([{"role": "user", "content": "x"}, CALL, RESULT, THOUGHT])
    assert [item.id for item in items] == ["msg_0", "fc_1", "fco_2", "rs_1"]
    assert msgspec.to_builtins(items[0]) == {
        "type": "message",
        "id": "msg_0",
        "role": "user",
        "content": ({"type": "input_text", "text": "x"},),
        "status": "completed",
    }


ALL = (Tool("weather", "", {"type": "object"}), Tool("now", "The time.", {}, True))


@pytest.mark.parametrize(
    ("choice", "tools", "must_call"),
    [
        (None, ALL, ()),
        ("auto", ALL, ()),
        ("none", (), ()),
        ("required", ALL, ("weather", "now")),
        ({"type": "function", "name": "now"}, ALL, ("now",)),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "now"}],
            },
            ALL[1:],
            (),
        ),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "now"}],
            },
            ALL,
            ("now",),
        ),
    ],
)
def test_tools(choice: Any, tools: tuple[Tool, ...], must_call: tuple[str, ...]) -> None:
    request = respond(tools=[WEATHER, NOW], tool_choice=choice)
    assert (request.tools, request.must_call) == (tools, must_call)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"text": {"format": {"type": "text"}}}, None),
        ({"text": {"verbosity": "low"}}, None),
        (
            {"text": {"format": {"type": "json_object"}}},
            Constraint("json_schema", '{"type":"object"}', "text.format"),
        ),
        (
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"const": 1}}}},
            Constraint("json_schema", '{"const": 1}', "text.format.schema"),
        ),
        ({"regex": "a+"}, Constraint("regex", "a+", "regex")),
        ({"grammar": 'start: "a"'}, Constraint("grammar", 'start: "a"', "grammar")),
    ],
)
def test_constraints(fields: dict[str, Any], expected: Constraint | None) -> None:
    assert respond(**fields).constraint == expected
