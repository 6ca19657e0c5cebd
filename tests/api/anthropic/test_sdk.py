"""The official `anthropic` SDK understands every answer and every error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic
from anthropic.types import TextBlock, ThinkingBlock, ToolUseBlock
from pydantic import BaseModel

from edgellm.errors import ContextLengthExceeded, EngineBusy, EngineCrashed
from edgellm.types import Finished, ReasoningDelta, Started, TextDelta, ToolCall, ToolCallDelta
from tests.api.conftest import FINISHED, USAGE, ScriptedRouter

MESSAGES: Any = [{"role": "user", "content": "Hi"}]
ASK: Any = {"model": "pocket", "max_tokens": 100, "messages": MESSAGES}
TOOLS: Any = [{"name": "weather", "input_schema": {"type": "object"}}]
CALLS = (
    Started(10),
    ReasoningDelta("A call."),
    TextDelta("Let me look."),
    ToolCallDelta(0, "", id="call_a", name="weather"),
    ToolCallDelta(0, '{"city":'),
    ToolCallDelta(0, ' "Bern"}'),
    ToolCallDelta(1, "", id="call_b", name="now"),
    Finished("tool_calls", USAGE),
)


@pytest.fixture
def sdk(url: str) -> Iterator[Anthropic]:
    with Anthropic(base_url=url, api_key="none", max_retries=0) as client:
        yield client


def test_a_message(sdk: Anthropic) -> None:
    message = sdk.messages.create(**ASK, stop_sequences=["x"])
    assert message.content == [TextBlock(type="text", text="Hello")]
    assert (message.role, message.stop_reason, message.stop_sequence) == (
        "assistant",
        "end_turn",
        None,
    )
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (6, 4, 2)
    assert (message._request_id or "").startswith("req_")


def test_a_stream_of_raw_events(sdk: Anthropic) -> None:
    events = list(sdk.messages.create(**ASK, stream=True))
    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_the_streaming_helper(sdk: Anthropic) -> None:
    with sdk.messages.stream(**ASK) as stream:
        assert list(stream.text_stream) == ["Hel", "lo"]
        final = stream.get_final_message()
    assert final.content[0].type == "text"
    assert final.content[0].text == "Hello"
    assert (final.stop_reason, final.usage.input_tokens) == ("end_turn", 6)
    assert (final.usage.cache_read_input_tokens, final.usage.output_tokens) == (4, 2)


def test_a_stop_sequence(sdk: Anthropic, router: ScriptedRouter) -> None:
    router.script = lambda _r, _i: [Started(10), Finished("stop", USAGE, stop="END")]
    message = sdk.messages.create(**ASK, stop_sequences=["END"])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "END")
    with sdk.messages.stream(**ASK, stop_sequences=["END"]) as stream:
        assert stream.get_final_message().stop_sequence == "END"


def test_tools_there_and_back(sdk: Anthropic, router: ScriptedRouter) -> None:
    router.script = lambda _r, _i: CALLS
    message = sdk.messages.create(**ASK, tools=TOOLS, thinking={"type": "adaptive"})
    thinking, text, first, second = message.content
    assert isinstance(thinking, ThinkingBlock)
    assert thinking.thinking == "A call."
    assert thinking.signature
    assert isinstance(text, TextBlock)
    assert isinstance(first, ToolUseBlock)
    assert isinstance(second, ToolUseBlock)
    assert (first.name, first.input, second.input) == ("weather", {"city": "Bern"}, {})
    assert message.stop_reason == "tool_use"

    with sdk.messages.stream(**ASK, tools=TOOLS) as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_message()
    assert {"thinking", "signature", "text", "input_json"} <= set(kinds)
    assert [block.model_dump(exclude={"parsed_output"}) for block in streamed.content] == [
        block.model_dump() for block in message.content
    ]

    results: Any = [
        {"type": "tool_result", "tool_use_id": first.id, "content": "Sun."},
        {"type": "tool_result", "tool_use_id": second.id, "content": "Noon."},
    ]
    history: Any = [message.to_param(), {"role": "user", "content": results}]
    sdk.messages.create(**ASK | {"messages": MESSAGES + history}, tools=TOOLS)
    _, turn, sun, noon = router.requests[-1].messages
    assert (turn.content, turn.reasoning) == ("Let me look.", "A call.")
    assert turn.tool_calls[0] == ToolCall("call_a", "weather", '{"city": "Bern"}')
    assert [(each.role, each.tool_call_id) for each in (sun, noon)] == [
        ("tool", "call_a"),
        ("tool", "call_b"),
    ]


def test_a_parsed_answer(sdk: Anthropic, router: ScriptedRouter) -> None:
    class City(BaseModel):
        name: str
        population: int

    text = '{"name": "Bern", "population": 134000}'
    router.script = lambda _r, _i: [Started(10), TextDelta(text), FINISHED]
    message = sdk.messages.parse(**ASK, output_format=City)
    assert message.parsed_output == City(name="Bern", population=134_000)
    constraint = router.requests[0].constraint
    assert constraint is not None
    assert constraint.kind == "json_schema"


def test_a_begun_answer(sdk: Anthropic, router: ScriptedRouter) -> None:
    begun: Any = [*MESSAGES, {"role": "assistant", "content": "Well, "}]
    sdk.messages.create(**ASK | {"messages": begun})
    assert router.requests[0].continues_last


def test_count_tokens(sdk: Anthropic) -> None:
    counted = sdk.messages.count_tokens(model="pocket", messages=MESSAGES, system="Be brief.")
    assert counted.input_tokens == 5


def test_models(sdk: Anthropic) -> None:
    (model,) = list(sdk.models.list())
    assert (model.id, model.type, model.created_at.timestamp()) == ("pocket", "model", 1.7e9)
    assert sdk.models.retrieve("tiny") == model
    with pytest.raises(anthropic.NotFoundError) as error:
        sdk.models.retrieve("claude-opus-4-1")
    assert error.value.type == "not_found_error"


def test_a_bad_request(sdk: Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="'temperature'") as error:
        sdk.messages.create(**ASK, extra_body={"temperature": 9})
    assert error.value.type == "invalid_request_error"
    assert (error.value.request_id or "").startswith("req_")


def test_an_unknown_model(sdk: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="--alias"):
        sdk.messages.create(**ASK | {"model": "claude-of-tomorrow"})


@pytest.mark.parametrize("is_stream", [False, True])
def test_too_long_and_too_busy(sdk: Anthropic, router: ScriptedRouter, is_stream: bool) -> None:
    router.script = lambda _r, _i: [ContextLengthExceeded(99, 64)]
    with pytest.raises(anthropic.BadRequestError, match="99 tokens"):
        sdk.messages.create(**ASK, stream=is_stream)
    router.script = lambda _r, _i: [EngineBusy("Full.")]
    with pytest.raises(anthropic.InternalServerError) as error:
        sdk.messages.create(**ASK, stream=is_stream)
    assert error.value.type == "overloaded_error"


def test_an_error_in_the_middle_of_a_stream(sdk: Anthropic, router: ScriptedRouter) -> None:
    crash = EngineCrashed("It died.", "Again.")
    router.script = lambda _r, _i: [Started(1), TextDelta("Hel"), crash]
    texts = []
    with (
        pytest.raises(anthropic.APIStatusError, match=r"It died\. Again\.") as error,
        sdk.messages.stream(**ASK) as stream,
    ):
        texts.extend(stream.text_stream)
    assert texts == ["Hel"]
    assert error.value.type == "api_error"
