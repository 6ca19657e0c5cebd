"""`langchain-openai`, as LangChain's applications use it."""

from __future__ import annotations

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
def model(server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model="pocket", base_url=f"{server.url}/v1", api_key="none", temperature=0)


def test_streaming(model: Any) -> None:
    chunks = list(model.stream(FACT))
    assert len(chunks) > 5
    assert is_the_fact("".join(chunk.content for chunk in chunks))


def test_a_tool_round_trip(model: Any) -> None:
    from langchain_core.messages import HumanMessage, ToolMessage

    asked = HumanMessage(WEATHER)
    answer = model.bind_tools([TOOL], tool_choice="get_weather").invoke([asked])
    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Lisbon"})
    messages = [asked, answer, ToolMessage(RESULT, tool_call_id=call["id"])]
    assert "21" in model.bind_tools([TOOL]).invoke(messages).content


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_a_schema(model: Any, method: str) -> None:
    check_forecast(model.with_structured_output(FORECAST, method=method).invoke(FORM))
