"""Ollama's request bodies -> `GenerateRequest` and `EmbedRequest`. Pure.

What this server cannot do is refused here, by name: nothing that would change the answer is
ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

from edgellm.api.constraints import ANY_OBJECT, schema_constraint
from edgellm.api.ollama.options import to_sampling
from edgellm.api.ollama.schema import (
    MAX_INPUTS,
    OllamaChatBody,
    OllamaEmbedBody,
    OllamaEmbeddingsBody,
    OllamaGenerateBody,
    OllamaMessage,
    OllamaTool,
    OllamaToolCall,
)
from edgellm.api.validation import bad_type, bad_value, missing, shown, to_keep_alive, unsupported
from edgellm.errors import InvalidRequest
from edgellm.types import Constraint, EmbedRequest, GenerateRequest, Message, Tool, ToolCall

Body = OllamaChatBody | OllamaGenerateBody


def chat_to_request(body: OllamaChatBody, model: str, client: str = "") -> GenerateRequest:
    """Raises InvalidRequest."""
    messages = tuple(to_messages(body.messages or []))
    last = messages[-1] if messages else None
    return GenerateRequest(
        model=model,
        messages=messages,
        tools=tuple(to_tool(tool, f"tools[{i}]") for i, tool in enumerate(body.tools or ())),
        continues_last=last is not None and last.role == "assistant" and not last.tool_calls,
        client=client,
        **_shared(body),
    )


def generate_to_request(body: OllamaGenerateBody, model: str, client: str = "") -> GenerateRequest:
    """A prompt is a user's turn, unless it is raw, or what stands before a `suffix`. Raises
    InvalidRequest."""
    _refuse_unsupported(body)
    shared = _shared(body)
    if body.raw or body.suffix:
        if body.system:
            raise unsupported(
                "'system' is not supported with 'raw' or 'suffix'.", "Leave it out.", "system"
            )
        return GenerateRequest(
            model=model,
            prompt=body.prompt or "",
            suffix=body.suffix or "",
            client=client,
            **shared,
        )
    system = (Message("system", body.system),) if body.system else ()
    messages = (*system, Message("user", body.prompt or ""))
    return GenerateRequest(model=model, messages=messages, client=client, **shared)


def embed_to_request(body: OllamaEmbedBody, model: str, client: str = "") -> EmbedRequest:
    """Raises InvalidRequest."""
    return EmbedRequest(
        model=model,
        inputs=to_inputs(body.input),
        must_truncate=body.truncate is not False,
        dimensions=body.dimensions,
        client=client,
        keep_alive_seconds=to_keep_alive(body.keep_alive),
    )


def embeddings_to_request(body: OllamaEmbeddingsBody, model: str, client: str = "") -> EmbedRequest:
    """Raises InvalidRequest."""
    if body.prompt is None:
        raise missing("prompt")
    keep_alive = to_keep_alive(body.keep_alive)
    return EmbedRequest(
        model,
        (body.prompt,),
        must_truncate=True,
        param="prompt",
        client=client,
        keep_alive_seconds=keep_alive,
    )


def to_inputs(value: Any) -> tuple[str, ...]:
    match value:
        case None:
            raise missing("input")
        case str():
            return (value,)
        case list():
            if len(value) > MAX_INPUTS:
                raise bad_value("input", f"at most {MAX_INPUTS} texts", value)
            for index, item in enumerate(value):
                if not isinstance(item, str):
                    raise bad_type(f"input[{index}]", "a string", item)
            return tuple(value)
        case _:
            raise bad_type("input", "a string or an array of strings", value)


def to_messages(messages: list[OllamaMessage]) -> Iterator[Message]:
    """With ids for the calls, which older clients have none for: a result belongs to the first
    call of its name that has none yet, or to the first of all."""
    waiting: list[ToolCall] = []
    num_calls = 0
    for index, message in enumerate(messages):
        _refuse_images(message.images, f"messages[{index}].images")
        calls: tuple[ToolCall, ...] = ()
        if message.role == "assistant":
            given = message.tool_calls or []
            calls = tuple(_to_call(call, num_calls + i) for i, call in enumerate(given))
            num_calls += len(calls)
            waiting = list(calls)
        call = _answered(message, waiting) if message.role == "tool" else None
        if call is not None:
            waiting.remove(call)
        yield Message(
            role=message.role,
            content=message.content or "",
            tool_calls=calls,
            tool_call_id=call.id if call else message.tool_call_id,
            name=message.tool_name or (call.name if call else None),
            reasoning=(message.thinking or "") if message.role == "assistant" else "",
        )


def to_tool(tool: OllamaTool, path: str) -> Tool:
    if tool.type not in (None, "function"):
        raise unsupported(
            f"Tools of type {shown(tool.type)} are not supported.",
            "Only tools of type 'function' are.",
            f"{path}.type",
        )
    function, parameters = tool.function, tool.function.parameters or {}
    _check_finite(parameters, f"{path}.function.parameters")
    return Tool(function.name, function.description or "", parameters)


def to_constraint(format_: Any) -> Constraint | None:
    match format_:
        case None | "":
            return None
        case "json":
            return Constraint("json_schema", ANY_OBJECT, "format")
        case dict():
            return schema_constraint(format_, "format")
        case str():
            raise bad_value("format", "'json' or a JSON Schema", format_)
        case _:
            raise bad_type("format", "'json' or a JSON Schema", format_)


def to_thinking(think: Any) -> tuple[bool | None, Literal["low", "medium", "high"] | None]:
    """Whether to reason first, and how much."""
    match think:
        case None | "":
            return None, None
        case bool():
            return think, None
        case "low" | "medium" | "high":
            return True, think
        case str():
            raise bad_value("think", "true, false, 'low', 'medium' or 'high'", think)
        case _:
            raise bad_type("think", "true, false, 'low', 'medium' or 'high'", think)


def _shared(body: Body) -> dict[str, Any]:
    if body.top_logprobs and not body.logprobs:
        raise InvalidRequest(
            "'top_logprobs' is only allowed when 'logprobs' is true.", param="top_logprobs"
        )
    is_thinking, effort = to_thinking(body.think)
    return {
        "sampling": to_sampling(body.options, (body.top_logprobs or 0) if body.logprobs else None),
        "constraint": to_constraint(body.format),
        "is_thinking": is_thinking,
        "effort": effort,
        "keep_alive_seconds": to_keep_alive(body.keep_alive),
    }


def _refuse_unsupported(body: OllamaGenerateBody) -> None:
    _refuse_images(body.images, "images")
    for field, value, hint in (
        ("template", body.template, "The model's own is used; 'raw' sends a prompt as it is."),
        ("context", body.context, "It is deprecated: send the conversation to /api/chat."),
        ("width", body.width, "This server makes no pictures."),
        ("height", body.height, "This server makes no pictures."),
        ("steps", body.steps, "This server makes no pictures."),
    ):
        if value:
            raise unsupported(f"'{field}' is not supported.", hint, field)


def _refuse_images(images: list[Any] | None, path: str) -> None:
    if images:
        raise unsupported("This model cannot see images.", "Send the content as text.", path)


def _to_call(call: OllamaToolCall, number: int) -> ToolCall:
    arguments = json.dumps(call.function.arguments or {}, ensure_ascii=False)
    return ToolCall(call.id or f"call_{number}", call.function.name, arguments)


def _answered(message: OllamaMessage, waiting: list[ToolCall]) -> ToolCall | None:
    """The call whose result this is."""
    by_id = (call for call in waiting if call.id == message.tool_call_id)
    if message.tool_call_id:
        return next(by_id, None)
    named = (call for call in waiting if call.name == message.tool_name)
    return next(named, waiting[0] if waiting and not message.tool_name else None)


def _check_finite(value: Any, path: str) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise bad_value(path, "finite numbers only", value) from None
