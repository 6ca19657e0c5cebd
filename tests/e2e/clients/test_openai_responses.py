"""The built-in model behind /v1/responses, through the official SDK."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import openai
import pydantic
import pytest
from openai.types.responses import ResponseFunctionToolCall

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 12}, "days": {"enum": [1, 2, 3]}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOLS: Any = [
    {
        "type": "function",
        "name": "forecast",
        "description": "The weather of the next days.",
        "parameters": CITY,
        "strict": True,
    }
]


class Form(pydantic.BaseModel):
    kind: str = pydantic.Field(max_length=10)
    is_open: bool


def test_a_stream_is_the_whole_answer(sdk: openai.OpenAI) -> None:
    ask: Any = {"model": "pocket", "input": "Who are you?", "temperature": 0}
    whole = sdk.responses.create(**ask, max_output_tokens=40)
    assert whole.output_text
    assert whole.usage
    assert 0 < whole.usage.output_tokens <= 40
    events = list(sdk.responses.create(**ask, max_output_tokens=40, stream=True))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == whole.output_text
    last = events[-1]
    assert last.type in ("response.completed", "response.incomplete")
    assert sdk.responses.retrieve(last.response.id).output_text == text


def test_an_answer_that_is_cut_goes_on(sdk: openai.OpenAI) -> None:
    first = sdk.responses.create(model="pocket", input="Tell me a story.", max_output_tokens=5)
    assert first.status == "incomplete"
    second = sdk.responses.create(
        model="pocket", input="Go on.", previous_response_id=first.id, max_output_tokens=5
    )
    assert first.usage
    assert second.usage
    assert second.usage.input_tokens > first.usage.input_tokens + first.usage.output_tokens
    assert second.usage.input_tokens_details.cached_tokens > 0
    items = list(sdk.responses.input_items.list(second.id, order="asc"))
    assert [getattr(item, "role", None) for item in items] == ["user", "assistant", "user"]


@pytest.mark.parametrize("is_streamed", [True, False])
def test_a_tool_s_round_trip(sdk: openai.OpenAI, is_streamed: bool) -> None:
    ask: Any = {"model": "pocket", "tools": TOOLS, "max_output_tokens": 150, "temperature": 0}
    question: Any = {
        "input": "What is the forecast for Lisbon?",
        "tool_choice": {"type": "function", "name": "forecast"},
        "parallel_tool_calls": False,
    }
    if is_streamed:
        with sdk.responses.stream(**ask, **question) as stream:
            pieces = [
                event.delta
                for event in stream
                if event.type == "response.function_call_arguments.delta"
            ]
            first: Any = stream.get_final_response()
        assert "".join(pieces) == first.output[0].arguments
    else:
        first = sdk.responses.create(**ask, **question)
    (call,) = first.output
    assert isinstance(call, ResponseFunctionToolCall)
    assert call.name == "forecast"
    jsonschema.validate(json.loads(call.arguments), CITY)
    result: Any = {
        "type": "function_call_output",
        "call_id": call.call_id,
        "output": '{"weather": "sunny"}',
    }
    second = sdk.responses.create(**ask, input=[result], previous_response_id=first.id)
    assert second.output
    history: Any = [{"role": "user", "content": question["input"]}, call, result]
    third = sdk.responses.create(**ask, input=history, store=False)
    assert third.usage
    assert second.usage
    assert third.usage.input_tokens == second.usage.input_tokens, "both are the same conversation"
    assert third.output_text == second.output_text


def test_json_schema(sdk: openai.OpenAI) -> None:
    parsed = sdk.responses.parse(
        model="pocket", input="Fill in the form.", text_format=Form, max_output_tokens=200
    )
    assert isinstance(parsed.output_parsed, Form)
    text: Any = {"format": {"type": "json_schema", "name": "n", "schema": CITY, "strict": True}}
    with sdk.responses.stream(model="pocket", input="Fill in the form.", text=text) as stream:
        jsonschema.validate(json.loads(stream.get_final_response().output_text), CITY)
    bad: Any = {"format": {"type": "json_schema", "name": "n", "schema": {"not": {"type": "null"}}}}
    with pytest.raises(openai.BadRequestError) as error:
        sdk.responses.create(model="pocket", input="x", text=bad)
    assert error.value.param == "text.format.schema.not"


def test_what_the_engine_finds_out_names_the_input(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        sdk.responses.create(model="pocket", input="word " * 20_000)
    assert (error.value.code, error.value.param) == ("context_length_exceeded", "input")
