"""What an output parser is."""

from __future__ import annotations

from typing import Protocol

from edgellm.chat.calls import ContentEvent as ContentEvent


class OutputParser(Protocol):
    """Streams one answer. Never raises and never loses text: a broken call comes back as text.

    A call whose arguments stream is announced once they have begun well; what breaks later stays
    with the call as far as it was valid JSON, and the rest of it comes back as text.
    """

    @property
    def num_tool_calls(self) -> int: ...

    @property
    def shown_tokens(self) -> tuple[str, ...]:
        """Control tokens whose texts the parser must see; engines leave out all others."""

    @property
    def is_thinking(self) -> bool | None:
        """Whether what comes next is reasoning; None = it depends on how a mark goes on."""

    def push(self, text: str) -> list[ContentEvent]:
        """More of the model's text; gives what is certain now."""

    def finish(self) -> list[ContentEvent]:
        """The text ends here; gives all that was held back."""

    def drop_held(self) -> None:
        """Forget what was held back because it may be the beginning of a mark."""
