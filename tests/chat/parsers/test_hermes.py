"""Hermes: JSON in tags, cut everywhere, whole and broken."""

from __future__ import annotations

import pytest

from tests.chat.parsers.reading import Read, check, stays_text, steps

ONE = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Zürich"}}\n</tool_call>'
WEATHER = ("get_weather", {"city": "Zürich"})
NOW = ("now", {})


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (ONE, Read(calls=(WEATHER,))),
        (
            ONE + '\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>\n',
            Read(calls=(WEATHER, NOW)),
        ),
        ("Let me look.\n" + ONE, Read("Let me look.", (WEATHER,))),
        (ONE + "\n\nDone.", Read("Done.", (WEATHER,))),
        ("Look. " + ONE + "\n\nDone.", Read("Look.\n\nDone.", (WEATHER,))),
        (ONE.removesuffix("</tool_call>"), Read(calls=(WEATHER,))),
        (ONE.removesuffix("_call>"), Read(calls=(WEATHER,))),
        ('<tool_call>{"name": "now"}</tool_call>', Read(calls=(NOW,))),
        ('<tool_call>{"name": "now", "arguments": null}</tool_call>', Read(calls=(NOW,))),
        ('<tool_call>{"arguments": {}, "name": "now"}</tool_call>', Read(calls=(NOW,))),
        ('<tool_call>{"type": "function", "name": "now"}}</tool_call>', Read(calls=(NOW,))),
        (
            '<tool_call>{"function": {"name": "now", "arguments": {}}}</tool_call>',
            Read(calls=(NOW,)),
        ),
        (
            '<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>',
            Read(calls=(("f", {"a": 1}),)),
        ),
        (
            '<tool_call>{"name": "f", "arguments": {"a": "</tool_call>"}}</tool_call>',
            Read(calls=(("f", {"a": "</tool_call>"}),)),
        ),
        (
            '<tool_call>[{"name": "now"}, {"name": "now"}]</tool_call>',
            Read(calls=(NOW, NOW)),
        ),
        ('<tool_call>{"name": "now"}\n{"name": "now"}</tool_call>', Read(calls=(NOW, NOW))),
        (
            '<tool_call>{"name": "now"}</tool_call><tool_call>{"x</tool_call>',
            Read('<tool_call>{"x</tool_call>', (NOW,)),
        ),
    ],
)
def test_calls(raw: str, expected: Read) -> None:
    check("hermes", raw, expected)


@pytest.mark.parametrize(
    "raw",
    [
        "a < b and <tool",
        "plain text\n\nwith lines ",
        " \n",
        "",
        "<tool_call>{broken}</tool_call> after",
        "x <tool_call>\n{'name': 'now'}\n</tool_call>\n",
        '<tool_call>{"name": 5}</tool_call>',
        '<tool_call>{"name": ""}</tool_call>',
        "<tool_call>[1]</tool_call>",
        "<tool_call>[]</tool_call>",
        "<tool_call></tool_call>",
        '<tool_call>{"arguments": {}}</tool_call>',
        '<tool_call>{"name": "f", "arg',
        '<tool_call>{"name": "f", "arguments": {city: 1}}</tool_call>',
        "<tool_call>" * 5,
    ],
)
def test_what_is_no_call_comes_back_as_text(raw: str) -> None:
    stays_text("hermes", raw)


def test_a_call_that_breaks_late_keeps_what_was_told_and_gives_back_the_rest() -> None:
    raw = '<tool_call>{"name": "f", "arguments": {"a": 1, b}}</tool_call> x'
    check("hermes", raw, Read(", b}}</tool_call> x", (("f", '{"a": 1'),)))


def test_an_answer_that_is_cut_off_keeps_the_arguments_so_far() -> None:
    raw = '<tool_call>{"name": "f", "arguments": {"a": 12'
    check("hermes", raw, Read(calls=(("f", '{"a": 12'),)))


def test_text_and_arguments_are_told_at_once() -> None:
    pieces = [
        "Hi",
        " <",
        "b",
        " <tool_call>",
        '{"name": "f", "arguments": {"a"',
        ': "x',
        " y",
        '"}}',
    ]
    assert steps("hermes", pieces) == [
        ["Hi"],
        [],
        [" <b"],
        [],
        [("f", '{"a"')],
        [': "x'],
        [" y"],
        ['"}'],
    ]
