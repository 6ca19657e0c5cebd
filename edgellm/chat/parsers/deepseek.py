"""DeepSeek R1 and its distills: reasoning in `<think>` tags; calls in the forms of V3 and V3.1.

<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather
```json
{"city": "Paris"}
```<｜tool▁call▁end｜><｜tool▁calls▁end｜>
<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Paris"}<｜tool▁call▁end｜>   (V3.1)

The distills' templates show no tools; the prompt that we give instead asks for Hermes' tags.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgellm.chat.calls import Calls
from edgellm.chat.headed_calls import HeadedCall
from edgellm.chat.markup import MakeBody, MarkedParser, Thinking
from edgellm.chat.parsers import hermes
from edgellm.types import Tool

OPEN, SEPARATOR, CLOSE = "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"
AROUND = ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>")

_HEAD = re.compile(
    rf"\s*(?:function\s*{SEPARATOR})?\s*([\w.\-]+)\s*(?:{SEPARATOR})?\s*(?:```(?:json)?)?\s*"
)


def make(tools: Sequence[Tool] = (), prompt: str = "") -> MarkedParser:
    calls = Calls(tools)
    markers: dict[str, MakeBody] = hermes.markers(calls)
    if tools:
        markers[OPEN] = lambda raw: HeadedCall(calls, raw, _HEAD, CLOSE)
    return MarkedParser(
        calls,
        markers,
        thinking=Thinking(),
        gaps=AROUND if tools else (),
        shown=[SEPARATOR, CLOSE],
        prompt=prompt,
    )
