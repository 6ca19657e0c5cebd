"""Llama 3.1 to 4: JSON and Python, with a tag and without."""

from __future__ import annotations

import pytest

from tests.chat.parsers.reading import Read, check, read, stays_text, steps

WEATHER = ("get_weather", {"city": "Paris"})
NOW = ("now", {})
JSON = '{"name": "get_weather", "parameters": {"city": "Paris"}}'


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (JSON, Read(calls=(WEATHER,))),
        ('\n{"type": "function", "name": "now", "parameters": {}}', Read(calls=(NOW,))),
        (JSON + '; {"name": "now", "parameters": {}}', Read(calls=(WEATHER, NOW))),
        (JSON + "\n\nI called it.", Read("I called it.", (WEATHER,))),
        ("<|python_tag|>" + JSON, Read(calls=(WEATHER,))),
        ("I look. <|python_tag|>" + JSON, Read("I look.", (WEATHER,))),
        ('<|python_tag|>get_weather.call(city="Paris")', Read(calls=(WEATHER,))),
        ('<|python_tag|>get_weather(city="Paris"); now()', Read(calls=(WEATHER, NOW))),
        ('[get_weather(city="Paris"), now()]', Read(calls=(WEATHER, NOW))),
        ("[now( ) , ] ok", Read("ok", (NOW,))),
        ("<|python_start|>[now()]<|python_end|>", Read(calls=(NOW,))),
        ("<|python_start|>" + JSON + "<|python_end|>", Read(calls=(WEATHER,))),
        ('<function=get_weather>{"city": "Paris"}</function>', Read(calls=(WEATHER,))),
        (
            '<function=now>{}</function><function=get_weather>{"city": "Paris"}</function> x',
            Read("x", (NOW, WEATHER)),
        ),
        (
            "[get_weather(city='a\"]b', days=-3, units=['C', 1.5, True, None, {'k': (1, 2)}])]",
            Read(
                calls=(
                    (
                        "get_weather",
                        {
                            "city": 'a"]b',
                            "days": -3,
                            "units": ["C", 1.5, True, None, {"k": [1, 2]}],
                        },
                    ),
                )
            ),
        ),
        ('[get_weather("Paris", 3)]', Read(calls=(("get_weather", {"city": "Paris", "days": 3}),))),
    ],
)
def test_calls(raw: str, expected: Read) -> None:
    check("llama3", raw, expected)


@pytest.mark.parametrize(
    "raw",
    [
        '{"city": "Paris", "days": 3}',  # an answer in JSON
        '{"name": "Alice", "parameters": {}}',  # no tool of the request
        '{"name": "now"}',  # a name is not a call
        "{",
        '{"na',
        "[1] Source",
        "[nothing(x=1)]",
        "[now(], x",
        "[now(",
        "[]",
        "[now(__import__)]",
        "[now(x=1+1)]",
        "[now(1, 2)]",
        "[now(" + "[" * 200 + "]" * 200 + ")]",
        "Text with " + JSON,
        "<|python_tag|>print('hello')\nfor x in y: pass",
        "<function=now>no object</function>",
        "f = {x: [y]}",
    ],
)
def test_what_is_no_call_comes_back_as_text(raw: str) -> None:
    stays_text("llama3", raw)


def test_json_that_is_no_call_is_told_at_once() -> None:
    assert steps("llama3", ["{", '"ci', 'ty": 1']) == [[], ['{"ci'], ['ty": 1']]
    assert steps("llama3", ["[", "1", "]"]) == [[], ["[1"], ["]"]]
    assert steps("llama3", ["[", "no", "t", " a call"]) == [[], [], ["[not"], [" a call"]]


def test_arguments_are_told_while_they_are_written() -> None:
    pieces = ['{"name": "get_weather", "parameters": {', '"city": "Pa', 'ris"', "}", "}"]
    told = [[], [("get_weather", '{"city": "Pa')], ['ris"'], ["}"], []]
    assert steps("llama3", pieces) == told


def test_without_tools_all_is_text() -> None:
    raw = "<|python_tag|>" + JSON
    assert read("llama3", [raw], tools=()) == Read(raw)
