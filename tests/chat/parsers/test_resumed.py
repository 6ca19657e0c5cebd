"""In every format, an answer that goes on behind any beginning of it is told once and whole."""

from __future__ import annotations

import pytest

from edgellm.chat.parsers import PARSERS, choose_parser
from edgellm.types import ReasoningDelta, TextDelta, Tool

TEXT = "So <b>1 < 2</b>, [x] and {y}: `z` = |w|.\n\n- done"
TOOLS = (Tool("now"),)


def resume(name: str, told: str, rest: str, tools: tuple[Tool, ...] = ()) -> list[object]:
    template = "<|channel|>" if name == "harmony" else ""
    before = "<|start|>assistant<|channel|>final<|message|>" if name == "harmony" else ""
    parser = choose_parser(name, template, tools=tools, prompt=(before + told,), told=told)
    events: list[object] = []
    for char in rest:
        events += parser.push(char)
    return [*events, *parser.finish()]


@pytest.mark.parametrize("tools", [(), TOOLS], ids=["plain", "tools"])
@pytest.mark.parametrize("name", PARSERS)
def test_plain_text_cut_anywhere(name: str, tools: tuple[Tool, ...]) -> None:
    for position in range(1, len(TEXT)):
        told, rest = TEXT[:position], TEXT[position:]
        events = resume(name, told, rest, tools)
        assert all(isinstance(event, TextDelta) for event in events)
        assert "".join(getattr(event, "text", "") for event in events).rstrip() == rest, told


@pytest.mark.parametrize("name", ["qwen3", "qwen3_coder", "smollm3", "deepseek"])
def test_reasoning_cut_anywhere(name: str) -> None:
    whole = "<think>\nHm, 2 < 3.\n</think>\n\nYes."
    for position in range(len("<think>"), len(whole)):
        events = resume(name, whole[:position], whole[position:])
        kinds = [type(event) for event in events]
        assert kinds == sorted(kinds, key=[ReasoningDelta, TextDelta].index)
        content = "".join(event.text for event in events if isinstance(event, TextDelta))
        # Where the closing tag was cut in two, its second half cannot be told from text.
        is_cut_tag = whole.index("</think>") < position < whole.index("</think>") + len("</think>")
        assert is_cut_tag or content.strip() == whole[max(position, whole.index("Yes")) :]
