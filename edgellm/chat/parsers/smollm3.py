"""SmolLM3: reasoning in `<think>` tags, then the answer or calls as Hermes writes them.

The template tells the model to think or not; where not, it writes an empty pair of tags itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgellm.chat.calls import Calls
from edgellm.chat.markup import MarkedParser, Thinking
from edgellm.chat.parsers import hermes
from edgellm.types import Tool


def make(tools: Sequence[Tool] = (), prompt: str = "") -> MarkedParser:
    calls = Calls(tools)
    return MarkedParser(
        calls, hermes.markers(calls), thinking=Thinking(), shown=[hermes.CLOSE], prompt=prompt
    )
