"""`litellm`, through which many tools reach every server."""

from __future__ import annotations

import json
from typing import Any

import pytest

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
from tests.support.server import Server


@pytest.fixture
def complete(server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it would fetch it
    import litellm

    def complete(**arguments: Any) -> Any:
        base = {"model": "openai/pocket", "api_base": f"{server.url}/v1", "api_key": "none"}
        return litellm.completion(**base, **{"temperature": 0, **arguments})

    return complete


def ask(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def test_streaming(complete: Any) -> None:
    chunks = list(complete(messages=ask(FACT), stream=True))
    assert is_the_fact("".join(chunk.choices[0].delta.content or "" for chunk in chunks))


def test_a_tool_round_trip(complete: Any) -> None:
    messages = ask(WEATHER)
    named = {"type": "function", "function": {"name": "get_weather"}}
    message = complete(messages=messages, tools=[TOOL], tool_choice=named).choices[0].message
    (call,) = message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Lisbon"}
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": RESULT}]
    answer = complete(messages=messages, tools=[TOOL])
    assert "21" in answer.choices[0].message.content


def test_a_schema(complete: Any) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "forecast", "schema": FORECAST}}
    answer = complete(messages=ask(FORM), response_format=schema, temperature=1.3)
    check_forecast(answer.choices[0].message.content)
