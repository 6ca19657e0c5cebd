"""The request's `input` -> items. Pure: what is stored, and how ids are made, are arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from edgellm.api.responses.items import (
    CallItem,
    CallOutputItem,
    InputText,
    Item,
    MessageItem,
    OutputText,
    Part,
    ReasoningItem,
    ReasoningText,
    Refusal,
    SummaryText,
    joined,
)
from edgellm.api.responses.schema import (
    CallInput,
    CallOutputInput,
    MessageInput,
    PartInput,
    ReasoningInput,
    ReferenceInput,
)
from edgellm.api.validation import bad_value, from_validation_errors, missing, shown, unsupported
from edgellm.errors import InvalidRequest, NotStored

Model = TypeVar("Model", bound=BaseModel)

_TYPES = "message, function_call, function_call_output, reasoning and item_reference"
_SENSES = {
    "input_image": "see images",
    "image_url": "see images",
    "input_audio": "hear audio",
    "input_file": "read files",
}


class InputReader:
    """Reads the items of one request.

    Args:
        history: what came before; outputs of its calls may follow.
        stored: gives the items that a reference may name, by id; only asked if there is one.
        new_id: makes the id of an item that has none, from a prefix.
    """

    def __init__(
        self,
        history: Sequence[Item],
        stored: Callable[[], Mapping[str, Item]],
        new_id: Callable[[str], str],
    ) -> None:
        self._call_ids = {item.call_id for item in history if isinstance(item, CallItem)}
        self._stored = functools.cache(stored)
        self._new_id = new_id

    def read(self, items: Sequence[dict[str, Any]]) -> tuple[Item, ...]:
        """Raises RequestError that names the field, e.g. ``input[2].content[0].text``."""
        return tuple(self._item(raw, index) for index, raw in enumerate(items))

    def _item(self, raw: dict[str, Any], index: int) -> Item:
        path = f"input[{index}]"
        item = self._by_type(raw, index, path)
        if isinstance(item, CallItem):
            self._call_ids.add(item.call_id)
        if isinstance(item, CallOutputItem) and item.call_id not in self._call_ids:
            raise InvalidRequest(
                f"No tool call found for the function call output with call_id "
                f"{shown(item.call_id)}.",
                "Send the 'function_call' item before its output, or name the response that made "
                "it as 'previous_response_id'.",
                param=f"{path}.call_id",
            )
        return item

    def _by_type(self, raw: dict[str, Any], index: int, path: str) -> Item:
        match _type_of(raw, path):
            case "message":
                return self._message(_validated(MessageInput, raw, index), path)
            case "function_call":
                call = _validated(CallInput, raw, index)
                id_ = call.id or self._new_id("fc")
                return CallItem(id_, call.call_id, call.name, call.arguments)
            case "function_call_output":
                result = _validated(CallOutputInput, raw, index)
                output = joined(_text(part) for part in _parts(result.output, f"{path}.output"))
                return CallOutputItem(result.id or self._new_id("fco"), result.call_id, output)
            case "reasoning":
                return self._reasoning(_validated(ReasoningInput, raw, index), path)
            case "item_reference":
                return self._referred(_validated(ReferenceInput, raw, index).id, path)
            case str() as other:
                raise unsupported(
                    f"Items of type {shown(other)} are not supported.",
                    f"Items are {_TYPES}.",
                    f"{path}.type",
                )
            case other:
                raise bad_value(f"{path}.type", f"one of {_TYPES}", other)

    def _message(self, message: MessageInput, path: str) -> MessageItem:
        is_output = message.role == "assistant"
        parts = _parts(message.content, f"{path}.content", is_output=is_output)
        return MessageItem(message.id or self._new_id("msg"), message.role, parts)

    def _reasoning(self, reasoning: ReasoningInput, path: str) -> ReasoningItem:
        content = _texts(reasoning.content, f"{path}.content")
        summary = _texts(reasoning.summary, f"{path}.summary")
        if reasoning.encrypted_content and not (content or summary):
            raise unsupported(
                "This server cannot read the encrypted reasoning of another one.",
                "Leave the item out.",
                f"{path}.encrypted_content",
            )
        return ReasoningItem(
            reasoning.id or self._new_id("rs"),
            tuple(SummaryText(text) for text in summary),
            tuple(ReasoningText(text) for text in content),
        )

    def _referred(self, id_: str, path: str) -> Item:
        item = self._stored().get(id_)
        if item is None:
            raise NotStored(f"The item {shown(id_)}", f"{path}.id", "item_not_found")
        return item


def _type_of(raw: dict[str, Any], path: str) -> Any:
    """Messages and references may leave it out."""
    type_ = raw.get("type")
    if type_ is not None:
        return type_
    if "role" in raw or "content" in raw:
        return "message"
    if set(raw) <= {"id", "type"} and raw.get("id") is not None:
        return "item_reference"
    raise missing(f"{path}.type")


def _validated(model: type[Model], raw: dict[str, Any], index: int) -> Model:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        located = {**first, "loc": ("input", index, *first["loc"])}
        raise from_validation_errors([located]) from None


def _parts(parts: list[PartInput], path: str, *, is_output: bool = False) -> tuple[Part, ...]:
    return tuple(
        _part(part, f"{path}[{index}]", is_output=is_output) for index, part in enumerate(parts)
    )


def _part(part: PartInput, path: str, *, is_output: bool) -> Part:
    """Whatever its text was called: what an assistant says is output, all else is input."""
    match part.type:
        case "input_text" | "output_text" | "text":
            if part.text is None:
                raise missing(f"{path}.text")
            return OutputText(part.text) if is_output else InputText(part.text)
        case "refusal":
            if part.refusal is None:
                raise missing(f"{path}.refusal")
            return Refusal(part.refusal) if is_output else InputText(part.refusal)
        case kind if kind in _SENSES:
            raise unsupported(
                f"This model cannot {_SENSES[kind]}.", "Send the content as text.", path
            )
        case other:
            raise bad_value(f"{path}.type", "'input_text', 'output_text' or 'refusal'", other)


def _text(part: Part) -> str:
    return part.refusal if isinstance(part, Refusal) else part.text


def _texts(parts: list[PartInput] | None, path: str) -> list[str]:
    texts = []
    for index, part in enumerate(parts or ()):
        if part.text is None:
            raise missing(f"{path}[{index}].text")
        texts.append(part.text)
    return texts
