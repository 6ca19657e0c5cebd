"""What OpenAI's, llama-server's and vLLM's clients say of the reasoning before an answer. Pure.

A model that cannot reason takes no notice: these are wishes. A value that means nothing is refused.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from edgellm.api.openai.schema import ChatCompletionBody
from edgellm.api.validation import bad_type, bad_value, unsupported

# The model's own words; "minimal" and "xhigh" are told to it as the nearest that it knows.
EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high"}
RESERVED = (
    "messages",
    "tools",
    "add_generation_prompt",
    "continue_final_message",
    "bos_token",
    "eos_token",
    "raise_exception",
    "strftime_now",
)
_KWARGS = "chat_template_kwargs"


class Reasoning(Struct, frozen=True):
    """The fields of a `GenerateRequest`."""

    is_thinking: bool | None = None
    effort: str | None = None
    variables: dict[str, Any] = {}


def to_reasoning(body: ChatCompletionBody) -> Reasoning:
    """The most specific wish counts: the template's variables, then `enable_thinking`, then the
    effort. Raises InvalidRequest."""
    _check_format(body.reasoning_format)
    is_thinking, effort = _of_effort(*_effort_of(body))
    if body.enable_thinking is not None:
        is_thinking = body.enable_thinking
    variables = dict(body.chat_template_kwargs or {})
    for name in RESERVED:
        if name in variables:
            raise unsupported(
                f"'{name}' is set by the server and cannot be one of the '{_KWARGS}'.",
                "Leave it out.",
                f"{_KWARGS}.{name}",
            )
    for name in ("thinking", "enable_thinking"):
        if (value := variables.pop(name, None)) is not None:
            if not isinstance(value, bool):
                raise bad_type(f"{_KWARGS}.{name}", "a boolean", value)
            is_thinking = value
    return Reasoning(is_thinking, effort, variables)


def _effort_of(body: ChatCompletionBody) -> tuple[Any, str]:
    """The value and its field."""
    if body.reasoning is None or body.reasoning_effort is not None:
        return body.reasoning_effort, "reasoning_effort"
    if not isinstance(body.reasoning, dict):
        raise bad_type("reasoning", "an object", body.reasoning)
    return body.reasoning.get("effort"), "reasoning.effort"


def _of_effort(effort: Any, param: str) -> tuple[bool | None, str | None]:
    """Whether to think, and how hard. "minimal" leaves the former to the model."""
    match effort:
        case None:
            return None, None
        case "none":
            return False, None
        case str() if effort in EFFORTS:
            return None if effort == "minimal" else True, EFFORTS[effort]
        case _:
            names = ", ".join(f"'{name}'" for name in EFFORTS)
            raise bad_value(param, f"'none', {names} or null", effort)


def _check_format(value: Any) -> None:
    """The reasoning always comes apart from the content; llama-server's clients may ask for it."""
    if value not in (None, "auto", "deepseek"):
        raise unsupported(
            "Reasoning comes in 'reasoning_content' only.",
            "Leave 'reasoning_format' out.",
            "reasoning_format",
        )
