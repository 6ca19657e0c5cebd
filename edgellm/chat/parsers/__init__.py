"""Turn a model's raw text into events, one file for each format of tool calls."""

from __future__ import annotations

from collections.abc import Callable

from edgellm.chat.parsers.base import OutputParser
from edgellm.chat.parsers.hermes import HermesParser
from edgellm.chat.parsers.plain import PlainParser

PARSERS: dict[str, Callable[[], OutputParser]] = {"hermes": HermesParser, "plain": PlainParser}


def choose_parser(name: str | None, template: str, *, has_tools: bool) -> OutputParser:
    """A new parser for one answer.

    Args:
        name: the catalogue's word for the model's format; None = see what its template writes.
        has_tools: without tools there are no calls to look for, and every tag is text.
    """
    if not has_tools:
        return PlainParser()
    return PARSERS[parser_name(name, template)]()


def parser_name(name: str | None, template: str) -> str:
    """The format in which a model writes its calls, a key of `PARSERS`."""
    if name is not None:
        return name
    return "hermes" if "<tool_call>" in template else "plain"
