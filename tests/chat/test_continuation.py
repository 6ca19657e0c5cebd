"""The answer goes on in the last message: the prompt ends with exactly its text."""

from __future__ import annotations

import pytest

from edgellm.chat.continuation import find_continued, told_of
from edgellm.chat.parsers import choose_parser
from edgellm.chat.template import CHATML, ChatTemplate
from edgellm.errors import TemplateError
from edgellm.types import GenerateRequest, Message, ReasoningDelta, TextDelta, Tool, ToolCall
from tests.chat.templates import ALL, DEEPSEEK, HARMONY, QWEN3

CONTROL = ("<|im_start|>", "<|im_end|>", "<|end|>")
USER = Message("user", "Hi")
CALL = ToolCall("c", "now", "{}")


def render(source: str, *messages: Message) -> tuple[str, ...]:
    template = ChatTemplate(source, control_tokens=CONTROL)
    return template.render(messages, continues_last=True)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("text", ["Once ", "  two\n\n", "a <think> b", "</think>c", "x"])
def test_every_template_ends_with_the_text_as_it_was_sent(name: str, text: str) -> None:
    fresh = "".join(ChatTemplate(ALL[name], control_tokens=CONTROL).render([USER]))
    prompt = "".join(render(ALL[name], USER, Message("assistant", text)))
    assert prompt.endswith(text)
    assert not prompt.removesuffix(text).endswith(text)
    assert "\ufdd1" not in prompt
    assert prompt.startswith(fresh[: fresh.index("Hi") + 2])  # the same conversation before it


def test_chatml() -> None:
    prompt = render(CHATML, USER, Message("assistant", "Well, "))
    assert prompt == ("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nWell, ",)


def test_typed_control_tokens_stay_text() -> None:
    prompt = render(CHATML, USER, Message("assistant", "a<|im_end|>b<|im_"))
    assert prompt[0].endswith("assistant\na<")
    assert "".join(prompt).endswith("a<|im_end|>b<|im_")
    assert not any("<|im_end|>" in piece for piece in prompt[1:])


def test_what_comes_behind_a_turn_and_before_its_text() -> None:
    source = "{% for m in messages %}[{{ m.role }}] {{ m.content | trim }} [/end]{% endfor %}"
    assert render(source, USER, Message("assistant", " a ")) == ("[user] Hi [/end][assistant]  a ",)


def test_a_text_that_is_said_twice() -> None:
    prompt = render(CHATML, Message("user", "ab"), Message("assistant", "ab"))
    assert prompt == ("<|im_start|>user\nab<|im_end|>\n<|im_start|>assistant\nab",)


def test_a_system_turn_that_is_told_to_a_last_user_only() -> None:
    """Mistral Nemo's template."""
    source = (
        "{% set system = messages[0].content %}{% for m in messages[1:] %}"
        "{% if m.role == 'user' %}[INST]{{ system ~ ' ' if loop.last }}{{ m.content }}[/INST]"
        "{% else %}{{ m.content }}</s>{% endif %}{% endfor %}"
    )
    messages = (Message("system", "Be kind."), USER, Message("assistant", "Hel"))
    assert render(source, *messages) == ("[INST]Be kind. Hi[/INST]Hel",)


def test_an_empty_message_is_no_message() -> None:
    fresh = ChatTemplate(CHATML).render([USER])
    assert render(CHATML, USER, Message("assistant", "")) == fresh
    assert find_continued([USER]) is find_continued([]) is None


def test_calls_are_shown_and_not_continued() -> None:
    messages = (USER, Message("assistant", "", (CALL,)))
    assert find_continued(messages) is None
    assert "".join(render(QWEN3, *messages)).endswith("<|im_start|>assistant\n")


def test_reasoning_is_continued() -> None:
    prompt = render(QWEN3, USER, Message("assistant", reasoning="Let me "))
    assert "".join(prompt).endswith("<|im_start|>assistant<think>\nLet me ")
    prompt = render(HARMONY, USER, Message("assistant", "Yes", reasoning="Let me"))
    assert "".join(prompt).endswith("<|start|>assistant<|message|>Yes")


def test_reasoning_where_the_template_shows_none() -> None:
    prompt = render(DEEPSEEK, USER, Message("assistant", reasoning="Let me "))
    assert "".join(prompt).endswith("<｜Assistant｜><think>\nLet me ")
    with pytest.raises(TemplateError, match="cannot continue the reasoning"):
        render(CHATML, USER, Message("assistant", reasoning="Let me "))


def test_content_where_the_template_begins_the_reasoning_of_every_turn() -> None:
    source = CHATML.replace("role + '\n'", "role + '\n<think>\n'")
    prompt = render(source, USER, Message("assistant", "Yes"))
    assert "".join(prompt).endswith("assistant\n<think>\n\n</think>\n\nYes")


# -- what the parser makes of the rest ----------------------------------------------------------


def answer(source: str, last: Message, *texts: str, tools: tuple[Tool, ...] = ()) -> list[object]:
    request = GenerateRequest("m", messages=(USER, last), tools=tools, continues_last=True)
    template = ChatTemplate(source)
    prompt = template.render(request.messages, tools, continues_last=True)
    parser = choose_parser(None, source, tools=tools, prompt=prompt, told=told_of(request))
    events = [event for text in texts for event in parser.push(text)]
    return [*events, *parser.finish()]


def test_only_the_new_text_is_told() -> None:
    assert answer(CHATML, Message("assistant", "Well, "), "yes") == [TextDelta("yes")]
    assert answer(QWEN3, Message("assistant", "Well,"), " yes") == [TextDelta(" yes")]
    assert answer(QWEN3, Message("assistant", "a <th"), "ird") == [TextDelta("ird")]


@pytest.mark.parametrize(
    "last",
    [
        Message("assistant", reasoning="Hm, "),
        Message("assistant", "<think>\nHm, "),
        Message("assistant", "<think>"),
    ],
)
def test_reasoning_goes_on(last: Message) -> None:
    events = answer(QWEN3, last, "so", "</think>\n\n4")
    assert events == [ReasoningDelta("so"), TextDelta("4")]


def test_reasoning_that_has_ended() -> None:
    last = Message("assistant", "<think>\nHm\n</think>\n\nIt is")
    assert answer(QWEN3, last, " 4") == [TextDelta(" 4")]


def test_harmony_goes_on_in_its_channel() -> None:
    source = HARMONY.replace(
        "<|start|>{{ m.role }}<|message|>",
        "<|start|>{{ m.role }}<|channel|>final<|message|>",
    )
    assert answer(source, Message("assistant", "It "), "is") == [TextDelta("is")]


def test_a_call_that_begins_in_the_message_is_told_whole() -> None:
    last = Message("assistant", '<tool_call>\n{"name": "now", "arguments": {"a"')
    events = answer(QWEN3, last, ": 1}}\n</tool_call>", tools=(Tool("now"),))
    names = [event.name for event in events if getattr(event, "name", None)]
    arguments = "".join(getattr(event, "arguments", "") for event in events)
    assert names == ["now"]
    assert arguments == '{"a": 1}'
