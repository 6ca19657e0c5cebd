"""What Anthropic's clients may send: names, types and ranges. Meaning is `request.py`'s.

Unknown fields are ignored, and so are these known ones, which are hints or book-keeping and change
no promise of the answer: cache_control (prompts that begin alike are computed once by themselves),
context_management, diagnostics, inference_geo, service_tier, speed; of tools allowed_callers,
defer_loading, eager_input_streaming, input_examples; the signature of a thinking block, which only
Anthropic's own server could check; display and budget_tokens of `thinking`: a model here reasons as
long as it does, below max_tokens.

A block is one class for all its types: a union would let pydantic complain about each of its
branches. Which fields a type needs is said in `turns.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from edgellm.api.validation import WRONG_TYPE

MAX_INT = 2**31 - 1  # what llama.cpp's counters hold


def _text_to_blocks(value: Any) -> Any:
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if isinstance(value, list):
        return value
    raise PydanticCustomError(WRONG_TYPE, "a string or an array of content blocks")


class _Input(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class TextualBlock(_Input):
    """In a system prompt, and in what a tool gave."""

    type: str
    text: str | None = None


_Textual = Annotated[
    Annotated[list[TextualBlock], Field(fail_fast=True)], BeforeValidator(_text_to_blocks)
]


class Block(TextualBlock):
    """In a message."""

    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: _Textual | None = None
    is_error: bool | None = None


class InputMessage(_Input):
    role: Literal["user", "assistant", "system"]
    content: Annotated[
        Annotated[list[Block], Field(fail_fast=True)], BeforeValidator(_text_to_blocks)
    ]


class ToolParam(_Input):
    """`type` is "custom", or absent, for the client's own tools; all others are Anthropic's."""

    type: str | None = None
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,128}$")]
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None


class ToolChoice(_Input):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(_Input):
    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: Annotated[int, Field(ge=0)] | None = None


class OutputConfig(_Input):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: Any = None


class Metadata(_Input):
    user_id: str | None = None


class PromptFields(_Input):
    """What makes the prompt. `output_format` is the older name of `output_config.format`;
    `keep_alive` is ours, as on the other routes."""

    model: str | None = None
    messages: Annotated[list[InputMessage], Field(min_length=1, fail_fast=True)]
    system: _Textual | None = None
    tools: Annotated[list[ToolParam], Field(fail_fast=True)] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: Any = None
    container: Any = None
    mcp_servers: Any = None


class CountTokensBody(PromptFields):
    """`POST /v1/messages/count_tokens`."""


class MessagesBody(PromptFields):
    """`POST /v1/messages`."""

    max_tokens: Annotated[int, Field(ge=1, le=MAX_INT)]
    stream: bool | None = None
    stop_sequences: (
        Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=64)] | None
    ) = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=MAX_INT)] | None = None
    metadata: Metadata | None = None
    keep_alive: Any = None
