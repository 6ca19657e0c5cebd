"""Anthropic's turns, made of blocks -> `Message`s. Pure.

Turns of one role that follow each other are one turn. What a turn of the user holds of tools'
results comes first, as messages of their own and in their order, and its text behind them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from edgellm.api.anthropic.calls import from_toolu, to_arguments
from edgellm.api.anthropic.schema import Block, InputMessage, TextualBlock
from edgellm.api.validation import bad_value, missing, unsupported
from edgellm.errors import InvalidRequest
from edgellm.types import Message, ToolCall

# Claude Code's first line of a system prompt. It is meant for Anthropic's billing, not for the
# model, and as it changes, no conversation's prompt would begin like another's.
BILLING = "x-anthropic-billing-header:"

_SENSES = {"image": "see images", "document": "read documents"}

Placed: TypeAlias = tuple[str, Block]  # a block, and the path of its field


class Turn(Struct, frozen=True):
    """All blocks that one side said before the other spoke."""

    role: Literal["user", "assistant", "system"]
    blocks: tuple[Placed, ...]


def to_messages(
    system: Sequence[TextualBlock] | None, messages: Sequence[InputMessage]
) -> tuple[Message, ...]:
    """The conversation. An empty turn of the assistant is none. Raises InvalidRequest that names
    the field."""
    texts = _texts((f"system[{i}]", block) for i, block in enumerate(system or ()))
    prompt = "\n".join(filter(None, map(_without_billing, texts)))
    first = [Message("system", prompt)] if prompt else []
    return (*first, *(message for turn in _turns(messages) for message in _of_turn(turn)))


def _without_billing(text: str) -> str:
    return text.partition("\n")[2].lstrip("\n") if text.startswith(BILLING) else text


def _turns(messages: Sequence[InputMessage]) -> Iterator[Turn]:
    turn: Turn | None = None
    for index, message in enumerate(messages):
        path = f"messages[{index}].content"
        blocks = tuple((f"{path}[{i}]", block) for i, block in enumerate(message.content))
        if not blocks and message.role != "assistant":
            raise bad_value(path, "at least one content block", message.content)
        if turn is not None and turn.role == message.role:
            turn = Turn(turn.role, (*turn.blocks, *blocks))
            continue
        if turn is not None:
            yield turn
        turn = Turn(message.role, blocks)
    if turn is not None:
        yield turn


def _of_turn(turn: Turn) -> list[Message]:
    match turn.role:
        case "system":
            return [Message("system", "\n".join(_texts(turn.blocks)))]
        case "user":
            return list(_of_user(turn.blocks))
        case "assistant":
            message = _of_assistant(turn.blocks)
            return [message] if message != Message("assistant") else []


def _of_user(blocks: Sequence[Placed]) -> Iterator[Message]:
    texts = []
    for path, block in blocks:
        if block.type == "tool_result":
            yield _result(path, block)
        else:
            texts.append(_text(path, block, "'text' or 'tool_result'"))
    if texts:
        yield Message("user", "\n".join(texts))


def _result(path: str, block: Block) -> Message:
    if block.tool_use_id is None:
        raise missing(f"{path}.tool_use_id")
    parts = ((f"{path}.content[{i}]", part) for i, part in enumerate(block.content or ()))
    text = "\n".join(_texts(parts))
    if block.is_error:
        text = f"Error: {text or 'the tool failed.'}"
    return Message("tool", text, tool_call_id=from_toolu(block.tool_use_id))


def _of_assistant(blocks: Sequence[Placed]) -> Message:
    """What the model has said. Its texts are joined as it wrote them: the second may go on in the
    middle of a word of the first, where that was given to it to continue."""
    texts, reasoning, calls = [], [], []
    for path, block in blocks:
        match block.type:
            case "thinking":
                if block.thinking is None:
                    raise missing(f"{path}.thinking")
                reasoning.append(block.thinking)
            case "redacted_thinking":
                pass  # nobody here can read it
            case "tool_use":
                calls.append(_call(path, block))
            case _:
                texts.append(_text(path, block, "'text', 'thinking' or 'tool_use'"))
    content, thought = "".join(texts), "\n".join(filter(None, reasoning))
    return Message("assistant", content, tool_calls=tuple(calls), reasoning=thought)


def _call(path: str, block: Block) -> ToolCall:
    if block.id is None:
        raise missing(f"{path}.id")
    if block.name is None:
        raise missing(f"{path}.name")
    if block.input is None:
        raise missing(f"{path}.input")
    try:
        return ToolCall(from_toolu(block.id), block.name, to_arguments(block.input))
    except ValueError:
        raise bad_value(f"{path}.input", "finite numbers only", block.input) from None


def _texts(blocks: Iterable[tuple[str, TextualBlock]]) -> list[str]:
    return [_text(path, block, "'text'") for path, block in blocks]


def _text(path: str, block: TextualBlock, expected: str) -> str:
    """The text of a block that has to be one."""
    if block.type != "text":
        raise _not_text(path, block.type, expected)
    if block.text is None:
        raise missing(f"{path}.text")
    return block.text


def _not_text(path: str, kind: str, expected: str) -> InvalidRequest:
    if kind in _SENSES:
        return unsupported(
            f"This model cannot {_SENSES[kind]} ('{path}').", "Send the content as text.", path
        )
    return bad_value(f"{path}.type", expected, kind)
