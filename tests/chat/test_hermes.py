"""Hermes tool calls, cut at every position, whole and broken: no call and no text is lost."""

from __future__ import annotations

import itertools
import json

import pytest

from edgellm.chat.parsers import choose_parser
from edgellm.chat.parsers.base import ContentEvent
from edgellm.chat.parsers.hermes import HermesParser
from edgellm.types import TextDelta, ToolCallDelta

ONE = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Zürich"}}\n</tool_call>'
TWO = ONE + '\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>\n'


def parse(pieces: list[str]) -> tuple[str, list[tuple[str | None, str]]]:
    parser, events = HermesParser(), list[ContentEvent]()
    for piece in pieces:
        events += parser.push(piece)
    events += parser.finish()
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    assert [call.index for call in calls] == list(range(parser.num_tool_calls))
    assert all(call.id for call in calls)
    return text, [(call.name, call.arguments) for call in calls]


WEATHER = ("get_weather", '{"city": "Zürich"}')

CASES = [
    (ONE, "", [WEATHER]),
    (TWO, "", [WEATHER, ("now", "{}")]),
    ("Let me look. " + ONE, "Let me look.", [WEATHER]),
    ("a < b and <tool", "a < b and <tool", []),
    ("plain text\n\nwith lines ", "plain text\n\nwith lines ", []),
    (ONE.removesuffix("</tool_call>"), "", [WEATHER]),
    ("<tool_call>{broken}</tool_call> after", "<tool_call>{broken}</tool_call> after", []),
    ('<tool_call>{"name": 5}</tool_call>', '<tool_call>{"name": 5}</tool_call>', []),
    ("<tool_call>[1]</tool_call>", "<tool_call>[1]</tool_call>", []),
    ('<tool_call>{"name": "f", "arg', '<tool_call>{"name": "f", "arg', []),
    ('<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>', "", [("f", '{"a": 1}')]),
    ("", "", []),
]


@pytest.mark.parametrize(("raw", "text", "calls"), CASES)
def test_every_cut_gives_the_same(raw: str, text: str, calls: list[tuple[str, str]]) -> None:
    cuts = list(itertools.combinations(range(len(raw) + 1), 2))
    for first, second in cuts[:: max(1, len(cuts) // 1500)]:
        got_text, got_calls = parse([raw[:first], raw[first:second], raw[second:]])
        assert got_calls == calls
        assert got_text.rstrip() == text.rstrip() if calls else got_text == text


def test_text_is_not_held_back_longer_than_needed() -> None:
    parser = HermesParser()
    assert parser.push("Hello") == [TextDelta("Hello")]
    assert parser.push(" <") == []
    assert parser.push("b") == [TextDelta(" <b")]


def test_arguments_are_valid_json() -> None:
    _, [(_, arguments)] = parse([ONE])
    assert json.loads(arguments) == {"city": "Zürich"}


@pytest.mark.parametrize(
    ("name", "template", "has_tools", "is_hermes"),
    [
        (None, "... <tool_call> ...", True, True),
        (None, "nothing of the kind", True, False),
        ("hermes", "", True, True),
        ("hermes", "<tool_call>", False, False),
    ],
)
def test_the_parser_is_chosen(
    name: str | None, template: str, has_tools: bool, is_hermes: bool
) -> None:
    parser = choose_parser(name, template, has_tools=has_tools)
    assert isinstance(parser, HermesParser) is is_hermes
