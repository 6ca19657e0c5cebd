"""Events -> exact bytes. The golden files are under tests/golden/responses/.

To write them anew after an intended change: EDGELLM_WRITE_GOLDEN=1 pytest tests/api, then read
the diff.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgellm.api.responses.answer import ResponseAnswer, ResponseStream, whole_response
from edgellm.api.responses.head import to_head
from edgellm.api.responses.items import CallItem, Item
from edgellm.api.responses.schema import CreateResponseBody
from edgellm.api.validation import parse_body
from edgellm.errors import EngineCrashed
from edgellm.types import (
    Event,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)
from tests.api.conftest import FINISHED, HELLO, TIMINGS, USAGE

GOLDEN = Path(__file__).parents[2] / "golden" / "responses"
EURO = "€".encode()

SCRIPTS: dict[str, tuple[Event, ...]] = {
    "text": HELLO,
    "empty": (Started(10), FINISHED),
    "cut": (Started(10), TextDelta("Hel"), Finished("length", USAGE, TIMINGS)),
    "cut_reasoning": (Started(1), ReasoningDelta("Hm"), Finished("length", USAGE, TIMINGS)),
    "reasoning": (
        Started(10),
        ReasoningDelta("Let me "),
        ReasoningDelta("think."),
        TextDelta("Hi"),
        FINISHED,
    ),
    "tools": (
        Started(10),
        ReasoningDelta("Two calls."),
        TextDelta("Wait."),
        ToolCallDelta(0, "", id="call_a", name="weather"),
        ToolCallDelta(0, '{"city":'),
        ToolCallDelta(0, ' "Bern"}'),
        ToolCallDelta(1, "{}", id="call_b", name="now"),
        Finished("tool_calls", USAGE, TIMINGS),
    ),
    "logprobs": (
        Started(10),
        TextDelta("", (TokenLogprob(b"<think>", -0.1),)),
        ReasoningDelta("Hm."),
        TextDelta("", (TokenLogprob(EURO[:2], -0.5, ((b"a", -1.0), (b"b", float("-inf")))),)),
        TextDelta("€!", (TokenLogprob(EURO[2:], -0.25), TokenLogprob(b"!", float("-inf")))),
        TextDelta("", (TokenLogprob(b"<end>", -0.1),)),
        FINISHED,
    ),
}

BODY: dict[str, Any] = {
    "input": "Hi",
    "instructions": "Be brief.",
    "metadata": {"a": "b"},
    "tools": [
        {"type": "function", "name": "weather", "parameters": {"maximum": 10**30}, "strict": True}
    ],
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"minimum": -(10**30)}}},
    "reasoning": {"effort": "xhigh", "summary": "auto"},
}


def numbered() -> Callable[[str], str]:
    numbers = itertools.count()
    return lambda prefix: f"{prefix}_{next(numbers)}"


def answer(keep: Callable[[Any, list[Item]], None] = lambda _r, _o: None) -> ResponseAnswer:
    body = parse_body(CreateResponseBody, msgspec.json.encode({"input": "Hi"}))
    head = to_head(body, "pocket", "resp_0", 1_700_000_000)
    return ResponseAnswer(head, keep, numbered(), lambda: 1_700_000_001.5)


def written(events: Iterable[Event], error: Exception | None = None) -> bytes:
    writer = ResponseStream(answer())

    def frames() -> Iterable[bytes]:
        for event in events:
            yield from writer.event(0, event)
        yield from writer.error(error) if error else writer.end()

    return b"".join(frames())


@pytest.mark.parametrize("name", SCRIPTS)
def test_whole(name: str) -> None:
    whole = whole_response(answer(), [(0, event) for event in SCRIPTS[name]])
    check(f"{name}.json", msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n")


@pytest.mark.parametrize("name", SCRIPTS)
def test_stream(name: str) -> None:
    check(f"{name}.sse", written(SCRIPTS[name]))


@pytest.mark.parametrize(("name", "num_events"), [("crash", 6), ("early_crash", 0)])
def test_failed_streams(name: str, num_events: int) -> None:
    events = SCRIPTS["tools"][:num_events]
    check(f"{name}.sse", written(events, EngineCrashed("It died.", "Again.")))


def check(file: str, got: bytes) -> None:
    if os.environ.get("EDGELLM_WRITE_GOLDEN"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        (GOLDEN / file).write_bytes(got)
    assert got == (GOLDEN / file).read_bytes()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_stream_tells_what_the_whole_answer_says(name: str) -> None:
    check_stream(SCRIPTS[name])


def started_calls(pieces: list[str]) -> list[Event]:
    """A call in pieces; all get their index from where they come to stand."""
    first, *rest = [ToolCallDelta(0, piece) for piece in pieces]
    return [msgspec.structs.replace(first, id="call", name="f"), *rest]


TOKENS = st.lists(st.builds(TokenLogprob, st.binary(max_size=3), st.just(-0.5)), max_size=2)
PIECES: st.SearchStrategy[list[Event]] = st.one_of(
    st.builds(lambda text, tokens: [TextDelta(text, tuple(tokens))], st.text(max_size=3), TOKENS),
    st.builds(lambda text: [ReasoningDelta(text)], st.text(min_size=1, max_size=3)),
    st.builds(started_calls, st.lists(st.text(max_size=3), min_size=1, max_size=3)),
)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=8), st.sampled_from(["stop", "length", "tool_calls"]))
def test_any_answer_is_told_in_order(pieces: list[list[Event]], reason: Any) -> None:
    events = [event for piece in pieces for event in piece]
    output = check_stream((Started(1), *events, Finished(reason, USAGE)))
    said = "".join(event.text for event in events if isinstance(event, TextDelta))
    told = [each["content"] for each in output if each["type"] == "message"]
    assert "".join(part["text"] for content in told for part in content) == said


def check_stream(script: Iterable[Event]) -> list[Any]:
    """Numbered without gaps, everything that is added is done, and put together it is the whole.
    Gives the output."""
    events = [
        msgspec.json.decode(frame.split(b"data: ", 1)[1])
        for frame in written(script).split(b"\n\n")
        if frame
    ]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    added = [each for each in events if each["type"] == "response.output_item.added"]
    done = [each for each in events if each["type"] == "response.output_item.done"]
    assert [each["output_index"] for each in added] == list(range(len(added)))
    assert [each["item"]["id"] for each in added] == [each["item"]["id"] for each in done]
    whole = whole_response(answer(), [(0, event) for event in script])
    assert events[-1]["response"] == msgspec.json.decode(msgspec.json.encode(whole))
    output: list[Any] = events[-1]["response"]["output"]
    assert [each["item"] for each in done] == output
    for index, item in enumerate(output):
        deltas = "".join(
            event["delta"]
            for event in events
            if "delta" in event and event["output_index"] == index
        )
        assert deltas == (item["arguments"] if "arguments" in item else item["content"][0]["text"])
    return output


def test_the_request_is_echoed_as_it_was_understood() -> None:
    body = parse_body(CreateResponseBody, json.dumps(BODY).encode())
    head = to_head(body, "pocket", "resp_0", 1)
    encoded = msgspec.json.encode(head.to_json("in_progress"))
    shown = json.loads(encoded)
    assert shown["tools"] == [{**BODY["tools"][0], "description": None}]
    assert shown["text"] == {**BODY["text"], "verbosity": "medium"}
    assert shown["reasoning"] == {"effort": "xhigh", "summary": None}
    assert shown["instructions"] == "Be brief."
    assert shown["metadata"] == {"a": "b"}


def test_what_ended_is_kept_once_before_it_is_told() -> None:
    kept: list[tuple[str, list[Item]]] = []
    writer = ResponseStream(answer(lambda response, out: kept.append((response["status"], out))))
    for event in SCRIPTS["tools"]:
        list(writer.event(0, event))
    assert kept == []
    frames = iter(writer.end())
    next(frames)
    assert [status for status, _ in kept] == ["completed"]
    assert isinstance(kept[0][1][-1], CallItem)
    assert list(frames) == []
