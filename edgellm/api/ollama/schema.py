"""What Ollama's clients may send: names, types and ranges. Meaning is `request.py`'s.

Types are strict but for one thing: a whole number may be written `40.0`, as Go's JSON decoder and
so Ollama takes it. Unknown fields are ignored, and so are these known ones: `insecure` (of a
pull; nothing is fetched insecurely), `verbose` (of show; vocabularies are not kept), and a show's
`system`, `template` and `options`, which ask for another model than the one that is there.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from edgellm.api.validation import WRONG_TYPE

MAX_INT = 2**31 - 1  # what llama.cpp's counters hold
MAX_SEED = 2**63 - 1
MAX_INPUTS = 2048  # texts of one request to embed


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _texts(value: Any) -> Any:
    """One text or several; an empty stop text, which some clients send, stops nothing."""
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, list):
        return [item for item in value if item != ""]
    if value is None:
        return None
    raise PydanticCustomError(WRONG_TYPE, "a string or an array of strings")


class _Input(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


Count = Annotated[int, BeforeValidator(_whole), Field(ge=-MAX_INT, le=MAX_INT)]
_Seed = Annotated[int, BeforeValidator(_whole), Field(ge=-MAX_SEED, le=MAX_SEED)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Penalty = Annotated[float, Field(ge=-10, le=10)]


class OllamaOptions(_Input):
    """The options that mean something here; `options.py` knows the others by name."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)

    num_predict: Count | None = None
    num_ctx: Count | None = None
    seed: _Seed | None = None
    temperature: Annotated[float, Field(ge=0, le=100)] | None = None
    top_k: Count | None = None
    top_p: _Share | None = None
    min_p: _Share | None = None
    typical_p: _Share | None = None
    repeat_penalty: Annotated[float, Field(gt=0, le=100)] | None = None
    repeat_last_n: Annotated[Count, Field(ge=-1)] | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    stop: Annotated[Annotated[list[str], Field(max_length=16)] | None, BeforeValidator(_texts)] = (
        None
    )
    mirostat: Count | None = None
    tfs_z: float | None = None
    penalize_newline: bool | None = None


class OllamaModelBody(_Input):
    """`POST /api/show`, `DELETE /api/delete`. `name` is what older clients call `model`."""

    model: str | None = None
    name: str | None = None

    @property
    def asked(self) -> str:
        """The model; empty = the default one."""
        return self.model or self.name or ""


class OllamaPullBody(OllamaModelBody):
    """`POST /api/pull`."""

    stream: bool | None = None


class _AnswerFields(_Input):
    """What chat and generate share."""

    model: str | None = None
    stream: bool | None = None
    format: Any = None
    options: OllamaOptions | None = None
    think: Any = None
    keep_alive: Any = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None


class OllamaCalledFunction(_Input):
    name: str
    arguments: dict[str, Any] | None = None


class OllamaToolCall(_Input):
    id: str | None = None
    function: OllamaCalledFunction


class OllamaMessage(_Input):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    thinking: str | None = None
    images: list[Any] | None = None
    tool_calls: Annotated[list[OllamaToolCall], Field(fail_fast=True)] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class OllamaFunction(_Input):
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,128}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class OllamaTool(_Input):
    type: str | None = "function"
    function: OllamaFunction


class OllamaChatBody(_AnswerFields):
    """`POST /api/chat`. Without messages it loads the model, or with `keep_alive` 0 unloads it."""

    messages: Annotated[list[OllamaMessage], Field(fail_fast=True)] | None = None
    tools: Annotated[list[OllamaTool], Field(fail_fast=True)] | None = None


class OllamaGenerateBody(_AnswerFields):
    """`POST /api/generate`. Without a prompt it loads the model, or unloads it."""

    prompt: str | None = None
    suffix: str | None = None
    system: str | None = None
    template: str | None = None
    context: list[Any] | None = None
    raw: bool | None = None
    images: list[Any] | None = None
    width: Any = None
    height: Any = None
    steps: Any = None


class OllamaEmbedBody(_Input):
    """`POST /api/embed`. `input`: a string, or an array of strings."""

    model: str | None = None
    input: Any = None
    truncate: bool | None = None
    dimensions: Annotated[int, BeforeValidator(_whole), Field(ge=1, le=MAX_INT)] | None = None
    options: OllamaOptions | None = None
    keep_alive: Any = None


class OllamaEmbeddingsBody(_Input):
    """`POST /api/embeddings`, the older form with one text."""

    model: str | None = None
    prompt: str | None = None
    options: OllamaOptions | None = None
    keep_alive: Any = None


BODIES = (
    OllamaChatBody,
    OllamaGenerateBody,
    OllamaEmbedBody,
    OllamaEmbeddingsBody,
    OllamaModelBody,
    OllamaPullBody,
)
