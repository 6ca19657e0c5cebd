"""What clients of OpenAI's Responses API may send: names, types and ranges.

Strict as `openai/schema.py` is, whose sampling fields and extensions are taken here too. Ignored,
since they change no promise of the answer: access_programs, image, prompt_cache_key,
prompt_cache_options, prompt_cache_retention, safety_identifier, service_tier, text.verbosity,
max_tool_calls (of hosted tools, which are refused), stream_options.include_obfuscation.

An item of `input` is validated by its `type`, one at a time: see `input.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from edgellm.api.openai.schema import MAX_INT, SamplingFields
from edgellm.api.validation import WRONG_TYPE

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Includable = Literal[
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "message.input_image.image_url",
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
]


def _text_to_items(value: Any) -> Any:
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if value is None or isinstance(value, list):
        return value
    raise PydanticCustomError(WRONG_TYPE, "a string or an array of items")


def _text_to_parts(value: Any) -> Any:
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if isinstance(value, list):
        return value
    raise PydanticCustomError(WRONG_TYPE, "a string or an array of content parts")


class _Input(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class PartInput(_Input):
    type: str
    text: str | None = None
    refusal: str | None = None


_Parts = Annotated[
    Annotated[list[PartInput], Field(fail_fast=True)],
    BeforeValidator(_text_to_parts, json_schema_input_type=str | list[PartInput]),
]


class MessageInput(_Input):
    role: Literal["user", "assistant", "system", "developer"]
    content: _Parts
    id: str | None = None


class CallInput(_Input):
    call_id: str
    name: str
    arguments: str
    id: str | None = None


class CallOutputInput(_Input):
    call_id: str
    output: _Parts
    id: str | None = None


class ReasoningInput(_Input):
    summary: Annotated[list[PartInput], Field(fail_fast=True)] | None = None
    content: Annotated[list[PartInput], Field(fail_fast=True)] | None = None
    encrypted_content: str | None = None
    id: str | None = None


class ReferenceInput(_Input):
    id: str


class ToolInput(_Input):
    """Flat, unlike a chat completion's; `name` is a function's."""

    type: str
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,128}$")] | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class TextConfig(_Input):
    format: Any = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningConfig(_Input):
    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    context: Any = None
    mode: Any = None


class ResponseStreamOptions(_Input):
    include_obfuscation: bool | None = None


_Metadata = dict[
    Annotated[str, Field(max_length=64)],
    Annotated[str, Field(max_length=512)],
]


class CreateResponseBody(SamplingFields):
    """`POST /v1/responses`, and `POST /v1/responses/input_tokens`."""

    input: Annotated[
        Annotated[list[dict[str, Any]], Field(fail_fast=True)] | None,
        BeforeValidator(_text_to_items, json_schema_input_type=str | list[dict[str, Any]] | None),
    ] = None
    instructions: str | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    tools: Annotated[list[ToolInput], Field(fail_fast=True)] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: Annotated[int, Field(ge=1, le=MAX_INT)] | None = None
    text: TextConfig | None = None
    reasoning: ReasoningConfig | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=MAX_INT)] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    include: list[Includable] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    metadata: Annotated[_Metadata, Field(max_length=16)] | None = None
    stream_options: ResponseStreamOptions | None = None  # type: ignore[assignment]  # another's
    background: bool | None = None
    conversation: Any = None
    prompt: Any = None
    moderation: Any = None
    context_management: Any = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
