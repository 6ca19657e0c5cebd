"""What a valid request means, as a canonical one."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from edgellm.api.anthropic.calls import UNPARSED
from edgellm.api.anthropic.request import to_prompt, to_request
from edgellm.api.anthropic.schema import CountTokensBody, MessagesBody
from edgellm.api.validation import parse_body
from edgellm.types import Constraint, GenerateRequest, Message, Sampling, Tool, ToolCall

USER = {"role": "user", "content": "Hi"}
TOOL = {"name": "weather", "input_schema": {"type": "object"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
FORMAT = {"type": "json_schema", "schema": SCHEMA}


def ask(**fields: Any) -> GenerateRequest:
    raw = msgspec.json.encode({"messages": [USER], "max_tokens": 9, **fields})
    return to_request(parse_body(MessagesBody, raw), "pocket")


def messages(*turns: tuple[str, Any], **fields: Any) -> tuple[Message, ...]:
    said = [{"role": role, "content": content} for role, content in turns]
    return ask(messages=said, **fields).messages


def test_the_least_request() -> None:
    assert ask() == GenerateRequest(
        "pocket",
        messages=(Message("user", "Hi"),),
        sampling=Sampling(max_tokens=9),
        is_thinking=False,
    )


def test_every_sampling_field() -> None:
    sampling = ask(temperature=0, top_p=0.9, top_k=5, stop_sequences=["a", "b"]).sampling
    assert sampling == Sampling(temperature=0, top_p=0.9, top_k=5, stop=("a", "b"), max_tokens=9)


def test_nulls_are_the_same_as_absent_fields() -> None:
    names = MessagesBody.model_fields.keys() - {"messages", "max_tokens"}
    assert ask(**dict.fromkeys(names)) == ask()


def test_hints_and_unknown_fields_are_ignored() -> None:
    cached = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
    hints = {
        "cache_control": {"type": "ephemeral"},
        "container": None,
        "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
        "mcp_servers": [],
        "metadata": {"user_id": "me"},
        "service_tier": "auto",
        "surprise": [1, {"a": None}],
        "messages": [{"role": "user", "content": [cached], "id": "msg_1"}],
    }
    assert ask(**hints) == ask()


def test_the_tokens_of_a_prompt_are_counted_without_what_only_answers_need() -> None:
    raw = msgspec.json.encode({"messages": [USER], "system": "Be brief.", "tools": [TOOL]})
    request = to_prompt(parse_body(CountTokensBody, raw), "pocket")
    assert request == msgspec.structs.replace(
        ask(system="Be brief.", tools=[TOOL]), sampling=Sampling()
    )


# -- messages -----------------------------------------------------------------------------------


def test_a_conversation_with_every_block() -> None:
    thought = {"type": "thinking", "thinking": "A call.", "signature": "anything"}
    use = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sun."}
    assert messages(
        ("user", "Hi"),
        ("assistant", [thought, {"type": "redacted_thinking", "data": "x"}, use]),
        ("user", [result]),
        ("assistant", [{"type": "text", "text": "Sunny."}]),
        ("system", "Now be brief."),
        ("user", [{"type": "text", "text": "Thanks."}]),
        system="Be kind.",
    ) == (
        Message("system", "Be kind."),
        Message("user", "Hi"),
        Message(
            "assistant",
            tool_calls=(ToolCall("call_1", "weather", '{"city": "Bern"}'),),
            reasoning="A call.",
        ),
        Message("tool", "Sun.", tool_call_id="call_1"),
        Message("assistant", "Sunny."),
        Message("system", "Now be brief."),
        Message("user", "Thanks."),
    )


def test_turns_of_one_role_are_one_turn() -> None:
    text = {"type": "text", "text": "three"}
    assert messages(
        ("user", "one"),
        ("user", "two"),
        ("user", [text, text]),
        ("assistant", "Bro"),
        ("assistant", [{"type": "text", "text": "ken word."}]),
        ("user", "four"),
    ) == (
        Message("user", "one\ntwo\nthree\nthree"),
        Message("assistant", "Broken word."),
        Message("user", "four"),
    )


def test_results_come_first_and_in_order() -> None:
    text = {"type": "text", "text": "And now?"}
    parts = [{"type": "text", "text": "1"}, {"type": "text", "text": "2"}]
    results = [
        {"type": "tool_result", "tool_use_id": "b", "content": parts},
        {"type": "tool_result", "tool_use_id": "a"},
        {"type": "tool_result", "tool_use_id": "c", "is_error": True, "content": "No such city."},
        {"type": "tool_result", "tool_use_id": "d", "is_error": True},
    ]
    assert messages(("user", [text, *results]), ("user", "Well?")) == (
        Message("tool", "1\n2", tool_call_id="b"),
        Message("tool", "", tool_call_id="a"),
        Message("tool", "Error: No such city.", tool_call_id="c"),
        Message("tool", "Error: the tool failed.", tool_call_id="d"),
        Message("user", "And now?\nWell?"),
    )


def test_what_the_model_wrote_as_arguments_comes_back_to_it() -> None:
    broken = {
        "type": "tool_use",
        "id": "toolu_id_abc123def",
        "name": "f",
        "input": {UNPARSED: "[1"},
    }
    done = {"type": "tool_result", "tool_use_id": "toolu_id_abc123def", "content": "?"}
    first, second = messages(("assistant", [broken]), ("user", [done]))
    assert first.tool_calls == (ToolCall("abc123def", "f", "[1"),)
    assert second.tool_call_id == "abc123def"


@pytest.mark.parametrize("empty", [[], "", [{"type": "thinking", "thinking": ""}]])
def test_an_empty_turn_of_the_assistant_is_none(empty: Any) -> None:
    request = ask(messages=[USER, {"role": "assistant", "content": empty}])
    assert request == ask()
    assert messages(("user", "a"), ("assistant", empty), ("user", "b")) == (
        Message("user", "a"),
        Message("user", "b"),
    )


def test_a_begun_answer_is_continued() -> None:
    request = ask(messages=[USER, {"role": "assistant", "content": "The answer is ("}])
    assert request.continues_last
    assert request.messages[-1] == Message("assistant", "The answer is (")
    assert not ask().continues_last


@pytest.mark.parametrize("system", ["Be kind.", [{"type": "text", "text": "Be kind."}]])
def test_system_prompts(system: Any) -> None:
    assert messages(("user", "Hi"), system=system)[0] == Message("system", "Be kind.")


def test_what_claude_code_says_for_billing_is_not_for_the_model() -> None:
    line = "x-anthropic-billing-header: cc_version=2.1.37.0d9; cc_entrypoint=cli; cch=fa690;"
    kind, brief = ({"type": "text", "text": text} for text in ("Be kind.", "Be brief."))
    expected = (Message("system", "Be kind.\nBe brief."), Message("user", "Hi"))
    block = {"type": "text", "text": line}
    assert messages(("user", "Hi"), system=[block, kind, brief]) == expected
    assert messages(("user", "Hi"), system=f"{line}\n\nBe kind.\nBe brief.") == expected
    assert messages(("user", "Hi"), system=[block]) == expected[1:]
    assert messages(("user", line))[0].content == line


# -- tools --------------------------------------------------------------------------------------


def test_tools() -> None:
    tools = [
        {**TOOL, "type": "custom", "description": "Tells it.", "strict": True},
        {"name": "now", "input_schema": {}, "cache_control": {"type": "ephemeral"}},
    ]
    expected = (Tool("weather", "Tells it.", {"type": "object"}, is_strict=True), Tool("now"))
    assert ask(tools=tools).tools == expected


@pytest.mark.parametrize(
    ("choice", "must_call", "num_tools"),
    [
        (None, (), 2),
        ({"type": "auto"}, (), 2),
        ({"type": "any"}, ("weather", "now"), 2),
        ({"type": "tool", "name": "now"}, ("now",), 2),
        ({"type": "none"}, (), 0),
    ],
)
def test_tool_choice(choice: Any, must_call: tuple[str, ...], num_tools: int) -> None:
    request = ask(tools=[TOOL, {**TOOL, "name": "now"}], tool_choice=choice)
    assert (request.must_call, len(request.tools)) == (must_call, num_tools)
    assert request.parallel_tool_calls


def test_one_call_at_a_time() -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    assert not ask(tools=[TOOL], tool_choice=choice).parallel_tool_calls


# -- reasoning and structured output --------------------------------------------------------------


@pytest.mark.parametrize(
    ("thinking", "expected"),
    [
        (None, False),
        ({"type": "enabled", "budget_tokens": 2048}, True),
        ({"type": "enabled", "budget_tokens": 2048, "display": "omitted"}, True),
        ({"type": "between_tools"}, True),
        ({"type": "adaptive"}, None),
        ({"type": "disabled"}, False),
    ],
)
def test_thinking(thinking: Any, expected: bool | None) -> None:
    assert ask(thinking=thinking).is_thinking is expected


@pytest.mark.parametrize(
    ("effort", "expected"),
    [("low", "low"), ("medium", "medium"), ("high", "high"), ("xhigh", "high"), ("max", "high")],
)
def test_effort(effort: str, expected: str) -> None:
    request = ask(output_config={"effort": effort})
    assert (request.effort, request.is_thinking) == (expected, None)
    off = ask(output_config={"effort": effort}, thinking={"type": "disabled"})
    assert off.is_thinking is False


def test_a_schema_under_either_name() -> None:
    for field, param in (("output_config", "output_config.format"), ("output_format",) * 2):
        value = {"format": FORMAT} if field == "output_config" else FORMAT
        constraint = ask(**{field: value}).constraint
        assert constraint == Constraint("json_schema", json.dumps(SCHEMA), f"{param}.schema")
