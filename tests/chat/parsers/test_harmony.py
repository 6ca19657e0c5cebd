"""gpt-oss: channels, calls with a recipient, and models that do without."""

from __future__ import annotations

import pytest

from tests.chat.parsers.reading import Read, check, read, stays_text, steps

PROMPT = "<|end|><|start|>assistant"
THOUGHT = "<|channel|>analysis<|message|>hm, hm<|end|>"
NEXT = "<|start|>assistant"
WEATHER = ("get_weather", {"city": "Paris"})
BODY = '<|message|>{"city": "Paris"}'
TO = "to=functions.get_weather"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (f"{THOUGHT}{NEXT}<|channel|>final<|message|>Yes.\n", Read("Yes.\n", (), "hm, hm")),
        ("<|channel|>final<|message|>Yes.<|return|>", Read("Yes.")),
        ("<|message|>Yes.", Read("Yes.")),
        (
            f"{THOUGHT}{NEXT}<|channel|>commentary {TO} <|constrain|>json{BODY}<|call|>",
            Read("", (WEATHER,), "hm, hm"),
        ),
        (f" {TO}<|channel|>commentary <|constrain|>json{BODY}", Read(calls=(WEATHER,))),
        (f"<|channel|>analysis {TO} code{BODY}\n<|call|>", Read(calls=(WEATHER,))),
        (
            f"<|channel|>commentary<|message|>I look.<|end|>{NEXT} {TO}<|channel|>commentary{BODY}",
            Read("I look.", (WEATHER,)),
        ),
        ("<|channel|>commentary to=now<|message|>{}", Read(calls=(("now", {}),))),
        ("<|channel|>analysis<|message|>a<|channel|>final<|message|>b", Read("b", (), "a")),
        ("<|channel|>analysis<|message|>a", Read("", (), "a")),
        ("<|channel|>final", Read()),  # cut off before it said anything
        ("Yes, to=you <b>", Read("Yes, to=you <b>")),
    ],
)
def test_channels(raw: str, expected: Read) -> None:
    check("harmony", raw, expected, prompt=PROMPT)


def test_the_prompt_may_have_begun_the_message() -> None:
    begun = PROMPT + "<|channel|>final<|message|>"
    check("harmony", "Yes.", Read("Yes."), prompt=begun)
    check(
        "harmony", "a<|end|>", Read("", (), "a"), prompt=PROMPT + "<|channel|>analysis<|message|>"
    )


def test_a_call_that_is_none_comes_back_as_text() -> None:
    raw = f"<|channel|>commentary {TO}<|message|>no object<|call|>"
    stays_text("harmony", raw)
    stays_text("harmony", raw + " {")


@pytest.mark.parametrize("raw", ["", " ", "<", "Hello <|chan", "to", "{x}"])
def test_text_without_channels(raw: str) -> None:
    stays_text("harmony", raw)


def test_without_tools_a_call_is_text() -> None:
    raw = f"<|channel|>commentary {TO}{BODY}"
    assert read("harmony", list(raw), tools=()) == Read('{"city": "Paris"}')


def test_all_is_told_at_once() -> None:
    pieces = ["<|channel|>", "analysis", "<|message|>", "a", " b", "<|end|>", "<|start|>assistant"]
    assert steps("harmony", pieces) == [[], [], [], ["thought: a"], ["thought:  b"], [], []]
    pieces = [f" {TO}<|channel|>commentary<|message|>", "{", '"city"', ": "]
    assert steps("harmony", pieces) == [[], [], [("get_weather", '{"city"')], [": "]]
    assert steps("harmony", ["Yes", "."]) == [["Yes"], ["."]]
