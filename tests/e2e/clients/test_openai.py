"""The official `openai` SDK, and its helpers that are strict about what comes."""

from __future__ import annotations

import json
from typing import Any, Literal

import openai
from pydantic import BaseModel, ConfigDict, Field

from tests.e2e.clients.asking import (
    FACT,
    FORECAST,
    FORM,
    RESULT,
    TOOL,
    WEATHER,
    check_forecast,
    is_the_fact,
)

GREEDY: dict[str, Any] = {"model": "pocket", "temperature": 0}
NAMED: Any = {"type": "function", "function": {"name": "get_weather"}}


class Forecast(BaseModel):
    model_config = ConfigDict(extra="forbid")
    city: str = Field(max_length=12)
    days: Literal[1, 2, 3]


def ask(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_streaming(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(
        messages=ask(FACT), stream_options={"include_usage": True}, **GREEDY
    ) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        final = stream.get_final_completion()
    assert is_the_fact(text)
    assert final.choices[0].message.content == text
    assert (final.system_fingerprint or "").startswith("fp_")
    assert final.usage is not None
    assert final.usage.completion_tokens_details is not None
    assert final.usage.completion_tokens_details.reasoning_tokens == 0


def test_a_tool_round_trip_in_streams(sdk: openai.OpenAI) -> None:
    tools: Any = [TOOL]
    messages = ask(WEATHER)
    with sdk.chat.completions.stream(
        messages=messages, tools=tools, tool_choice=NAMED, **GREEDY
    ) as stream:
        message = stream.get_final_completion().choices[0].message
    (call,) = message.tool_calls or []
    assert json.loads(call.function.arguments) == {"city": "Lisbon"}
    messages += [
        message.to_dict(),
        {"role": "tool", "tool_call_id": call.id, "content": RESULT},
    ]
    stream = sdk.chat.completions.create(messages=messages, tools=tools, stream=True, **GREEDY)
    assert "21" in "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def test_allowed_tools(sdk: openai.OpenAI) -> None:
    tools: Any = [TOOL, {"type": "function", "function": {"name": "now"}}]
    only: Any = {"mode": "required", "tools": [{"type": "function", "function": {"name": "now"}}]}
    completion = sdk.chat.completions.create(
        messages=ask(WEATHER),
        tools=tools,
        tool_choice={"type": "allowed_tools", "allowed_tools": only},
        parallel_tool_calls=False,
        max_tokens=60,
        **GREEDY,
    )
    (call,) = completion.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "now"


def test_functions_as_they_were_before_tools(sdk: openai.OpenAI) -> None:
    functions: Any = [TOOL["function"]]
    messages = ask(WEATHER)
    named: Any = {"name": "get_weather"}
    first = sdk.chat.completions.create(
        messages=messages, functions=functions, function_call=named, **GREEDY
    )
    assert first.choices[0].finish_reason == "function_call"
    call = first.choices[0].message.function_call
    assert call is not None
    assert json.loads(call.arguments) == {"city": "Lisbon"}
    messages += [
        {"role": "assistant", "content": None, "function_call": call.to_dict()},
        {"role": "function", "name": "get_weather", "content": RESULT},
    ]
    second = sdk.chat.completions.create(messages=messages, functions=functions, **GREEDY)
    assert "21" in (second.choices[0].message.content or "")


def test_a_schema(sdk: openai.OpenAI) -> None:
    parsed = sdk.chat.completions.parse(
        messages=ask(FORM), response_format=Forecast, model="pocket", temperature=1.3
    )
    assert parsed.choices[0].message.parsed is not None
    schema: Any = {
        "type": "json_schema",
        "json_schema": {"name": "forecast", "schema": FORECAST, "strict": True},
    }
    stream = sdk.chat.completions.create(
        messages=ask(FORM), response_format=schema, stream=True, model="pocket", temperature=1.3
    )
    check_forecast("".join(chunk.choices[0].delta.content or "" for chunk in stream))


def test_a_prefill_is_continued_and_not_repeated(sdk: openai.OpenAI) -> None:
    whole = sdk.chat.completions.create(messages=ask(FACT), **GREEDY).choices[0].message.content
    assert whole is not None
    begun = whole[: whole.index(" needs")]
    messages = [*ask(FACT), {"role": "assistant", "content": begun}]
    rest = sdk.chat.completions.create(messages=messages, **GREEDY).choices[0].message.content
    assert begun + (rest or "") == whole
    anew = sdk.chat.completions.create(
        messages=messages, extra_body={"add_generation_prompt": True}, max_tokens=5, **GREEDY
    )
    assert not whole.endswith(anew.choices[0].message.content or "nothing")
