"""Puts tool calls together from their pieces: Ollama sends a call when it is complete. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from edgellm.types import ToolCallDelta

Json = dict[str, Any]


class Calls:
    """A call is complete when another one begins, or when the model goes on to something else."""

    def __init__(self) -> None:
        self._index: int | None = None
        self._id = self._name = ""
        self._pieces: list[str] = []

    def add(self, delta: ToolCallDelta) -> tuple[list[Json], str]:
        """What the call before it has become, if this piece begins another one: see `close`."""
        before: tuple[list[Json], str] = ([], "")
        if delta.index != self._index:
            before = self.close()
            self._index, self._id, self._name = delta.index, delta.id or "", delta.name or ""
        self._pieces.append(delta.arguments)
        return before

    def close(self) -> tuple[list[Json], str]:
        """The open call, or, if it was cut off, its text, so that nothing is lost."""
        if self._index is None:
            return [], ""
        index, text = self._index, "".join(self._pieces)
        self._index, self._pieces = None, []
        arguments = _object(text)
        if arguments is None:
            name = msgspec.json.encode(self._name).decode()
            return [], f'{{"name": {name}, "arguments": {text}'
        function = {"index": index, "name": self._name, "arguments": arguments}
        return [{"id": self._id, "function": function}], ""


def _object(text: str) -> Json | None:
    try:
        value = msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:
        return None
    return value if isinstance(value, dict) else None
