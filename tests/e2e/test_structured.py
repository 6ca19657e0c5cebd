"""Structured output from the built-in model, through the official SDK and over crashes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import openai
import pytest

from tests.support.schemas import SCHEMAS
from tests.support.server import Server, serve

ASK: Any = [{"role": "user", "content": "Fill in the form."}]
HOT: dict[str, Any] = {"model": "pocket", "temperature": 1.3, "max_tokens": 250}
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 12}, "days": {"enum": [1, 2, 3]}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
UNBOUNDED = ("additional", "discriminated", "number")  # a hot model goes on and on
TOOLS: Any = [
    {"type": "function", "function": {"name": "forecast", "parameters": CITY}},
    {"type": "function", "function": {"name": "now"}},
]


def as_format(schema: dict[str, Any]) -> Any:
    wrapped = {"name": "form", "strict": True, "schema": schema}
    return {"type": "json_schema", "json_schema": wrapped}


@pytest.mark.parametrize("name", SCHEMAS)
def test_answers_validate(sdk: openai.OpenAI, name: str) -> None:
    schema = SCHEMAS[name]
    completion = sdk.chat.completions.create(
        messages=ASK, response_format=as_format(schema), n=4, seed=7, **HOT
    )
    ended = [choice for choice in completion.choices if choice.finish_reason == "stop"]
    assert len(ended) == 4 or (name in UNBOUNDED and ended)
    for choice in ended:
        answer = json.loads(choice.message.content or "")
        jsonschema.validate(answer, schema, format_checker=jsonschema.FormatChecker())


def test_a_stream_and_any_json_object(sdk: openai.OpenAI) -> None:
    # Greedy: a hot small model writes objects that have no end before max_tokens.
    stream = sdk.chat.completions.create(
        model="pocket",
        messages=ASK,
        response_format={"type": "json_object"},
        stream=True,
        temperature=0,
        max_tokens=300,
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    if chunks[-1].choices[0].finish_reason == "stop":
        assert isinstance(json.loads(text), dict)
    else:
        assert text.startswith("{")


def test_regex_and_grammar_on_both_routes(sdk: openai.OpenAI) -> None:
    chat = sdk.chat.completions.create(
        messages=ASK, extra_body={"regex": "(yes|no), [0-9]{3}"}, **HOT
    )
    assert re.fullmatch("(yes|no), [0-9]{3}", chat.choices[0].message.content or "")
    text = sdk.completions.create(
        prompt="Once", extra_body={"grammar": 'root ::= "a"{2,3} [x-z]'}, **HOT
    )
    assert re.fullmatch("a{2,3}[x-z]", text.choices[0].text)


@pytest.mark.parametrize("is_parallel", [True, False])
def test_required_and_named_calls(sdk: openai.OpenAI, is_parallel: bool) -> None:
    named: Any = {"type": "function", "function": {"name": "forecast"}}
    for choice, names in (("required", {"forecast", "now"}), (named, {"forecast"})):
        completion = sdk.chat.completions.create(
            messages=ASK,
            tools=TOOLS,
            tool_choice=choice,
            parallel_tool_calls=is_parallel,
            n=4,
            seed=3,
            **HOT,
        )
        for answer in completion.choices:
            if answer.finish_reason == "length":
                assert is_parallel  # it went on calling
                continue
            assert answer.finish_reason == "tool_calls"
            assert not answer.message.content
            calls = answer.message.tool_calls or []
            assert calls
            assert is_parallel or len(calls) == 1
            for call in calls:
                assert call.type == "function"
                assert call.function.name in names
                arguments = json.loads(call.function.arguments)
                if call.function.name == "forecast":
                    jsonschema.validate(arguments, CITY)


def test_strict_tools_are_called_properly_or_not_at_all(sdk: openai.OpenAI) -> None:
    function = {"name": "forecast", "parameters": CITY, "strict": True}
    tools: Any = [{"type": "function", "function": function}]
    ask: Any = [{"role": "user", "content": "What is the forecast for Lisbon?"}]
    completion = sdk.chat.completions.create(messages=ask, tools=tools, n=4, seed=1, **HOT)
    for answer in completion.choices:
        for call in answer.message.tool_calls or []:
            assert call.type == "function"
            jsonschema.validate(json.loads(call.function.arguments), CITY)


def test_errors_say_where(sdk: openai.OpenAI) -> None:
    for part, param in (
        ({"not": {"const": 1}}, ".items.not"),
        ({"pattern": "(?=a)"}, ".items.pattern"),
    ):
        with pytest.raises(openai.BadRequestError) as error:
            sdk.chat.completions.create(
                messages=ASK, response_format=as_format({"items": part}), stream=True, **HOT
            )
        assert error.value.param == f"response_format.json_schema.schema{param}"
    with pytest.raises(openai.BadRequestError, match="unclosed group"):
        sdk.completions.create(prompt="a", extra_body={"regex": "(a"}, **HOT)


def test_a_killed_engine_leaves_the_answer_valid(tmp_path: Path) -> None:
    schema = {
        "type": "array",
        "items": SCHEMAS["person"],
        "minItems": 12,
        "maxItems": 12,
    }
    body = {
        **HOT,
        "messages": ASK,
        "response_format": as_format(schema),
        "stream": True,
        "max_tokens": 3000,
    }

    async def ask(server: Server, seed: int, begun: asyncio.Event) -> str:
        text = ""
        async with (
            httpx.AsyncClient(base_url=server.url, timeout=60) as http,
            http.stream("POST", "/v1/chat/completions", json={**body, "seed": seed}) as reply,
        ):
            async for line in reply.aiter_lines():
                if line.startswith("data: {"):
                    event = json.loads(line[6:])
                    text += event["choices"][0]["delta"].get("content") or ""
                    if len(text) > 60:
                        begun.set()
        return text

    async def test(server: Server) -> list[str]:
        events = [asyncio.Event() for _ in range(4)]
        tasks = [asyncio.create_task(ask(server, seed, event)) for seed, event in enumerate(events)]
        for event in events:
            await event.wait()
        assert not any(task.done() for task in tasks)
        os.kill(server.engine.pid, signal.SIGKILL)
        return list(await asyncio.gather(*tasks))

    with serve(tmp_path, "--parallel", "4", "--context", "4096") as server:
        texts = asyncio.run(asyncio.wait_for(test(server), 100))
        assert server.health()["models"][0]["restarts"] == 1
    for text in texts:
        jsonschema.validate(json.loads(text), schema)
