"""Phi, Granite, SmolLM, LFM and MiniCPM: mostly a marker around JSON or Python."""

from __future__ import annotations

import pytest

from tests.chat.parsers.reading import Read, check, stays_text

WEATHER = ("get_weather", {"city": "Paris"})
NOW = ("now", {})
LIST = '[{"name": "get_weather", "arguments": {"city": "Paris"}}]'
BOTH = '[{"name": "get_weather", "arguments": {"city": "Paris"}}, {"name": "now"}]'
THOUGHT = Read("b", (), "a")


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("phi4", f"<|tool_call|>{LIST}<|/tool_call|>", Read(calls=(WEATHER,))),
        ("phi4", f"<|tool_calls|>{BOTH}<|/tool_calls|>", Read(calls=(WEATHER, NOW))),
        ("phi4", f"functools{BOTH}", Read(calls=(WEATHER, NOW))),
        ("phi4", f"Ok. <|tool_call|>{LIST}", Read("Ok.", (WEATHER,))),
        ("granite", f"<|tool_call|>{BOTH}", Read(calls=(WEATHER, NOW))),
        ("granite", f"<|tool_call|> {LIST}\nx", Read("x", (WEATHER,))),
        ("granite", '<tool_call>\n{"name": "now"}\n</tool_call>', Read(calls=(NOW,))),
        ("granite", "<think>a</think>\n<response>b</response>", THOUGHT),
        ("granite", "<think>a</think>b", THOUGHT),
        ("smollm3", "<think>\na\n</think>\nb", THOUGHT),
        ("smollm3", '<tool_call>{"name": "now"}</tool_call>', Read(calls=(NOW,))),
        (
            "lfm2",
            '<|tool_call_start|>[get_weather(city="Paris"), now()]<|tool_call_end|>Look.',
            Read("Look.", (WEATHER, NOW)),
        ),
        ("lfm2", "<|tool_call_start|>now()<|tool_call_end|>", Read(calls=(NOW,))),
        ("lfm2", f"<|tool_call_start|>{LIST}<|tool_call_end|>", Read(calls=(WEATHER,))),
        (
            "lfm2",
            "<|tool_call_start|>[get_weather(city='it's', units={\"a\": true})]<|tool_call_end|>",
            Read(calls=(("get_weather", {"city": "it's", "units": {"a": True}}),)),
        ),
        ("lfm2", "<think>a</think>b", THOUGHT),
        (
            "minicpm5",
            '<function name="get_weather"><param name="city">Paris</param></function>',
            Read(calls=(WEATHER,)),
        ),
        (
            "minicpm5",
            '<function name="get_weather"><param name="city"><![CDATA[a </param> <b]]></param>'
            '<param name="days">3</param></function>',
            Read(calls=(("get_weather", {"city": "a </param> <b", "days": 3}),)),
        ),
    ],
)
def test_calls_and_reasoning(name: str, raw: str, expected: Read) -> None:
    check(name, raw, expected)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("phi4", "<|tool_call|>nothing<|/tool_call|>"),
        ("phi4", "import functools"),
        ("phi4", "functools[1]"),
        ("granite", "<|tool_call|>[]"),
        ("granite", "<response>b</response> c"),
        ("smollm3", "a <think> b"),
        ("lfm2", "<|tool_call_start|>[now(]<|tool_call_end|> x"),
        ("lfm2", "<|tool_call_start|>[now("),
        ("lfm2", "<|tool_call_start|><|tool_call_end|>"),
        ("minicpm5", '<function name="now"><param>x</param></function>'),
        ("minicpm5", '<function name="now">'),
        ("plain", '<tool_call>{"name": "now"}</tool_call> \n'),
    ],
)
def test_what_is_no_call_comes_back_as_text(name: str, raw: str) -> None:
    stays_text(name, raw)
