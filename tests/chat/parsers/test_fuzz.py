"""Chance writes outputs out of each format's own markers: whatever it is, nothing raises, the cuts
do not matter, and no word is lost.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgellm.chat.parsers import PARSERS, choose_parser
from tests.chat.parsers.reading import TOOLS, Read, read

TOO_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
PROMPTS = ("", "<think>\n", "<|start|>assistant", "[THINK]", "<|channel>thought\n")
JSON_PIECES = (
    *('{"name": "now", "arguments": {}}', '{"name": "get_weather", "arguments": {"city": "Bonn"}}'),
    *(
        '{"name": "get_weather", "parameters": {"city": ',
        '"Zürich \\u00fc 🚀"',
        "}}",
        "}",
        "]",
        "[",
    ),
    *(
        '{"name": "nobody", "arguments": {"a": 1}}',
        '{"name":',
        ' "now"',
        ', "arguments":',
        " {",
        "{}",
    ),
    *(
        '"city": "a \\" b"',
        "1e5",
        "-0",
        "true",
        "None",
        "nul",
        "[1, [2, {}]]",
        '"\\ud83d"',
        ",",
        ":",
    ),
)
WRITTEN = {
    "deepseek": ("function", "\n```json\n", "\n```", "now", "<think>", "</think>"),
    "gemma3": ("```tool_code\n", "```", "[now()]", 'get_weather(city="Bonn")', "print(", ")"),
    "gemma4": (
        "call:now",
        "call:get_weather",
        '{city:<|"|>Bonn<|"|>}',
        '<|"|>',
        "{days:3}",
        "thought\n",
    ),
    "granite": ("<|tool_call|>", "<response>", "</response>", "<think>", "</think>"),
    "harmony": (
        *("analysis", "commentary", "final", " to=functions.now", " to=functions.get_weather"),
        *("assistant", " json", "<|channel|>commentary to=functions.now<|message|>{}<|call|>"),
    ),
    "hermes": ("<tool_call>\n", "\n</tool_call>", "<think>", "</think>"),
    "lfm2": ("[now()]", '[get_weather(city="Bonn", days=2)]', "now(", ")", "city='a'", "<think>"),
    "llama3": (
        "now",
        '{"type": "function", ',
        "[now()]",
        '[get_weather(city="Bonn")]',
        "; ",
        "<function=",
    ),
    "minicpm5": (
        '<function name="now">',
        '<param name="city">',
        "</param>",
        "</function>",
        "<![CDATA[",
        "]]>",
    ),
    "mistral": (
        "now",
        "get_weather",
        '[{"name": "now"}]',
        "[ARGS]",
        "[CALL_ID]",
        "abc123def",
        "[THINK]",
        "[/THINK]",
    ),
    "phi4": ("functools[", '{"name": "now"}', "]"),
    "plain": (),
    "qwen3": ("<tool_call>\n", "\n</tool_call>", "<think>\n", "\n</think>\n\n"),
    "qwen3_coder": (
        *("<function=now>", "<function=get_weather>", "<parameter=city>\n", "\n</parameter>\n"),
        *("</function>", "<tool_call>\n", "\n</tool_call>", "<think>", "</think>"),
    ),
    "smollm3": ("<tool_call>", "</tool_call>", "<code>", "</code>", "<think>", "</think>"),
}


def markers(name: str) -> list[str]:
    shown = {*choose_parser(name, "", tools=TOOLS).shown_tokens}
    return sorted(shown | {*WRITTEN[name]})


def outputs(name: str) -> st.SearchStrategy[list[str]]:
    own = markers(name)
    half = [marker[: len(marker) // 2] for marker in own if len(marker) > 3]
    written = st.sampled_from(own + half) if own else st.nothing()
    text = st.text(max_size=5) | st.sampled_from(
        (" ", "\n", "\n\n", "  \n", "<", "|", ">", "x", "ü")
    )
    return st.lists(written | written | st.sampled_from(JSON_PIECES) | text, max_size=20)


def all_of(got: Read) -> str:
    """Whatever came out, in one text."""
    calls = (f"{name}{json.dumps(arguments, ensure_ascii=False)}" for name, arguments in got.calls)
    return "".join([got.reasoning, got.text, *calls])


def split(raw: str, places: list[int]) -> list[str]:
    ends = sorted({min(place, len(raw)) for place in places} | {0, len(raw)})
    return [raw[begin:end] for begin, end in pairwise(ends)]


def test_every_format_is_here() -> None:
    assert {*WRITTEN} == {*PARSERS}


@pytest.mark.parametrize("name", sorted(PARSERS))
@settings(max_examples=50, suppress_health_check=TOO_SLOW)
@given(data=st.data())
def test_random_cuts_change_nothing(name: str, data: st.DataObject) -> None:
    raw = "".join(data.draw(outputs(name)))
    prompt = data.draw(st.sampled_from(PROMPTS))
    tools = data.draw(st.sampled_from([TOOLS, ()]))
    whole = read(name, [raw], prompt=prompt, tools=tools)
    places = data.draw(st.lists(st.integers(0, max(0, len(raw))), max_size=12))
    assert read(name, split(raw, places), prompt=prompt, tools=tools) == whole
    assert read(name, list(raw), prompt=prompt, tools=tools) == whole


@pytest.mark.parametrize("name", sorted({*PARSERS} - {"harmony"}))  # its headers are no text
@settings(max_examples=50, suppress_health_check=TOO_SLOW)
@given(data=st.data())
def test_no_word_is_lost(name: str, data: st.DataObject) -> None:
    pieces = data.draw(outputs(name))
    numbered = [f"{piece}w{index}w" for index, piece in enumerate(pieces)]
    got = read(name, numbered)
    told = all_of(got)
    assert [word for word in re.findall(r"w\d+w", "".join(numbered)) if word not in told] == []


@pytest.mark.parametrize("name", sorted(PARSERS))
@settings(max_examples=50, suppress_health_check=TOO_SLOW)
@given(data=st.data())
def test_without_tools_there_are_no_calls_and_nothing_is_lost(
    name: str, data: st.DataObject
) -> None:
    raw = "".join(data.draw(outputs(name)))
    got = read(name, list(raw), tools=())
    assert got.calls == ()
    if name != "harmony":
        letters = iter(raw)
        assert all(letter in letters for letter in got.text)
