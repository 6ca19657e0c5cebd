"""The official `openai` SDK speaks to /v1/responses: whole, streamed, parsed, and in agents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pydantic
import pytest
from openai import OpenAI
from openai.types.responses import (
    Response,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseReasoningItem,
)

from edgellm.errors import EngineBusy, EngineCrashed
from edgellm.types import (
    Finished,
    Message,
    ReasoningDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from tests.api.conftest import FINISHED, ScriptedRouter

TOOLS: Any = [
    {
        "type": "function",
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        "strict": False,
    }
]
CALLING = (
    Started(10),
    ReasoningDelta("A call."),
    ToolCallDelta(0, "", id="call_a", name="weather"),
    ToolCallDelta(0, '{"city": "Bern"}'),
    Finished("tool_calls", Usage(10, 5, 4, reasoning_tokens=3)),
)


class City(pydantic.BaseModel):
    name: str
    days: int


@pytest.fixture
def sdk(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


def check_strictly(response: Response) -> None:
    """The SDK is lenient with what it receives; its types are not."""
    Response.model_validate(response.to_dict(), strict=False)


def test_whole(sdk: OpenAI) -> None:
    response = sdk.responses.create(
        model="pocket", input="Hi", instructions="Be brief.", metadata={"a": "b"}, temperature=0
    )
    assert response.output_text == "Hello"
    assert (response.status, response.model, response.error) == ("completed", "pocket", None)
    assert (response.instructions, response.metadata) == ("Be brief.", {"a": "b"})
    assert response.usage
    assert response.usage.total_tokens == 12
    assert response.usage.input_tokens_details.cached_tokens == 4
    check_strictly(response)


def test_stream(sdk: OpenAI) -> None:
    events = list(sdk.responses.create(model="pocket", input="Hi", stream=True))
    text = "".join(each.delta for each in events if each.type == "response.output_text.delta")
    assert text == "Hello"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert last.type == "response.completed"
    check_strictly(last.response)
    for event in events:  # every event is what its own type says
        type(event).model_validate(event.to_dict())


def test_streaming_helper(sdk: OpenAI, router: ScriptedRouter) -> None:
    """It puts the events together itself, and is strict about their order."""
    router.script = lambda _r, _n: CALLING
    with sdk.responses.stream(model="pocket", input="Hi", tools=TOOLS) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds.count("response.reasoning_text.delta") == 1
    assert kinds.count("response.function_call_arguments.done") == 1
    thought, call = final.output
    assert isinstance(thought, ResponseReasoningItem)
    assert thought.content
    assert thought.content[0].text == "A call."
    assert isinstance(call, ResponseFunctionToolCall)
    assert (call.call_id, call.name, call.arguments) == ("call_a", "weather", '{"city": "Bern"}')
    assert final.usage
    assert final.usage.output_tokens_details.reasoning_tokens == 3
    check_strictly(final)


@pytest.mark.parametrize("is_streamed", [True, False])
def test_parsing(sdk: OpenAI, router: ScriptedRouter, is_streamed: bool) -> None:
    router.script = lambda _r, _n: [
        Started(1),
        TextDelta('{"name": "Bern",'),
        TextDelta(' "days": 3}'),
        FINISHED,
    ]
    final: Any
    if is_streamed:
        with sdk.responses.stream(model="pocket", input="Hi", text_format=City) as stream:
            final = stream.get_final_response()
    else:
        final = sdk.responses.parse(model="pocket", input="Hi", text_format=City)
    assert final.output_parsed == City(name="Bern", days=3)
    constraint = router.requests[0].constraint
    assert constraint
    assert (constraint.kind, constraint.param) == ("json_schema", "text.format.schema")


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_tool_s_round_trip(sdk: OpenAI, router: ScriptedRouter, is_stored: bool) -> None:
    """With the response's id, or with all of its items sent back as they came."""
    router.script = lambda _r, number: CALLING if number == 0 else (Started(1), FINISHED)
    first = sdk.responses.create(model="pocket", input="Hi", tools=TOOLS, store=is_stored)
    result: Any = {"type": "function_call_output", "call_id": "call_a", "output": "Sun."}
    if is_stored:
        sdk.responses.create(
            model="pocket", input=[result], previous_response_id=first.id, tools=TOOLS
        )
    else:
        history: Any = [{"role": "user", "content": "Hi"}, *first.output, result]
        sdk.responses.create(model="pocket", input=history, tools=TOOLS, store=False)
    assert router.requests[1].messages == (
        Message("user", "Hi"),
        Message(
            "assistant",
            tool_calls=(ToolCall("call_a", "weather", '{"city": "Bern"}'),),
            reasoning="A call.",
        ),
        Message("tool", "Sun.", tool_call_id="call_a"),
    )


def test_logprobs(sdk: OpenAI, router: ScriptedRouter) -> None:
    token = TokenLogprob(b"Hi", -0.5, ((b"Hi", -0.5), (b"Ho", -1.5)))
    router.script = lambda _r, _n: [Started(1), TextDelta("Hi", (token,)), FINISHED]
    response = sdk.responses.create(
        model="pocket", input="x", top_logprobs=2, include=["message.output_text.logprobs"]
    )
    message = response.output[0]
    assert isinstance(message, ResponseOutputMessage)
    content = message.content[0]
    assert content.type == "output_text"
    assert content.logprobs
    assert [each.token for each in content.logprobs[0].top_logprobs] == ["Hi", "Ho"]
    assert router.requests[0].sampling.top_logprobs == 2
    check_strictly(response)


def test_what_is_stored(sdk: OpenAI) -> None:
    first = sdk.responses.create(model="pocket", input="One")
    second = sdk.responses.create(model="pocket", input="Two", previous_response_id=first.id)
    assert sdk.responses.retrieve(second.id).previous_response_id == first.id
    page = sdk.responses.input_items.list(second.id, limit=2, order="asc")
    assert [item.type for item in page] == ["message"] * 3, "the SDK turns the page by itself"
    count = sdk.responses.input_tokens.count(model="pocket", input="a b c")
    assert count.input_tokens == 4
    with pytest.raises(openai.BadRequestError, match="background"):
        sdk.responses.cancel(first.id)
    sdk.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError) as error:
        sdk.responses.retrieve(first.id)
    assert error.value.code == "response_not_found"


def test_an_answer_that_was_cut(sdk: OpenAI, router: ScriptedRouter) -> None:
    router.script = lambda _r, _n: [
        Started(1),
        TextDelta("Hel"),
        Finished("length", FINISHED.usage),
    ]
    response = sdk.responses.create(model="pocket", input="x", max_output_tokens=1)
    assert response.status == "incomplete"
    assert response.incomplete_details
    assert response.incomplete_details.reason == "max_output_tokens"
    check_strictly(response)
    with sdk.responses.stream(model="pocket", input="x") as stream:
        assert [event.type for event in stream][-1] == "response.incomplete"


def test_a_failure_half_way(sdk: OpenAI, router: ScriptedRouter) -> None:
    router.script = lambda _r, _n: [Started(1), TextDelta("Hel"), EngineCrashed("It died.", "Hm.")]
    with sdk.responses.stream(model="pocket", input="x") as stream:
        *_, last = list(stream)
    assert last.type == "response.failed"
    assert last.response.error
    assert last.response.error.message == "It died. Hm."


def test_a_busy_engine(sdk: OpenAI, router: ScriptedRouter) -> None:
    router.script = lambda _r, _n: [EngineBusy("Full.")]
    with pytest.raises(openai.InternalServerError) as error:
        sdk.responses.create(model="pocket", input="x")
    assert (error.value.status_code, error.value.code) == (503, "engine_busy")


def test_hosted_tools_are_refused_by_name(sdk: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="web_search") as error:
        sdk.responses.create(model="pocket", input="x", tools=[{"type": "web_search"}])
    assert error.value.param == "tools[0].type"
