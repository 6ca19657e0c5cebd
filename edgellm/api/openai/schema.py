"""What OpenAI's clients may send: names, types and ranges. Meaning is `request.py`'s.

Types are strict as OpenAI's are ("0.7" is not a number, true is not 1). Unknown fields are
ignored, and so are these known ones, which are hints or book-keeping and change no promise of the
answer: audio (without `modalities`), metadata, moderation, prediction,
prompt_cache_key, safety_identifier, service_tier, store, `stream_options.include_obfuscation`,
verbosity, web_search_options.

Fields typed `Any` are those with several shapes or that are refused; a union here would let
pydantic complain about each of its branches, with paths that no client has ever seen.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from edgellm.api.validation import WRONG_TYPE

MAX_INT = 2**31 - 1  # what llama.cpp's counters hold


def _one_to_list(value: Any) -> Any:
    if isinstance(value, str):
        return [value]
    if value is None or isinstance(value, list):
        return value
    raise PydanticCustomError(WRONG_TYPE, "a string or an array of strings")


def _text_to_parts(value: Any) -> Any:
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if value is None or isinstance(value, list):
        return value
    raise PydanticCustomError(WRONG_TYPE, "a string, an array of content parts, or null")


class _Input(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class StreamOptions(_Input):
    include_usage: bool | None = None


class ContentPart(_Input):
    type: str
    text: str | None = None
    refusal: str | None = None


class CalledFunction(_Input):
    name: str
    arguments: str


class AssistantToolCall(_Input):
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class ChatMessage(_Input):
    """`reasoning_content` (vLLM calls it `reasoning`) and `function_call` are an assistant's."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[
        Annotated[list[ContentPart], Field(fail_fast=True)] | None, BeforeValidator(_text_to_parts)
    ] = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: Annotated[list[AssistantToolCall], Field(fail_fast=True)] | None = None
    tool_call_id: str | None = None
    function_call: CalledFunction | None = None  # before there were tools
    reasoning_content: Any = None
    reasoning: Any = None


class FunctionDefinition(_Input):
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,128}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolDefinition(_Input):
    type: str = "function"
    function: FunctionDefinition | None = None


_Count = Annotated[int, Field(ge=1, le=MAX_INT)]
_Penalty = Annotated[float, Field(ge=-2, le=2)]
_OverZero = Annotated[float, Field(gt=0, le=1)]
_Stop = Annotated[str, Field(min_length=1)]


class SamplingFields(_Input):
    """The fields that both endpoints share. Those after `logit_bias` are not OpenAI's own but
    llama-server's, vLLM's and Ollama's."""

    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=16)] | None = None
    seed: int | None = None
    stop: Annotated[
        Annotated[list[_Stop], Field(max_length=16)] | None, BeforeValidator(_one_to_list)
    ] = None
    max_tokens: _Count | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: _OverZero | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    top_k: Annotated[int, Field(ge=0, le=MAX_INT)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    typical_p: _OverZero | None = None
    repeat_penalty: Annotated[float, Field(gt=0)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0)] | None = None  # vLLM's name for it
    repeat_last_n: Annotated[int, Field(ge=-1, le=MAX_INT)] | None = None
    min_tokens: Annotated[int, Field(ge=0, le=MAX_INT)] | None = None
    ignore_eos: bool | None = None
    response_format: Any = None
    regex: str | None = None  # that the whole answer matches
    grammar: str | None = None  # Lark or GBNF
    keep_alive: Any = None  # Ollama's: seconds or a duration that the model stays loaded
    user: Any = None


class ChatCompletionBody(SamplingFields):
    """`POST /v1/chat/completions`. Those after `function_call` are not OpenAI's own, but for
    `reasoning`, which is its newer API's."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, fail_fast=True)]
    max_completion_tokens: _Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    tools: Annotated[list[ToolDefinition], Field(fail_fast=True)] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    modalities: list[str] | None = None
    functions: Annotated[list[FunctionDefinition], Field(fail_fast=True)] | None = None
    function_call: Any = None
    reasoning_effort: Any = None
    reasoning: Any = None
    reasoning_format: Any = None  # llama-server's
    enable_thinking: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None


class CompletionBody(SamplingFields):
    """`POST /v1/completions`. `prompt`: a string, token ids, or an array of either."""

    prompt: Any
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    echo: bool | None = None
    suffix: str | None = None
    best_of: int | None = None
