"""Events -> exact bytes. The golden files are under tests/golden/openai/.

To write them anew after an intended change: EDGELLM_WRITE_GOLDEN=1 pytest tests/api, then read
the diff.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgellm.api.openai.chat import ChatStream, chat_completion
from edgellm.api.openai.completions import CompletionStream, Offsets, completion, token_text
from edgellm.api.openai.output import Head, to_timings
from edgellm.api.sse import StreamWriter
from edgellm.errors import EngineCrashed
from edgellm.types import (
    Event,
    Finished,
    ReasoningDelta,
    Started,
    TextDelta,
    Timings,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from tests.api.conftest import FINISHED, HELLO, TIMINGS, USAGE

GOLDEN = Path(__file__).parents[2] / "golden" / "openai"
HEAD = Head("chatcmpl-0", 1_700_000_000, "pocket")
COMPLETION_HEAD = Head("cmpl-0", 1_700_000_000, "pocket")

Indexed = list[tuple[int, Event]]

EURO = "€".encode()
LOGPROBS: Indexed = [
    (0, Started(10)),
    (0, TextDelta("", (TokenLogprob(EURO[:2], -0.5, ((b"a", -1.0), (b"b", float("-inf")))),))),
    (0, TextDelta("€!", (TokenLogprob(EURO[2:], -0.25), TokenLogprob(b"!", float("-inf"))))),
    (0, FINISHED),
]
TOOLS: Indexed = [
    (0, Started(10)),
    (0, ReasoningDelta("Two calls.")),
    (0, ToolCallDelta(0, "", id="call_a", name="weather")),
    (0, ToolCallDelta(0, '{"city":')),
    (0, ToolCallDelta(0, ' "Bern"}')),
    (0, ToolCallDelta(1, "{}", id="call_b", name="now")),
    (0, Finished("tool_calls", USAGE, TIMINGS)),
]
TWO_CHOICES: Indexed = [
    (1, Started(10)),
    (0, Started(10)),
    (1, TextDelta("B")),
    (0, TextDelta("A")),
    (0, FINISHED),
    (1, TextDelta("b")),
    (1, Finished("length", Usage(10, 3, 10), Timings(0.5, 0.0, 0.2))),
]
TEXT: Indexed = [(0, event) for event in HELLO]

THOUGHT = TokenLogprob(b"Hm", -0.5)
REASONING: Indexed = [
    (0, Started(10, "fp_0123456789")),
    (0, TextDelta("", (THOUGHT,))),
    (0, ReasoningDelta("Hm")),
    (0, ReasoningDelta(", what?")),
    (0, TextDelta("It is 4.")),
    (0, Finished("stop", Usage(10, 9, 4, reasoning_tokens=5), TIMINGS)),
]
LEGACY_HEAD = Head("chatcmpl-0", 1_700_000_000, "pocket", is_legacy=True)
ONE_CALL: Indexed = [*TOOLS[:1], *TOOLS[2:5], TOOLS[-1]]

WHOLE = {
    "chat": lambda: chat_completion(HEAD, 1, TEXT),
    "chat_logprobs": lambda: chat_completion(HEAD, 1, LOGPROBS),
    "chat_tools": lambda: chat_completion(HEAD, 1, TOOLS),
    "chat_two_choices": lambda: chat_completion(HEAD, 2, TWO_CHOICES),
    "chat_reasoning": lambda: chat_completion(HEAD, 1, REASONING),
    "chat_function": lambda: chat_completion(LEGACY_HEAD, 1, ONE_CALL),
    "completion": lambda: completion(COMPLETION_HEAD, 1, 1, TEXT),
    "completion_logprobs": lambda: completion(COMPLETION_HEAD, 1, 1, LOGPROBS),
    "completion_two_prompts": lambda: completion(COMPLETION_HEAD, 2, 1, TWO_CHOICES),
}

STREAMS = {
    "chat": lambda: written(ChatStream(HEAD), TEXT),
    "chat_usage": lambda: written(ChatStream(HEAD, include_usage=True), TEXT),
    "chat_logprobs": lambda: written(ChatStream(HEAD), LOGPROBS),
    "chat_tools": lambda: written(ChatStream(HEAD), TOOLS),
    "chat_two_choices": lambda: written(ChatStream(HEAD, 2, include_usage=True), TWO_CHOICES),
    "chat_reasoning": lambda: written(ChatStream(HEAD, include_usage=True), REASONING),
    "chat_function": lambda: written(ChatStream(LEGACY_HEAD), ONE_CALL),
    "chat_tools_crash": lambda: written(
        ChatStream(HEAD, include_usage=True), TOOLS[:4], EngineCrashed("It died.", "Retry.")
    ),
    "completion_crash": lambda: written(
        CompletionStream(COMPLETION_HEAD), TEXT[:2], EngineCrashed("It died.", "Retry.")
    ),
    "chat_crash": lambda: written(ChatStream(HEAD), TEXT[:2], EngineCrashed("It died.", "Retry.")),
    "completion": lambda: written(CompletionStream(COMPLETION_HEAD), TEXT),
    "completion_logprobs": lambda: written(CompletionStream(COMPLETION_HEAD), LOGPROBS),
    "completion_two_prompts": lambda: written(
        CompletionStream(COMPLETION_HEAD, 1, include_usage=True), TWO_CHOICES
    ),
}


def written(writer: StreamWriter, events: Indexed, error: Exception | None = None) -> bytes:
    def frames() -> Iterable[bytes]:
        for index, event in events:
            yield from writer.event(index, event)
        yield from writer.error(error) if error else writer.end()

    return b"".join(frames())


@pytest.mark.parametrize("name", STREAMS)
def test_stream(name: str) -> None:
    check_golden(GOLDEN / f"{name}.sse", STREAMS[name]())


@pytest.mark.parametrize("name", WHOLE)
def test_whole(name: str) -> None:
    answer = msgspec.json.format(msgspec.json.encode(WHOLE[name]()), indent=2) + b"\n"
    check_golden(GOLDEN / f"{name}.json", answer)


def check_golden(path: Path, answer: bytes) -> None:
    if os.environ.get("EDGELLM_WRITE_GOLDEN"):
        path.write_bytes(answer)
    assert answer.decode() == path.read_text("utf-8")


def test_no_golden_file_is_left_over() -> None:
    expected = {f"{name}.sse" for name in STREAMS} | {f"{name}.json" for name in WHOLE}
    assert {path.name for path in GOLDEN.iterdir()} == expected


def test_text_beside_a_tool_call_is_kept() -> None:
    events: Indexed = [(0, TextDelta("Let me look.")), *TOOLS]
    message = chat_completion(HEAD, 1, events)["choices"][0]["message"]
    assert message["content"] == "Let me look."
    assert [call["id"] for call in message["tool_calls"]] == ["call_a", "call_b"]


def test_more_calls_than_a_client_of_functions_knows_are_not_lost() -> None:
    choice = chat_completion(LEGACY_HEAD, 1, TOOLS)["choices"][0]
    assert choice["message"]["function_call"]["name"] == "weather"
    assert [call["id"] for call in choice["message"]["tool_calls"]] == ["call_b"]
    assert choice["finish_reason"] == "function_call"
    stream = written(ChatStream(LEGACY_HEAD), TOOLS)
    assert b'"function_call":{"name":"weather"' in stream
    assert b'"id":"call_b"' in stream


def test_an_empty_answer_is_an_empty_string() -> None:
    events: Indexed = [(0, Started(1)), (0, FINISHED)]
    assert chat_completion(HEAD, 1, events)["choices"][0]["message"]["content"] == ""


def test_a_raw_answer_is_never_parsed() -> None:
    with pytest.raises(AssertionError, match="ReasoningDelta"):
        written(CompletionStream(COMPLETION_HEAD), TOOLS)
    with pytest.raises(AssertionError, match="ToolCallDelta"):
        completion(COMPLETION_HEAD, 1, 1, [TOOLS[2]])


def test_prompt_tokens_count_once_per_prompt() -> None:
    finished: Indexed = [(i, Finished("stop", Usage(10 + i, 1, i))) for i in range(4)]
    usage = completion(HEAD, 4, 2, finished)["usage"]
    assert usage == {
        "prompt_tokens": 10 + 12,
        "completion_tokens": 4,
        "total_tokens": 26,
        "prompt_tokens_details": {"cached_tokens": 0 + 2},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def test_timings_without_time_have_no_rate() -> None:
    timings: dict[str, Any] = to_timings(Usage(8, 3, 8), Timings())
    assert timings["prompt_per_second"] == timings["predicted_per_second"] == 0
    assert (timings["cache_n"], timings["prompt_n"], timings["predicted_n"]) == (8, 0, 3)
    assert timings["prompt_per_token_ms"] == 0


def test_timings_have_llama_server_s_names() -> None:
    timings = to_timings(Usage(12, 5, 4), Timings(0.0, 0.02, 0.1))
    assert (timings["prompt_per_token_ms"], timings["predicted_per_token_ms"]) == (2.5, 20)


def test_offsets_count_characters_from_the_answers_own_tokens() -> None:
    offsets = Offsets()
    assert offsets.add(TextDelta("Ein €: ")) == []  # the echoed prompt
    tokens = tuple(TokenLogprob(t, -1) for t in (b"x", EURO[:1], EURO[1:], b"yz"))
    assert offsets.add(TextDelta("x€yz", tokens)) == [7, 8, 8, 9]
    assert offsets.add(TextDelta("", (TokenLogprob(b".", -1),))) == [11]


def test_a_token_that_is_not_text_is_named_by_its_bytes() -> None:
    assert token_text(b"\xe2\x82") == "bytes:\\xe2\\x82"
    assert token_text("€".encode()) == "€"
