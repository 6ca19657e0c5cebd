"""Gemma 3, which has no format, and Gemma 4, which has one of its own."""

from __future__ import annotations

import pytest

from tests.chat.parsers.reading import Read, check, stays_text

WEATHER = ("get_weather", {"city": "Paris"})
NOW = ("now", {})
JSON = '{"name": "get_weather", "parameters": {"city": "Paris"}}'
Q = '<|"|>'


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('[get_weather(city="Paris")]', Read(calls=(WEATHER,))),
        ('```tool_code\nget_weather(city="Paris")\n```', Read(calls=(WEATHER,))),
        ("```tool_code\nprint(now())\n```\nDone.", Read("Done.", (NOW,))),
        ("I look:\n```tool_code\n[now()]\n```", Read("I look:", (NOW,))),
        ("```tool_code\nnow()\nnow()\n```", Read(calls=(NOW, NOW))),
        (JSON, Read(calls=(WEATHER,))),
        (f"```json\n{JSON}\n```", Read(calls=(WEATHER,))),
        (f"```tool_call\n{JSON}\n```", Read(calls=(WEATHER,))),
        ('<tool_call>{"name": "now"}</tool_call>', Read(calls=(NOW,))),
    ],
)
def test_gemma_3(raw: str, expected: Read) -> None:
    check("gemma3", raw, expected)


@pytest.mark.parametrize(
    "raw",
    [
        "```python\nprint(1)\n```",
        '```json\n{"city": 1}\n```',
        "```tool_code\nimport os\n```",
        "```tool_code\nnow(",
        "``",
        "[link](http://x)",
    ],
)
def test_gemma_3_text(raw: str) -> None:
    stays_text("gemma3", raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (f"<|tool_call>call:get_weather{{city:{Q}Paris{Q}}}<tool_call|>", Read(calls=(WEATHER,))),
        ("<|tool_call>call:now{}<tool_call|>", Read(calls=(NOW,))),
        ("<|tool_call>call:now{}<tool_call|><|tool_call>call:now{}", Read(calls=(NOW, NOW))),
        (
            f"<|tool_call>call:f{{a:{Q}x,}}'\\n{Q},b:[1,-2.5,true],c:{{{Q}k{Q}:null}}}}<tool_call|>",
            Read(calls=(("f", {"a": "x,}'\\n", "b": [1, -2.5, True], "c": {"k": None}}),)),
        ),
        ("<|tool_call>call:f{unit:celsius}<tool_call|>", Read(calls=(("f", {"unit": "celsius"}),))),
        ("<|channel>thought\nhm<channel|>Yes.", Read("Yes.", (), "hm")),
        ("<|channel>thought\n<channel|>Yes.", Read("Yes.")),
        ("<|channel>thought\nhm", Read("", (), "hm")),
    ],
)
def test_gemma_4(raw: str, expected: Read) -> None:
    check("gemma4", raw, expected)


@pytest.mark.parametrize(
    "raw",
    [
        "<|tool_call>call:f{a:}<tool_call|> x",
        "<|tool_call>call:f{a:" + Q + "never closed",
        "<|tool_call>nothing<tool_call|>",
        "a <| b",
    ],
)
def test_gemma_4_text(raw: str) -> None:
    stays_text("gemma4", raw)


def test_gemma_4_s_template_closes_the_reasoning_itself() -> None:
    prompt = "<|turn>model\n<|channel>thought\n<channel|>"
    check("gemma4", "Yes.", Read("Yes."), prompt=prompt)
