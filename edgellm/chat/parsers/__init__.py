"""Turn a model's raw text into events, one file for each format of reasoning and tool calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from edgellm.chat.markup import MarkedParser
from edgellm.chat.parsers import (
    deepseek,
    gemma3,
    gemma4,
    granite,
    harmony,
    hermes,
    lfm2,
    llama3,
    minicpm5,
    mistral,
    phi4,
    qwen3,
    qwen3_coder,
    smollm3,
)
from edgellm.chat.parsers.base import OutputParser
from edgellm.chat.parsers.plain import PlainParser
from edgellm.chat.parsers.resumed import ResumedParser, end_before
from edgellm.errors import ConfigError
from edgellm.types import Tool

MakeParser: TypeAlias = Callable[[Sequence[Tool], str], OutputParser]

PARSERS: dict[str, MakeParser] = {
    "deepseek": deepseek.make,
    "gemma3": gemma3.make,
    "gemma4": gemma4.make,
    "granite": granite.make,
    "harmony": harmony.make,
    "hermes": hermes.make,
    "lfm2": lfm2.make,
    "llama3": llama3.make,
    "minicpm5": minicpm5.make,
    "mistral": mistral.make,
    "phi4": phi4.make,
    "plain": lambda tools, prompt: PlainParser(),  # noqa: ARG005 - it needs neither
    "qwen3": qwen3.make,
    "qwen3_coder": qwen3_coder.make,
    "smollm3": smollm3.make,
}

# What a chat template of each format holds: one of the texts of a row. The first row that fits
# counts, so formats that borrow another's tags stand before it.
SIGNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("harmony", ("<|channel|>",)),
    ("gemma4", ("<|tool_call>", "<|turn>")),
    ("mistral", ("[TOOL_CALLS]", "[THINK]")),
    ("lfm2", ("<|tool_call_start|>", "<|tool_list_start|>", "List of tools: [")),
    ("deepseek", ("<｜tool▁calls▁begin｜>", "<｜Assistant｜>")),
    ("granite", ("<|start_of_role|>",)),
    ("phi4", ("<|/tool|>", "functools")),
    ("minicpm5", ('<function name="',)),
    ("smollm3", ("Reasoning Mode:",)),
    ("qwen3_coder", ("<parameter=",)),
    ("qwen3", ("<think>", "</think>")),
    ("hermes", ("<tool_call>",)),
    ("llama3", ("<|python_tag|>", "<|python_start|>", "<|start_header_id|>", "<|header_start|>")),
    ("gemma3", ("<start_of_turn>",)),
)


def find_format(template: str) -> str:
    """The format that a chat template shows.

    One that shows none is given the tools in words that ask for Hermes' tags (`tool_prompt.py`).
    """
    for name, signs in SIGNS:
        if any(sign in template for sign in signs):
            return name
    return "hermes"


def choose_parser(
    name: str | None,
    template: str,
    *,
    tools: Sequence[Tool] = (),
    prompt: Sequence[str | int] = (),
    told: str = "",
) -> OutputParser:
    """A new parser for one answer.

    Args:
        name: the catalogue's word for the model's format; None = see what its template writes.
        tools: of the request; without them there are no calls to look for, only reasoning.
        prompt: as the template rendered it; its end shows whether the reasoning has begun.
        told: the text that the prompt ends with and that the answer continues.

    Raises:
        ConfigError: there is no format of that name.
    """
    if name is not None and name not in PARSERS:
        known = ", ".join(PARSERS)
        raise ConfigError(f"There is no output parser '{name}'.", f"There are: {known}.")
    end = end_before(prompt, told) if told else _end(prompt)
    parser = PARSERS[parser_name(name, template)](tools, end)
    if isinstance(parser, MarkedParser) and parser.is_plain:
        return PlainParser()
    return ResumedParser(parser, told) if told else parser


def _end(prompt: Sequence[str | int]) -> str:
    """The prompt's last text. What users wrote cannot reach into it: it is a piece of its own
    where it looks like a marker, and templates end with text of their own."""
    return prompt[-1] if prompt and isinstance(prompt[-1], str) else ""


def parser_name(name: str | None, template: str) -> str:
    """The format in which a model writes its calls, a key of `PARSERS`."""
    return name or find_format(template)
