"""The official `anthropic` SDK against a live server with the built-in model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import anthropic
import jsonschema
import pytest
from anthropic import Anthropic
from anthropic.types import TextBlock, ToolUseBlock
from pydantic import BaseModel

from tests.support.server import Server

GREEDY: Any = {"model": "pocket", "max_tokens": 300, "extra_body": {"temperature": 0}}
HOT: Any = {**GREEDY, "extra_body": {"temperature": 1.3}}
QUESTION: Any = [{"role": "user", "content": "How much memory does a 7B model at Q4_K_M need?"}]
WEATHER: Any = {
    "name": "get_weather",
    "description": "Get the current weather in a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
CITY: Any = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 12}, "days": {"enum": [1, 2, 3]}},
    "required": ["city", "days"],
    "additionalProperties": False,
}  # no answer is endless, however hot the model


@pytest.fixture
def sdk(server: Server) -> Iterator[Anthropic]:
    with Anthropic(base_url=server.url, api_key="none", max_retries=0) as client:
        yield client


def text_of(message: Any) -> str:
    (block,) = message.content
    assert isinstance(block, TextBlock)
    return block.text


def test_a_stream_says_what_the_whole_message_says(sdk: Anthropic) -> None:
    whole = sdk.messages.create(messages=QUESTION, **GREEDY)
    with sdk.messages.stream(messages=QUESTION, **GREEDY) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert "GB" in text
    assert text == text_of(final) == text_of(whole)
    assert (final.stop_reason, whole.stop_reason) == ("end_turn", "end_turn")
    assert final.usage.output_tokens == whole.usage.output_tokens > 10
    for usage in (final.usage, whole.usage):
        assert usage.input_tokens > 0
    # The second answer's prompt was computed for the first.
    assert (final.usage.cache_read_input_tokens or 0) > 0
    both = [u.input_tokens + (u.cache_read_input_tokens or 0) for u in (final.usage, whole.usage)]
    assert both[0] == both[1]


def test_what_ends_an_answer(sdk: Anthropic) -> None:
    text = text_of(sdk.messages.create(messages=QUESTION, **GREEDY))
    word = text.split()[3]
    stopped = sdk.messages.create(messages=QUESTION, stop_sequences=["§§", word], **GREEDY)
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", word)
    assert text_of(stopped) == text[: text.index(word)]
    with sdk.messages.stream(messages=QUESTION, stop_sequences=[word], **GREEDY) as stream:
        assert stream.get_final_message().stop_sequence == word
    cut = sdk.messages.create(messages=QUESTION, **{**GREEDY, "max_tokens": 3})
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 3)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_tool_there_and_back(sdk: Anthropic, is_streamed: bool) -> None:
    def ask(messages: Any) -> Any:
        if not is_streamed:
            return sdk.messages.create(messages=messages, tools=[WEATHER], **GREEDY)
        with sdk.messages.stream(messages=messages, tools=[WEATHER], **GREEDY) as stream:
            return stream.get_final_message()

    question = {"role": "user", "content": "What is the weather in Oslo?"}
    call = ask([question])
    assert call.stop_reason == "tool_use"
    (use,) = call.content
    assert isinstance(use, ToolUseBlock)
    assert (use.name, use.input) == ("get_weather", {"city": "Oslo"})
    assert use.id.startswith("toolu_")
    result = {"type": "tool_result", "tool_use_id": use.id, "content": '{"temperature_c": 7}'}
    answer = ask([question, call.to_param(), {"role": "user", "content": [result]}])
    assert answer.stop_reason == "end_turn"
    assert "7" in text_of(answer)


@pytest.mark.parametrize("choice", [{"type": "tool", "name": "book"}, {"type": "any"}])
def test_a_forced_call_fits_its_schema(sdk: Anthropic, choice: Any) -> None:
    tools: Any = [{"name": name, "input_schema": CITY} for name in ("forecast", "book")]
    one: Any = {**choice, "disable_parallel_tool_use": True}
    message = sdk.messages.create(messages=QUESTION, tools=tools, tool_choice=one, **HOT)
    assert message.stop_reason == "tool_use"
    (use,) = message.content
    assert isinstance(use, ToolUseBlock)
    assert use.name in ({"book"} if "name" in choice else {"book", "forecast"})
    jsonschema.validate(use.input, CITY)


def test_a_json_schema(sdk: Anthropic) -> None:
    format_: Any = {"type": "json_schema", "schema": CITY}
    with sdk.messages.stream(messages=QUESTION, output_config={"format": format_}, **HOT) as stream:
        message = stream.get_final_message()
    assert message.stop_reason == "end_turn"
    jsonschema.validate(json.loads(text_of(message)), CITY)


def test_a_type_of_the_client(sdk: Anthropic) -> None:
    class Answer(BaseModel):
        is_enough: bool
        gigabytes: Literal[1, 2, 4, 8]

    message = sdk.messages.parse(messages=QUESTION, output_format=Answer, **HOT)
    assert isinstance(message.parsed_output, Answer)


def test_errors_have_their_classes(sdk: Anthropic) -> None:
    unknown = {**GREEDY, "model": "claude-of-tomorrow"}
    with pytest.raises(anthropic.NotFoundError, match="--alias"):
        sdk.messages.create(messages=QUESTION, **unknown)
    long: Any = [{"role": "user", "content": "word " * 20_000}]
    for is_stream in (False, True):
        with pytest.raises(anthropic.BadRequestError, match="maximum context length"):
            sdk.messages.create(messages=long, stream=is_stream, **GREEDY)
    format_: Any = {"type": "json_schema", "schema": {"items": {"not": {"type": "null"}}}}
    with pytest.raises(anthropic.BadRequestError, match=r"items\.not"):
        sdk.messages.create(messages=QUESTION, output_config={"format": format_}, **GREEDY)


def test_models(sdk: Anthropic) -> None:
    assert "pocket" in [model.id for model in sdk.models.list()]
    assert sdk.models.retrieve("pocket").id == "pocket"


def test_counted_tokens_are_those_of_the_answer(sdk: Anthropic) -> None:
    prompt: Any = {"system": "Be brief.", "messages": QUESTION, "tools": [WEATHER]}
    counted = sdk.messages.count_tokens(model="pocket", **prompt)
    usage = sdk.messages.create(**prompt, **GREEDY).usage
    assert counted.input_tokens == usage.input_tokens + (usage.cache_read_input_tokens or 0)


def test_a_begun_answer_goes_on(sdk: Anthropic) -> None:
    text = text_of(sdk.messages.create(messages=QUESTION, **GREEDY))
    end = text.index(" ", len(text) // 2)  # where the model's own tokens end, too
    begun, rest = text[:end], text[end:]
    turn: Any = {"role": "assistant", "content": begun}
    assert text_of(sdk.messages.create(messages=[*QUESTION, turn], **GREEDY)) == rest
