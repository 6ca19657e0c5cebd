"""The official `openai` SDK understands every answer and every error."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI

from edgellm.errors import ContextLengthExceeded, EngineBusy, EngineCrashed
from edgellm.types import (
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)
from tests.api.conftest import FINISHED, USAGE, ScriptedRouter

MESSAGES = [{"role": "user", "content": "Hi"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


@pytest.fixture
def sdk(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_chat(sdk: OpenAI) -> None:
    answer = sdk.chat.completions.create(model="pocket", messages=MESSAGES, seed=1, stop=["x"])
    assert answer.choices[0].message.content == "Hello"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.prompt_tokens_details
    assert answer.usage.prompt_tokens_details.cached_tokens == 4
    assert answer.model_extra
    assert answer.model_extra["timings"]["queue_ms"] == 1


def test_chat_stream(sdk: OpenAI) -> None:
    stream = sdk.chat.completions.create(
        model="pocket", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert last.usage
    assert last.usage.total_tokens == 12


def test_streaming_helper(sdk: OpenAI) -> None:
    """`chat.completions.stream` puts the chunks together itself, and is strict about them."""
    with sdk.chat.completions.stream(model="pocket", messages=MESSAGES) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert kinds.count("content.delta") >= 2
    assert final.choices[0].message.content == "Hello"


def test_tools(sdk: OpenAI, router: ScriptedRouter) -> None:
    router.script = lambda _r, _i: [
        Started(10),
        ReasoningDelta("A call."),
        ToolCallDelta(0, "", id="call_a", name="weather"),
        ToolCallDelta(0, '{"city": "Bern"}'),
        Finished("tool_calls", USAGE),
    ]
    answer = sdk.chat.completions.create(model="pocket", messages=MESSAGES, tools=TOOLS)
    message = answer.choices[0].message
    assert message.content is None
    assert message.tool_calls
    assert message.tool_calls[0].id == "call_a"
    assert message.tool_calls[0].type == "function"
    assert message.tool_calls[0].function.arguments == '{"city": "Bern"}'
    assert message.model_extra == {"reasoning_content": "A call."}

    with sdk.chat.completions.stream(model="pocket", messages=MESSAGES, tools=TOOLS) as stream:
        final = stream.get_final_completion().choices[0]
    assert final.finish_reason == "tool_calls"
    assert final.message.tool_calls
    assert final.message.tool_calls[0].function.name == "weather"
    assert final.message.tool_calls[0].function.arguments == '{"city": "Bern"}'
    assert router.requests[0].tools[0].name == "weather"

    history = [*MESSAGES, message, {"role": "tool", "tool_call_id": "call_a", "content": "Sun."}]
    sdk.chat.completions.create(model="pocket", messages=history, tools=TOOLS)
    assert router.requests[-1].messages[1].tool_calls[0].name == "weather"


def test_logprobs(sdk: OpenAI, router: ScriptedRouter) -> None:
    token = TokenLogprob(b"Hi", -0.5, ((b"Hi", -0.5), (b"Ho", -1.5)))
    router.script = lambda _r, _i: [Started(1), TextDelta("Hi", (token,)), FINISHED]
    chat = sdk.chat.completions.create(
        model="pocket", messages=MESSAGES, logprobs=True, top_logprobs=2
    )
    assert chat.choices[0].logprobs
    assert chat.choices[0].logprobs.content
    assert chat.choices[0].logprobs.content[0].bytes == [72, 105]
    assert [top.token for top in chat.choices[0].logprobs.content[0].top_logprobs] == ["Hi", "Ho"]
    raw = sdk.completions.create(model="pocket", prompt="x", logprobs=2)
    assert raw.choices[0].logprobs
    assert raw.choices[0].logprobs.tokens == ["Hi"]
    assert raw.choices[0].logprobs.top_logprobs == [{"Hi": -0.5, "Ho": -1.5}]
    assert raw.choices[0].logprobs.text_offset == [0]
    assert router.requests[0].sampling.top_logprobs == 2


def test_completions(sdk: OpenAI) -> None:
    assert sdk.completions.create(model="pocket", prompt="x").choices[0].text == "Hello"
    stream = sdk.completions.create(model="pocket", prompt=["x"], stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == "Hello"


def test_models(sdk: OpenAI) -> None:
    assert [model.id for model in sdk.models.list()] == ["pocket"]
    model = sdk.models.retrieve("tiny")
    assert (model.id, model.owned_by, model.created) == ("pocket", "edgellm", 1_700_000_000)
    with pytest.raises(openai.NotFoundError) as error:
        sdk.models.retrieve("gpt-9")
    assert error.value.code == "model_not_found"


def test_bad_request(sdk: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        sdk.chat.completions.create(model="pocket", messages=MESSAGES, temperature=9)
    assert (error.value.code, error.value.param) == ("invalid_value", "temperature")
    assert error.value.type == "invalid_request_error"


def test_too_long(sdk: OpenAI, router: ScriptedRouter) -> None:
    router.script = lambda _r, _i: [ContextLengthExceeded(99, 64)]
    with pytest.raises(openai.BadRequestError, match="99 tokens") as error:
        sdk.chat.completions.create(model="pocket", messages=MESSAGES, stream=True)
    assert (error.value.code, error.value.param) == ("context_length_exceeded", "messages")


def test_a_busy_engine(sdk: OpenAI, router: ScriptedRouter) -> None:
    busy = EngineBusy("Full.")
    with pytest.raises(openai.InternalServerError) as error:
        router.script = lambda _r, _i: [busy]
        sdk.chat.completions.create(model="pocket", messages=MESSAGES)
    assert (error.value.status_code, error.value.code) == (503, "engine_busy")


def test_error_in_the_middle_of_a_stream(sdk: OpenAI, router: ScriptedRouter) -> None:
    router.script = lambda _r, _i: [
        Started(1),
        TextDelta("Hel"),
        EngineCrashed("It died.", "Again."),
    ]
    stream = sdk.chat.completions.create(model="pocket", messages=MESSAGES, stream=True)
    texts = []
    with pytest.raises(openai.APIError, match=r"It died\. Again\.") as error:
        for chunk in stream:
            texts.append(chunk.choices[0].delta.content)
    assert texts == ["", "Hel"]
    assert error.value.code == "engine_crashed"
