"""Qwen 3, 3.5 and Coder: reasoning that the model or the template begins, and XML calls."""

from __future__ import annotations

import pytest

from tests.chat.parsers.reading import Read, check, read, stays_text, steps

BEGUN = "<|im_end|>\n<|im_start|>assistant\n<think>\n"
NOT_BEGUN = "<|im_start|>assistant\n<think>\n\n</think>\n\n"
NOW = ("now", {})
CALL = '<tool_call>\n{"name": "now"}\n</tool_call>'
XML = (
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nNew\nYork\n</parameter>\n"
    "<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>"
)
WEATHER = ("get_weather", {"city": "New\nYork", "days": 3})


@pytest.mark.parametrize(
    ("prompt", "raw", "expected"),
    [
        ("", "<think>\nhm, hm\n</think>\n\nYes.\n", Read("Yes.", (), "hm, hm")),
        (BEGUN, "hm, hm\n</think>\n\nYes.", Read("Yes.", (), "hm, hm")),
        (BEGUN, "hm\n\nhm", Read("", (), "hm\n\nhm")),  # cut off while it thought
        (BEGUN, "\n</think>\n\nYes.", Read("Yes.")),
        (NOT_BEGUN, "Yes. </think>", Read("Yes. </think>")),
        ("", "<think>\n\n</think>\n\nYes.", Read("Yes.")),
        ("", "<think>a</think>" + CALL, Read("", (NOW,), "a")),
        ("", "<think>a</think>\nb\n" + CALL, Read("b", (NOW,), "a")),
        (BEGUN, "a\n" + CALL, Read("", (NOW,), "a")),  # forgot to close
        (BEGUN, "a\n" + CALL + "\n</think>\nb", Read("b", (NOW,), "a")),
        (BEGUN, "so I write <tool_call> and</think>b", Read("b", (), "so I write <tool_call> and")),
        (BEGUN, "a\n<tool_call> no</think>b", Read("b", (), "a\n<tool_call> no")),
        ("", "The tag <think> is odd.", Read("The tag <think> is odd.")),
        ("", "<think>a</thin", Read("", (), "a</thin")),
    ],
)
def test_reasoning(prompt: str, raw: str, expected: Read) -> None:
    check("qwen3", raw, expected, prompt=prompt)


def test_reasoning_is_split_off_without_tools_too_and_calls_are_not_looked_for() -> None:
    raw = "a</think>b " + CALL
    assert read("qwen3", list(raw), prompt=BEGUN, tools=()) == Read("b " + CALL, (), "a")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (XML, Read(calls=(WEATHER,))),
        ("Look:\n" + XML + "\n" + XML, Read("Look:", (WEATHER, WEATHER))),
        (XML.removeprefix("<tool_call>\n"), Read(calls=(WEATHER,))),
        (XML.removesuffix("\n</tool_call>"), Read(calls=(WEATHER,))),
        ("<tool_call><function=now></function></tool_call>", Read(calls=(NOW,))),
        (CALL, Read(calls=(NOW,))),
        (
            "<tool_call>\n<function=get_weather>\n<parameter=city>\n12\n</parameter>\n"
            '<parameter=units>\n["C", "F"]\n</parameter>\n<parameter=new>\nTrue\n</parameter>\n'
            "</function>\n</tool_call>",
            Read(calls=(("get_weather", {"city": "12", "units": ["C", "F"], "new": True}),)),
        ),
        (
            "<tool_call>\n<function=get_weather>\n<parameter=city>\n if a < b:\n  x\n"
            "</parameter>\n</function>\n</tool_call>",
            Read(calls=(("get_weather", {"city": " if a < b:\n  x"}),)),
        ),
    ],
)
def test_xml_calls(raw: str, expected: Read) -> None:
    check("qwen3_coder", raw, expected)


@pytest.mark.parametrize(
    "raw",
    [
        "<tool_call>\n<function=now>\nwords\n</function>\n</tool_call> x",
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nPar",
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>",
        "<function=get_weather>\n<parameter=city>\nPar",
        "<tool_call> text",
        "<function=",
        "if x <function=y> z",
    ],
)
def test_what_is_no_call_comes_back_as_text(raw: str) -> None:
    stays_text("qwen3_coder", raw)


def test_reasoning_and_text_are_told_at_once() -> None:
    pieces = ["a", " b", "\n", "</thi", "nk>", "\n\n", "c", " d"]
    told = [["thought: a"], ["thought:  b"], [], [], [], [], ["c"], [" d"]]
    assert steps("qwen3", pieces, prompt=BEGUN) == told
