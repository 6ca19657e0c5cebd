"""DeepSeek: reasoning, and two generations of calls."""

from __future__ import annotations

import pytest

from tests.chat.parsers.reading import Read, check, stays_text

BEGUN = "<｜Assistant｜><think>\n"
WEATHER = ("get_weather", {"city": "Paris"})
NOW = ("now", {})
V3 = (
    '<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{"city": "Paris"}\n```'
    "<｜tool▁call▁end｜>"
)
V31 = "<｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
FIRST, LAST = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (f"{FIRST}{V3}{LAST}", Read(calls=(WEATHER,))),
        (f"{FIRST}{V3}\n{V31}{LAST}", Read(calls=(WEATHER, NOW))),
        (f"Ok.\n\n{FIRST}{V31}{LAST}\nDone.", Read("Ok.\nDone.", (NOW,))),
        (f"<think>\na\n</think>\n\n{FIRST}{V31}", Read("", (NOW,), "a")),
        (V3.removesuffix("\n```<｜tool▁call▁end｜>"), Read(calls=(WEATHER,))),
        ('<tool_call>{"name": "now"}</tool_call>', Read(calls=(NOW,))),
    ],
)
def test_calls(raw: str, expected: Read) -> None:
    check("deepseek", raw, expected)


def test_the_template_begins_the_reasoning() -> None:
    check("deepseek", "a\n</think>\n\nb", Read("b", (), "a"), prompt=BEGUN)
    check("deepseek", "a\nb", Read("", (), "a\nb"), prompt=BEGUN)


@pytest.mark.parametrize(
    "raw",
    [
        f"{FIRST} nothing",
        f"{FIRST}<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\nx\n```",
        "<｜tool▁call▁begin｜>now<｜tool▁sep｜>{1}<｜tool▁call▁end｜>",
        "a <｜b",
    ],
)
def test_what_is_no_call_comes_back_as_text(raw: str) -> None:
    stays_text("deepseek", raw)
