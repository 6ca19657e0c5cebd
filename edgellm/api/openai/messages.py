"""OpenAI's messages -> `Message`s. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from edgellm.api.openai.schema import (
    AssistantToolCall,
    ChatCompletionBody,
    ChatMessage,
    ContentPart,
)
from edgellm.api.validation import bad_value, missing, unsupported
from edgellm.errors import InvalidRequest
from edgellm.types import Message, ToolCall

_SENSES = {
    "image_url": "see images",
    "input_image": "see images",
    "image": "see images",
    "input_audio": "hear audio",
    "audio_url": "hear audio",
    "video_url": "watch videos",
    "input_video": "watch videos",
    "file": "read files",
    "input_file": "read files",
}


def to_messages(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """Raises InvalidRequest that names the field."""
    return _with_call_ids(to_message(m, f"messages[{i}]") for i, m in enumerate(messages))


def to_message(message: ChatMessage, path: str) -> Message:
    """Raises InvalidRequest that names the field below `path`."""
    role = message.role
    content = to_text(message.content or [], f"{path}.content")
    if role == "assistant":
        return _to_assistant(message, content, path)
    if message.content is None:
        raise missing(f"{path}.content")
    if role == "tool" and message.tool_call_id is None:
        raise missing(f"{path}.tool_call_id")
    if role == "function" and message.name is None:
        raise missing(f"{path}.name")
    return Message(
        role="system" if role == "developer" else "tool" if role == "function" else role,
        content=content,
        tool_call_id=message.tool_call_id if role == "tool" else None,
        name=message.name,
    )


def _to_assistant(message: ChatMessage, content: str, path: str) -> Message:
    calls = tuple(map(_to_tool_call, message.tool_calls or ()))
    if message.function_call is not None and not calls:
        calls = (ToolCall("", message.function_call.name, message.function_call.arguments),)
    told = (message.reasoning_content, message.reasoning)
    reasoning = next((text for text in told if isinstance(text, str)), "")
    if message.content is None:
        content = message.refusal or ""
        if not (calls or content or reasoning):
            raise missing(f"{path}.content")
    return Message("assistant", content, calls, name=message.name, reasoning=reasoning)


def to_text(parts: list[ContentPart], path: str) -> str:
    """Text parts, one per line as llama-server and vLLM join them."""
    texts = []
    for index, part in enumerate(parts):
        match part.type:
            case "text" | "refusal":
                text = part.text if part.type == "text" else part.refusal
                if text is None:
                    raise missing(f"{path}[{index}].{part.type}")
                texts.append(text)
            case kind if kind in _SENSES:
                raise unsupported(
                    f"This model cannot {_SENSES[kind]}.",
                    "Send the content as text.",
                    f"{path}[{index}]",
                )
            case other:
                raise bad_value(f"{path}[{index}].type", "'text' or 'refusal'", other)
    return "\n".join(texts)


def to_continues(body: ChatCompletionBody, messages: Sequence[Message]) -> bool:
    """Whether the answer goes on in the last message: it does where that is an assistant's, unless
    the client says otherwise in vLLM's words. Raises InvalidRequest."""
    last = messages[-1]
    can = last.role == "assistant" and not last.tool_calls
    wants, begins_turn = body.continue_final_message, body.add_generation_prompt
    if wants and begins_turn:
        raise InvalidRequest(
            "'continue_final_message' and 'add_generation_prompt' cannot both be true.",
            param="continue_final_message",
        )
    if not can and wants:
        raise InvalidRequest(
            "'continue_final_message' needs a last message of the assistant, without tool calls.",
            param="continue_final_message",
        )
    if not can and begins_turn is False:
        raise unsupported(
            "'add_generation_prompt' can only be false where the last message is the assistant's.",
            "Send a prompt of your own to /v1/completions.",
            "add_generation_prompt",
        )
    return can and not begins_turn and (wants is not False or begins_turn is False)


def _with_call_ids(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Calls and results of clients that know functions only get ids that fit."""
    result: list[Message] = []
    newest = ""
    for index, message in enumerate(messages):
        if message.tool_calls and not message.tool_calls[0].id:
            newest = f"call_{index}"
            call = replace(message.tool_calls[0], id=newest)
            result.append(replace(message, tool_calls=(call,)))
        elif message.role == "tool" and message.tool_call_id is None:
            result.append(replace(message, tool_call_id=newest or f"call_{index}"))
        else:
            result.append(message)
    return tuple(result)


def _to_tool_call(call: AssistantToolCall) -> ToolCall:
    return ToolCall(call.id, call.function.name, call.function.arguments)
