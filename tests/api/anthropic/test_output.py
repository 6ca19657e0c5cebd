"""Events -> exact bytes. The golden files are under tests/golden/anthropic/.

To write them anew after an intended change: EDGELLM_WRITE_GOLDEN=1 pytest tests/api, then read
the diff.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgellm.api.anthropic.events import Head
from edgellm.api.anthropic.message import to_message
from edgellm.api.anthropic.stream import MessageStream
from edgellm.errors import EngineCrashed
from edgellm.types import Event, Finished, ReasoningDelta, Started, TextDelta, ToolCallDelta, Usage
from tests.api.conftest import FINISHED, HELLO, USAGE
from tests.api.openai.test_output import check_golden, written

GOLDEN = Path(__file__).parents[2] / "golden" / "anthropic"
HEAD = Head("msg_0", "pocket")

EVERYTHING: list[Event] = [
    Started(10),
    ReasoningDelta("Two "),
    ReasoningDelta("calls."),
    TextDelta("Let me "),
    TextDelta("look."),
    ToolCallDelta(0, "", id="call_a", name="weather"),
    ToolCallDelta(0, '{"city":'),
    ToolCallDelta(0, ' "Bern"}'),
    ToolCallDelta(1, "", id="call_b", name="now"),
    TextDelta("There."),
    Finished("tool_calls", Usage(10, 30, 4, 7)),
]
STOPPED: list[Event] = [Started(10), TextDelta("Hel"), Finished("stop", USAGE, stop="lo")]
CUT: list[Event] = [
    Started(10),
    ToolCallDelta(0, '{"city": "Be', id="call_a", name="weather"),
    Finished("length", USAGE),
]
NO_OBJECT: list[Event] = [
    Started(10),
    ToolCallDelta(0, "[1,", id="abc123def", name="weather"),
    ToolCallDelta(0, " 2]"),
    Finished("tool_calls", USAGE),
]
NOTHING: list[Event] = [Started(10), FINISHED]

ANSWERS = {
    "text": list(HELLO),
    "everything": EVERYTHING,
    "stop_sequence": STOPPED,
    "cut_call": CUT,
    "call_without_object": NO_OBJECT,
    "nothing": NOTHING,
}


def whole(events: list[Event]) -> Any:
    return to_message(HEAD, [(0, event) for event in events])


def streamed(events: list[Event], error: Exception | None = None) -> bytes:
    return written(MessageStream(HEAD, "req_0"), [(0, event) for event in events], error)


@pytest.mark.parametrize("name", ANSWERS)
def test_stream(name: str) -> None:
    check_golden(GOLDEN / f"{name}.sse", streamed(ANSWERS[name]))


def test_a_stream_that_fails() -> None:
    error = EngineCrashed("It died.", "Retry.")
    check_golden(GOLDEN / "crash.sse", streamed(EVERYTHING[:4], error))


@pytest.mark.parametrize("name", ANSWERS)
def test_whole(name: str) -> None:
    answer = msgspec.json.format(msgspec.json.encode(whole(ANSWERS[name])), indent=2) + b"\n"
    check_golden(GOLDEN / f"{name}.json", answer)


def test_no_golden_file_is_left_over() -> None:
    expected = {f"{name}.{kind}" for name in ANSWERS for kind in ("sse", "json")} | {"crash.sse"}
    assert {path.name for path in GOLDEN.iterdir()} == expected


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_is_the_whole_answer_in_pieces(name: str) -> None:
    """Every block begins, grows and ends once, in order; what it has grown to is the answer's."""
    events = [msgspec.json.decode(line[6:]) for line in streamed(ANSWERS[name]).splitlines()[1::3]]
    assert [event["type"] for event in events[:2]] == ["message_start", "ping"]
    assert [event["type"] for event in events[-2:]] == ["message_delta", "message_stop"]
    texts: list[str] = []
    is_open = False
    for event in events[2:-2]:
        is_open = event["type"] != "content_block_stop"
        if event["type"] == "content_block_start":
            texts.append("")
        assert event["index"] == len(texts) - 1
        if event["type"] == "content_block_delta":
            delta = event["delta"]
            texts[-1] += delta.get("text") or delta.get("thinking") or delta.get("partial_json", "")
    assert not is_open
    for block, text in zip(whole(ANSWERS[name])["content"], texts, strict=True):
        if block["type"] == "tool_use" and name != "cut_call":
            assert block["input"] == msgspec.json.decode(text)
        elif block["type"] != "tool_use":
            assert block[block["type"]] == text


@pytest.mark.parametrize(
    ("finished", "reason", "sequence"),
    [
        (Finished("stop", USAGE), "end_turn", None),
        (Finished("stop", USAGE, stop="\n\n"), "stop_sequence", "\n\n"),
        (Finished("length", USAGE), "max_tokens", None),
        (Finished("tool_calls", USAGE), "tool_use", None),
        (Finished("tool_calls", USAGE, stop="x"), "tool_use", None),
    ],
)
def test_stop_reasons(finished: Finished, reason: str, sequence: str | None) -> None:
    message = whole([Started(10), TextDelta("Hi"), finished])
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, sequence)
