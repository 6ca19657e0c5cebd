"""Events -> exact lines. The golden files are under tests/golden/ollama/.

To write them anew after an intended change: EDGELLM_WRITE_GOLDEN=1 pytest tests/api, then read
the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from edgellm.api.ollama.answers import Kind, OllamaStream, whole_answer, without_answer
from edgellm.api.ollama.output import Head, timestamp
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
from tests.api.conftest import HELLO, TIMINGS, USAGE

GOLDEN = Path(__file__).parents[2] / "golden" / "ollama"
NOW = 1_700_000_000_123_456_789
HEAD = Head("pocket:latest", 10.0, lambda: 10.5, lambda: NOW)
FINISHED = HELLO[-1]
EURO = "€".encode()
EVENTS: dict[str, tuple[Event, ...]] = {
    "text": HELLO,
    "thinking": (Started(10), ReasoningDelta("Hm"), ReasoningDelta("."), *HELLO[1:]),
    "tools": (
        Started(10),
        ReasoningDelta("Two calls."),
        ToolCallDelta(0, "", id="call_a", name="weather"),
        ToolCallDelta(0, '{"city":'),
        ToolCallDelta(0, ' "Bern"}'),
        ToolCallDelta(1, "{}", id="call_b", name="now"),
        Finished("tool_calls", USAGE, TIMINGS),
    ),
    "cut_call": (
        Started(10),
        ToolCallDelta(0, '{"city": "Be', id="call_a", name="weather"),
        Finished("length", USAGE, TIMINGS),
    ),
    "logprobs": (
        Started(10),
        TextDelta("", (TokenLogprob(EURO[:2], -0.5, ((b"a", -1.0), (b"b", float("-inf")))),)),
        TextDelta("€!", (TokenLogprob(EURO[2:], -0.25), TokenLogprob(b"!", float("-inf")))),
        FINISHED,
    ),
}
KINDS: tuple[Kind, ...] = ("chat", "generate")
CASES = [(name, kind) for name in EVENTS for kind in KINDS]


def streamed(name: str, kind: Kind) -> bytes:
    stream = OllamaStream(HEAD, kind)
    lines = [line for event in EVENTS[name] for line in stream.event(0, event)]
    return b"".join([*lines, *stream.end()])


def whole(name: str, kind: Kind) -> bytes:
    answer = whole_answer(HEAD, kind, [(0, event) for event in EVENTS[name]])
    return msgspec.json.format(msgspec.json.encode(answer)) + b"\n"


def golden(path: Path, got: bytes) -> bytes:
    if os.environ.get("EDGELLM_WRITE_GOLDEN"):
        path.write_bytes(got)
    return path.read_bytes()


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_streams(name: str, kind: Kind) -> None:
    got = streamed(name, kind)
    assert got == golden(GOLDEN / f"{kind}_{name}.ndjson", got)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_whole_answers(name: str, kind: Kind) -> None:
    got = whole(name, kind)
    assert got == golden(GOLDEN / f"{kind}_{name}.json", got)


@pytest.mark.parametrize("name", EVENTS)
def test_a_stream_s_lines_add_up_to_the_whole_answer(name: str) -> None:
    lines = [msgspec.json.decode(line) for line in streamed(name, "chat").splitlines()]
    answer = msgspec.json.decode(whole(name, "chat"))
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    messages = [line["message"] for line in lines]
    assert "".join(each["content"] for each in messages) == answer["message"]["content"]
    assert "".join(each.get("thinking", "") for each in messages) == answer["message"].get(
        "thinking", ""
    )
    calls = [call for each in messages for call in each.get("tool_calls", [])]
    assert calls == answer["message"].get("tool_calls", [])
    assert lines[-1]["total_duration"] == answer["total_duration"] == 500_000_000


def test_text_after_a_call_comes_after_it() -> None:
    stream = OllamaStream(HEAD, "chat")
    stream_events = [
        ToolCallDelta(0, "{}", id="a", name="now"),
        TextDelta("Done."),
    ]
    lines = [msgspec.json.decode(x) for e in stream_events for x in stream.event(0, e)]
    assert "tool_calls" in lines[0]["message"]
    assert lines[1]["message"]["content"] == "Done."


def test_a_failure_half_way_is_a_line() -> None:
    (line,) = OllamaStream(HEAD, "chat").error(EngineCrashed("The engine died.", "Try again."))
    assert line == b'{"error":"The engine died. Try again."}\n'


def test_what_is_not_followed_is_said_at_the_end() -> None:
    head = Head("pocket", 0.0, warnings=lambda: ["num_ctx"])
    answer = whole_answer(head, "chat", [(0, event) for event in HELLO])
    assert answer["warnings"] == ["num_ctx"]


def test_loading_has_no_figures() -> None:
    assert without_answer(HEAD, "generate", "load") == {
        "model": "pocket:latest",
        "created_at": "2023-11-14T22:13:20.123456789Z",
        "response": "",
        "done": True,
        "done_reason": "load",
    }


def test_times_keep_their_nanoseconds() -> None:
    assert timestamp(1) == "1970-01-01T00:00:00.000000001Z"
