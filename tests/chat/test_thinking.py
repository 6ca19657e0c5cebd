"""Reasoning wished for, not wished for, and counted."""

from __future__ import annotations

import pytest

from edgellm.chat.parsers import choose_parser, find_format
from edgellm.chat.template import CHATML, ChatTemplate
from edgellm.chat.thinking import ReasoningCount, as_asked, is_begun, variables_of
from edgellm.protocol import Delta
from edgellm.types import Constraint, GenerateRequest, Message
from tests.chat.templates import DEEPSEEK, HARMONY, QWEN3

USER = Message("user", "Hi")
JSON = Constraint("json_schema", "{}")


def prompt_of(source: str, request: GenerateRequest) -> str:
    variables = variables_of(request, find_format(source))
    prompt = ChatTemplate(source).render([USER], variables=variables)
    return "".join(as_asked(prompt, request, source))


def test_a_template_that_can_leave_it_out() -> None:
    off = prompt_of(QWEN3, GenerateRequest("m", is_thinking=False))
    assert off.endswith("<think>\n\n</think>\n\n")
    assert prompt_of(QWEN3, GenerateRequest("m")).endswith("<|im_start|>assistant\n")


def test_gpt_oss_reasons_as_little_as_it_can() -> None:
    source = "{{ reasoning_effort }}<|channel|>"
    assert prompt_of(source, GenerateRequest("m", is_thinking=False)) == "low<|channel|>"
    assert prompt_of(source, GenerateRequest("m")) == "<|channel|>"
    variables = {"reasoning_effort": "medium"}
    request = GenerateRequest("m", is_thinking=False, template_variables=variables)
    assert prompt_of(source, request) == "medium<|channel|>"


def test_a_template_that_always_begins_it() -> None:
    assert prompt_of(DEEPSEEK, GenerateRequest("m")).endswith("<think>\n")
    off = prompt_of(DEEPSEEK, GenerateRequest("m", is_thinking=False))
    assert off.endswith("<｜Assistant｜><think>\n\n</think>\n\n")


@pytest.mark.parametrize("form", [{"constraint": JSON}, {"must_call": ("f",)}])
def test_reasoning_before_an_answer_of_a_certain_form(form: dict[str, object]) -> None:
    wanted = GenerateRequest("m", is_thinking=True, **form)  # type: ignore[arg-type]
    assert prompt_of(QWEN3, wanted).endswith("assistant\n<think>\n")
    assert prompt_of(DEEPSEEK, wanted).endswith("<｜Assistant｜><think>\n")
    left_open = GenerateRequest("m", **form)  # type: ignore[arg-type]
    assert prompt_of(QWEN3, left_open).endswith("assistant\n")
    assert prompt_of(CHATML, wanted).endswith("assistant\n")  # it knows of no reasoning


def test_whether_the_answer_begins_inside_of_it() -> None:
    assert is_begun(("x<think>\n",))
    assert not is_begun(("x<think>\n\n</think>\n\n",))
    assert not is_begun((5,))
    assert not is_begun(())
    assert is_begun(("x", "<think>\nHm"), "<think>\nHm")
    assert is_begun(("x<think>\nHm",), "Hm")
    assert not is_begun(("x<think>a</think>b",), "<think>a</think>b")


def count(source: str, *texts: str, num_tokens: int | None = None, prompt: str = "") -> int:
    """Of an answer whose every text is a token."""
    parser = choose_parser(None, source, prompt=(prompt,))
    counter = ReasoningCount(parser)
    for text in texts:
        parser.push(text)
        counter.add(Delta(1, text, tokens=(0,)))
    return counter.total(len(texts) if num_tokens is None else num_tokens)


def test_the_marks_count_as_reasoning() -> None:
    assert count(QWEN3, "<think>", "\n", "Hm", "</think>", "\n\n", "4") == 4
    assert count(QWEN3, "<", "thi", "nk>", "Hm", "</", "think", ">", "4") == 7
    assert count(QWEN3, "Hm", "</think>", "4", prompt="<think>\n") == 2


def test_text_that_is_no_mark_does_not() -> None:
    assert count(QWEN3, "It", " is", " 4") == 0
    assert count(QWEN3, "<", "b>", "<think>") == 0
    assert count(CHATML, "<think>", "Hm", "</think>") == 0


def test_an_answer_that_ends_in_its_reasoning_is_all_of_it() -> None:
    assert count(QWEN3, "<think>", "Hm", num_tokens=4) == 4
    assert count(QWEN3, "<think>", "Hm", "</think>", "4", num_tokens=5) == 3


def test_several_tokens_at_a_time() -> None:
    parser = choose_parser(None, QWEN3, prompt=("<think>\n",))
    counter = ReasoningCount(parser)
    for text, num in (("Hm, so", 3), ("</think>4", 2), ("2", 1)):
        parser.push(text)
        counter.add(Delta(1, text, tokens=(0,) * num))
    assert counter.total(7) == 5


def test_harmony_s_headers_count_as_what_they_begin() -> None:
    source = HARMONY + "<|channel|>"
    analysis = ["<|channel|>", "analysis", "<|message|>", "Hm", "<|end|>"]
    final = ["<|start|>", "assistant", "<|channel|>", "final", "<|message|>", "4"]
    prompt = "<|start|>assistant"
    assert count(source, *analysis, *final, prompt=prompt) == 5
    assert count(source, *final[2:], prompt=prompt) == 0
