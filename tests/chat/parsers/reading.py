"""Runs a parser over an output, cut in many ways, and collects what it gives."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from edgellm.chat.parsers import choose_parser
from edgellm.types import ReasoningDelta, TextDelta, Tool, ToolCallDelta

TOOLS = (
    Tool(
        "get_weather",
        "The weather of a city",
        {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer"},
                "units": {"type": "array"},
            },
        },
    ),
    Tool("now", "The time"),
)
CUTS_OF_TWO = 64  # outputs up to this length are cut at every pair of positions


class Read(NamedTuple):
    """What came out; a call is its name and its arguments, decoded where they are JSON."""

    text: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    reasoning: str = ""


def read(
    name: str | None,
    pieces: Iterable[str],
    *,
    prompt: str = "",
    tools: tuple[Tool, ...] = TOOLS,
    template: str = "",
) -> Read:
    """Push the pieces; check what holds for every output."""
    parser = choose_parser(name, template, tools=tools, prompt=(prompt,))
    texts, reasoning = [], []
    calls: list[ToolCallDelta] = []
    arguments: list[str] = []
    for event in [*itertools.chain.from_iterable(map(parser.push, pieces)), *parser.finish()]:
        match event:
            case TextDelta(text):
                assert text
                texts.append(text)
            case ReasoningDelta(text):
                assert text
                reasoning.append(text)
            case ToolCallDelta(index, more, id_, call_name):
                if id_ is not None:
                    assert index == len(calls)
                    assert call_name
                    calls.append(event)
                    arguments.append("")
                assert index == len(calls) - 1
                arguments[index] += more
    assert parser.finish() == []
    assert parser.num_tool_calls == len(calls)
    assert len({call.id for call in calls}) == len(calls)
    named = zip([call.name or "" for call in calls], map(decode, arguments), strict=True)
    return Read("".join(texts), tuple(named), "".join(reasoning))


def decode(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def cuts(raw: str) -> Iterator[list[str]]:
    """Whole, character by character, in pieces like tokens, and cut at one and two positions."""
    yield [raw]
    yield list(raw)
    yield [raw[at : at + 4] for at in range(0, len(raw), 4)]
    for at in range(len(raw) + 1):
        yield [raw[:at], raw[at:]]
    if len(raw) <= CUTS_OF_TWO:
        for first, second in itertools.combinations(range(len(raw) + 1), 2):
            yield [raw[:first], raw[first:second], raw[second:]]


def check(name: str, raw: str, expected: Read, *, prompt: str = "") -> None:
    """However the output is cut, the same comes out."""
    for pieces in cuts(raw):
        assert read(name, pieces, prompt=prompt) == expected, pieces


def stays_text(name: str, raw: str) -> None:
    """However it is cut, every character comes back as text."""
    check(name, raw, Read(raw))


def steps(name: str, pieces: Iterable[str], *, prompt: str = "") -> list[list[Any]]:
    """What each push gives: texts, and names and arguments of calls."""
    parser = choose_parser(name, "", tools=TOOLS, prompt=(prompt,))
    return [[_shown(event) for event in parser.push(piece)] for piece in pieces]


def _shown(event: Any) -> Any:
    match event:
        case ToolCallDelta(name=None):
            return event.arguments
        case ToolCallDelta():
            return (event.name, event.arguments)
        case ReasoningDelta():
            return "thought: " + event.text
        case _:
            return event.text
