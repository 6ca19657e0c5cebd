"""Where all requests pass: seats are given back however an answer ends, and all is counted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest

from edgellm.errors import DeadlineExceeded, EngineError, ModelNotFound, QueueFull
from edgellm.serving.desk import Desk, Visit
from edgellm.serving.tally import ModelTally
from edgellm.types import (
    Event,
    Finished,
    GenerateRequest,
    ReasoningDelta,
    Started,
    TextDelta,
    Timings,
    Usage,
)
from tests.api.conftest import HELLO, READY, Hang, ScriptedRouter

REQUEST = GenerateRequest("tiny", prompt="Once", client="me")


class Clock:
    """Moves by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 30))


async def read(visit: Visit) -> list[Event]:
    """All events of all answers, then the end of the visit."""
    events: list[Event] = []
    try:
        for generator in visit.generators:
            events += [event async for event in generator]
    finally:
        visit.close()
    return events


def tally(desk: Desk) -> ModelTally:
    (found,) = desk.tally.models.values()
    return found


def test_an_answer_passes_unchanged_and_is_counted() -> None:
    router = ScriptedRouter()
    desk = Desk(router)

    async def test() -> None:
        visit = desk.admit([REQUEST])
        assert desk.num_seats("pocket") == 1
        assert tuple(await read(visit)) == HELLO

    run(test())
    found = tally(desk)
    assert desk.num_seats("pocket") == 0
    assert found.outcomes == {"stop": 1}
    assert (found.num_prompt_tokens, found.num_cached_tokens) == (10, 4)
    assert found.num_generated_tokens == 2
    assert found.cache_hit_rate == 0.4
    assert found.num_disconnects == 0


def test_times_are_from_the_request_to_each_piece() -> None:
    clock = Clock()
    events: list[tuple[float, Event]] = [
        (1.0, Started(10)),
        (3.0, ReasoningDelta("hm")),
        (0.5, TextDelta("a")),
        (0.0, TextDelta("b")),  # the same token's
        (0.5, TextDelta("c")),
        (1.0, Finished("length", Usage(10, 3), Timings(0.5, 2.0, 1.0))),
    ]

    class Timed(ScriptedRouter):
        async def generate(self, request: GenerateRequest) -> Any:
            for seconds, event in events:
                clock.now += seconds
                yield event

    desk = Desk(Timed(), clock=clock)
    run(read_all(desk))
    found = tally(desk)
    assert found.ttft.total == pytest.approx(4.0)
    assert found.inter_token.total == pytest.approx(1.0)
    assert sum(found.inter_token.counts) == 2
    assert found.end_to_end.total == pytest.approx(6.0)
    assert found.queue.total == pytest.approx(0.5)
    assert found.prefill_rate.total == pytest.approx(5.0)
    assert found.decode_rate.total == pytest.approx(2.0)
    assert found.outcomes == {"length": 1}


async def read_all(desk: Desk, *requests: GenerateRequest) -> None:
    await read(desk.admit(requests or [REQUEST]))


def test_a_refused_request_costs_nothing() -> None:
    router = ScriptedRouter()
    desk = Desk(router, queue_limit=0)

    async def test() -> None:
        visit = desk.admit([REQUEST] * 4)
        with pytest.raises(QueueFull):
            desk.admit([REQUEST])
        visit.close()

    run(test())
    assert router.requests == []
    assert tally(desk).refusals == {"queue_full": 1}
    assert desk.num_seats("pocket") == 0


def test_a_deadline_that_cannot_be_met_costs_nothing() -> None:
    router = ScriptedRouter()
    desk = Desk(router)

    async def test() -> None:
        await read_all(desk)  # 0.02 s for the prompt, 0.1 s for the second token
        with pytest.raises(DeadlineExceeded):
            desk.admit([msgspec.structs.replace(REQUEST, deadline_seconds=0.001)])

    run(test())
    assert len(router.requests) == 1
    assert tally(desk).refusals == {"deadline": 1}


def test_models_have_queues_of_their_own() -> None:
    router = ScriptedRouter()
    router.models = (READY, msgspec.structs.replace(READY, id="other", aliases=()))
    desk = Desk(router, queue_limit=0)
    other = msgspec.structs.replace(REQUEST, model="other")

    async def test() -> None:
        first, second = desk.admit([REQUEST] * 4), desk.admit([other] * 4)
        assert desk.num_seats("pocket") == desk.num_seats("other") == 4
        first.close()
        second.close()

    run(test())


def test_an_unknown_model_is_not_remembered() -> None:
    desk = Desk(ScriptedRouter())
    with pytest.raises(ModelNotFound):
        desk.admit([GenerateRequest("made up", prompt="x")])
    assert desk.tally.models == {}
    assert desk.num_seats("made up") == 0


def test_answers_that_were_never_begun_give_their_seats_back() -> None:
    desk = Desk(ScriptedRouter())

    async def test() -> None:
        visit = desk.admit([REQUEST] * 3)
        assert desk.num_seats("pocket") == 3
        visit.close()
        visit.close()
        for generator in visit.generators:
            await generator.aclose()

    run(test())
    assert desk.num_seats("pocket") == 0
    assert tally(desk).outcomes == {"cancelled": 3}
    assert tally(desk).num_disconnects == 1  # one client


def test_an_error_is_one_and_no_disconnect() -> None:
    desk = Desk(ScriptedRouter((Started(3), EngineError("it died"))))

    async def test() -> None:
        with pytest.raises(EngineError):
            await read_all(desk, REQUEST, REQUEST)

    run(test())
    assert tally(desk).outcomes == {"error": 1, "cancelled": 1}
    assert tally(desk).num_disconnects == 0
    assert desk.num_seats("pocket") == 0


def test_a_client_that_leaves_is_a_disconnect_and_the_work_ends() -> None:
    router = ScriptedRouter((Started(3), TextDelta("x"), Hang()))
    desk = Desk(router)

    async def test() -> None:
        visit = desk.admit([REQUEST])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await read(visit)

    run(test())
    assert router.closed == [0]
    assert tally(desk).outcomes == {"cancelled": 1}
    assert tally(desk).num_disconnects == 1


def test_a_deadline_is_no_disconnect() -> None:
    clock = Clock()
    desk = Desk(ScriptedRouter((Started(3), Hang())), clock=clock)

    async def test() -> None:
        visit = desk.admit([msgspec.structs.replace(REQUEST, deadline_seconds=5.0)])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                clock.now += 5.0
                await read(visit)

    run(test())
    assert tally(desk).outcomes == {"deadline": 1}
    assert tally(desk).num_disconnects == 0


def test_the_version_is_that_of_the_model_once_it_is_loaded() -> None:
    router = ScriptedRouter()
    router.models = (msgspec.structs.replace(READY, state="starting", version=""),)
    desk = Desk(router)

    async def test() -> None:
        visit = desk.admit([REQUEST])
        router.models = (msgspec.structs.replace(READY, version="Q4_K"),)
        await read(visit)

    run(test())
    assert desk.tally.models["pocket", "Q4_K"].outcomes == {"stop": 1}


def test_work_that_is_no_answer_takes_places_too() -> None:
    desk = Desk(ScriptedRouter(), queue_limit=0)
    with pytest.raises(RuntimeError, match="broken"), desk.hold([REQUEST] * 4):
        assert desk.num_seats("pocket") == 4
        with pytest.raises(QueueFull):
            desk.admit([REQUEST])
        raise RuntimeError("broken")
    assert desk.num_seats("pocket") == 0
