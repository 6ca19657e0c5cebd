"""`truncation: auto`: what goes, and what stays."""

from __future__ import annotations

import anyio
import msgspec
import pytest

from edgellm.api.responses.truncate import fitted, room, shortened
from edgellm.types import GenerateRequest, Message, Sampling, ToolCall
from tests.api.conftest import READY, InMemory, ScriptedRouter

SYSTEM = Message("system", "s")
ASK = [Message("user", f"ask {i}") for i in range(3)]
ANSWER = [Message("assistant", f"answer {i}") for i in range(3)]
CALLS = [Message("assistant", tool_calls=(ToolCall(f"c{i}", "f", "{}"),)) for i in range(3)]
RESULTS = [Message("tool", f"result {i}", tool_call_id=f"c{i}") for i in range(3)]


def test_a_conversation_loses_its_oldest_turns() -> None:
    messages = (SYSTEM, ASK[0], ANSWER[0], ASK[1], CALLS[1], RESULTS[1], ANSWER[1], ASK[2])
    assert shortened(messages) == [(SYSTEM, *messages[3:]), (SYSTEM, ASK[2])]


def test_an_agent_s_work_loses_its_oldest_calls_with_their_results() -> None:
    rounds = [each for pair in zip(CALLS, RESULTS, strict=True) for each in pair]
    messages = (SYSTEM, ASK[0], ANSWER[0], ASK[1], *rounds)
    assert shortened(messages) == [
        (SYSTEM, ASK[1], *rounds),
        (SYSTEM, ASK[1], *rounds[2:]),
        (SYSTEM, ASK[1], *rounds[4:]),
    ]


@pytest.mark.parametrize("messages", [(), (SYSTEM,), (SYSTEM, ASK[0]), (ANSWER[0],)])
def test_what_cannot_be_shortened(messages: tuple[Message, ...]) -> None:
    assert shortened(messages) == []


@pytest.mark.parametrize(("max_tokens", "expected"), [(None, 2048 - 256), (10, 2038), (5000, 1024)])
def test_room_for_the_answer(max_tokens: int | None, expected: int) -> None:
    assert room(2048, max_tokens) == expected


@pytest.mark.parametrize(
    ("context", "num_left"), [(2048, 21), (40, 13), (12, 3), (8, 1), (2, 1), (None, 21)]
)
def test_as_much_as_fits_is_kept(context: int | None, num_left: int) -> None:
    """The scripted router counts words: two of a message, and one for its role."""
    router = ScriptedRouter()
    router.models = (msgspec.structs.replace(READY, context=context),)
    turns = [(Message("user", f"ask {i}"), Message("assistant", f"told {i}")) for i in range(10)]
    messages = (*(each for turn in turns for each in turn), Message("user", "last one"))
    request = GenerateRequest("pocket", messages=messages, sampling=Sampling(max_tokens=1))
    result = anyio.run(fitted, router, request)
    assert result.messages == messages[-num_left:]


def test_the_route(client: InMemory, router: ScriptedRouter) -> None:
    router.models = (msgspec.structs.replace(READY, context=20),)
    input_ = [{"role": "user", "content": f"{i} " * 6} for i in range(5)]
    for truncation, num_messages in (("disabled", 5), (None, 5), ("auto", 2)):
        client.post(
            "/v1/responses", {"input": input_, "truncation": truncation, "max_output_tokens": 4}
        )
        assert len(router.requests[-1].messages) == num_messages
