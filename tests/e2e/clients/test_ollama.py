"""Ollama's official client against a live server with the built-in model."""

from __future__ import annotations

import json
from collections.abc import Iterator

import ollama
import pytest
from jsonschema import validate

from tests.support.server import Server

GREEDY = ollama.Options(temperature=0)
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}, "size": {"type": "boolean"}},
    "required": ["colour", "size"],
    "additionalProperties": False,
}


@pytest.fixture
def sdk(server: Server) -> Iterator[ollama.Client]:
    with ollama.Client(server.url) as client:
        yield client


def get_weather(city: str) -> str:
    """Get the current weather in a city

    Args:
        city: The city
    """
    return json.dumps({"city": city, "temperature": 21})


def test_a_streamed_chat_is_the_whole_one(sdk: ollama.Client) -> None:
    question = [{"role": "user", "content": "What is GGUF?"}]
    chunks = list(sdk.chat("pocket:latest", question, options=GREEDY, stream=True))
    text = "".join(chunk.message.content or "" for chunk in chunks)
    whole = sdk.chat("pocket", question, options=GREEDY)
    assert text == whole.message.content
    assert len(chunks) > 5
    last = chunks[-1]
    assert last.done_reason == "stop"
    assert last.prompt_eval_count == whole.prompt_eval_count
    assert (last.eval_count or 0) > 5
    assert (last.total_duration or 0) >= (last.eval_duration or 0) > 0
    assert sdk.generate("pocket", "What is GGUF?", options=GREEDY).response == text


def test_a_tool_s_round_trip(sdk: ollama.Client) -> None:
    messages: list[object] = [{"role": "user", "content": "What is the weather in Lisbon?"}]
    answer = sdk.chat("pocket", messages, tools=[get_weather], options=GREEDY)
    (call,) = answer.message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("get_weather", {"city": "Lisbon"})
    result = get_weather(**call.function.arguments)
    messages += [answer.message, {"role": "tool", "tool_name": "get_weather", "content": result}]
    final = sdk.chat("pocket", messages, tools=[get_weather], options=GREEDY)
    assert "21" in (final.message.content or "")


@pytest.mark.parametrize("seed", range(3))
def test_an_answer_keeps_to_its_schema(sdk: ollama.Client, seed: int) -> None:
    options = ollama.Options(temperature=1, seed=seed)
    answer = sdk.generate("pocket", "Describe a shirt.", format=SCHEMA, options=options)
    assert answer.done_reason == "stop"
    validate(json.loads(answer.response or ""), SCHEMA)


def test_models_are_listed_shown_and_loaded(sdk: ollama.Client) -> None:
    (model,) = sdk.list().models
    assert model.model == "pocket:latest"
    assert model.details is not None
    assert model.details.parameter_size == "6.56M"
    shown = sdk.show("pocket")
    assert shown.capabilities == ["completion", "tools"]
    assert (shown.modelinfo or {})["llama.context_length"] == 2048
    assert sdk.generate("pocket", "").done_reason == "load"
    (loaded,) = sdk.ps().models
    assert loaded.context_length == 2048
    assert (loaded.size or 0) > 10_000_000


def test_errors(sdk: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError) as caught:
        sdk.chat("llama3.2", [{"role": "user", "content": "Hi"}])
    assert (caught.value.error, caught.value.status_code) == ("model 'llama3.2' not found", 404)
    long = "word " * 4000
    with pytest.raises(ollama.ResponseError, match="2048") as caught:
        sdk.generate("pocket", long, options=ollama.Options(num_ctx=16384))
    assert caught.value.status_code == 400
