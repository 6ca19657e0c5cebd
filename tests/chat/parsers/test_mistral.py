"""Mistral: three generations of `[TOOL_CALLS]`, and `[THINK]`."""

from __future__ import annotations

import re

import pytest

from edgellm.chat.parsers import choose_parser
from edgellm.types import ToolCallDelta
from tests.chat.parsers.reading import TOOLS, Read, check, stays_text, steps

WEATHER = ("get_weather", {"city": "Paris"})
NOW = ("now", {})
ENTRY = '{"name": "get_weather", "arguments": {"city": "Paris"}, "id": "a1B2c3D4e"}'


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (f"[TOOL_CALLS][{ENTRY}]", Read(calls=(WEATHER,))),
        (f'[TOOL_CALLS] [{ENTRY}, {{"name": "now"}}]', Read(calls=(WEATHER, NOW))),
        (f"[TOOL_CALLS]{ENTRY}", Read(calls=(WEATHER,))),
        (
            '[TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}[TOOL_CALLS]now[ARGS]{}',
            Read(calls=(WEATHER, NOW)),
        ),
        (
            '[TOOL_CALLS]get_weather[CALL_ID]a1B2c3D4e[ARGS]{"city": "Paris"}',
            Read(calls=(WEATHER,)),
        ),
        ('[TOOL_CALLS]get_weather{"city": "Paris"}', Read(calls=(WEATHER,))),
        ("[THINK]hm, hm[/THINK]Yes.", Read("Yes.", (), "hm, hm")),
        ("[THINK]hm[/THINK] [TOOL_CALLS]now[ARGS]{}", Read("", (NOW,), "hm")),
        ("Yes: [TOOL_CALLS]now[ARGS]{}", Read("Yes:", (NOW,))),
        (f"[TOOL_CALLS][{ENTRY}, {{x", Read(", {x", (WEATHER,))),
        ('[TOOL_CALLS]now[ARGS]{"a": 1', Read(calls=(("now", '{"a": 1'),))),
        ('[TOOL_CALLS]now[ARGS]{"a": "\\d\n",}', Read(calls=(("now", {"a": "\\d\n"}),))),
    ],
)
def test_calls_and_reasoning(raw: str, expected: Read) -> None:
    check("mistral", raw, expected)


def test_the_template_may_begin_the_reasoning() -> None:
    check("mistral", "a[/THINK]b", Read("b", (), "a"), prompt="[/INST][THINK]")


@pytest.mark.parametrize(
    "raw",
    [
        "[TOOL_CALLS]",
        "[TOOL_CALLS] I call nothing.",
        "[TOOL_CALLS]two words{}",
        "[TOOL_CALLS]now[ARGS]{x}",
        "[TOOL_CALLS]now[ARGS]{",
        "[TOOL_CALLS]" + "word " * 80,
        "[TOOL_CALLS][1]",
        "[TOOL",
        "see [1] and [2]",
    ],
)
def test_what_is_no_call_comes_back_as_text(raw: str) -> None:
    stays_text("mistral", raw)


def test_ids_have_nine_letters_and_digits() -> None:
    parser = choose_parser("mistral", "", tools=TOOLS)
    (call,) = parser.push("[TOOL_CALLS]now[ARGS]{}")
    assert isinstance(call, ToolCallDelta)
    assert re.fullmatch("[a-zA-Z0-9]{9}", call.id or "")


def test_arguments_are_told_while_they_are_written() -> None:
    pieces = ["[TOOL_CALLS]", "now", "[ARGS]", "{", '"a"', ": [1", ",", "2", "]}"]
    told = [[], [], [], [], [("now", '{"a"')], [": ["], ["1"], [], [",2]}"]]
    assert steps("mistral", pieces) == told
