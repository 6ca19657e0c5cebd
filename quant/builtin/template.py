"""The chat template in Python: the twin of `chat_template.jinja`, with a loss weight per part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

START, END, TEXT_END = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
SPECIALS = (TEXT_END, START, END)
FRAME_WEIGHT = 0.1
FILE = Path(__file__).with_name("chat_template.jinja")
HEAD = "# Tools\n\nYou may call one or more of these functions:\n<tools>"
TAIL = (
    "\n</tools>\nCall a function with its name and arguments as JSON "
    "within <tool_call></tool_call>."
)
Message = dict[str, Any]
Part = tuple[str, float, bool]


def dumps(value: Any) -> str:
    """JSON as the `tojson` filter of chat templates writes it."""
    return json.dumps(value, ensure_ascii=False)


def calls_text(message: Message) -> str:
    """An assistant message: its text and its tool calls."""
    texts = [message.get("content")] if message.get("content") else []
    for call in message.get("tool_calls") or []:
        function = call.get("function") or call
        arguments = function["arguments"]
        arguments = arguments if isinstance(arguments, str) else dumps(arguments)
        name = dumps(function["name"])
        texts.append(f'<tool_call>\n{{"name": {name}, "arguments": {arguments}}}\n</tool_call>')
    return "\n".join(texts)


def system_text(content: str, tools: list[dict] | None) -> str:
    """The system block, with the tools offered."""
    if not tools:
        return content
    listed = "".join(f"\n{dumps(tool)}" for tool in tools)
    return f"{content}\n\n{HEAD}{listed}{TAIL}" if content else f"{HEAD}{listed}{TAIL}"


def block(role: str, text: str, weight: float) -> list[Part]:
    """One message as parts: (text, weight, special)."""
    return [
        (START, FRAME_WEIGHT, True),
        (f"{role}\n", FRAME_WEIGHT, False) if weight == 1 else (f"{role}\n{text}", weight, False),
        *([(text, 1.0, False)] if weight == 1 else []),
        (END, weight, True),
        ("\n", FRAME_WEIGHT, False),
    ]


def merged_tools(messages: list[Message]) -> list[Message]:
    """Consecutive tool results as one user message."""
    merged: list[Message] = []
    for at, message in enumerate(messages):
        if message["role"] != "tool":
            merged.append(message)
            continue
        text = f"<tool_response>\n{message.get('content') or ''}\n</tool_response>"
        if at and messages[at - 1]["role"] == "tool":
            merged[-1] = {"role": "user", "content": f"{merged[-1]['content']}\n{text}"}
        else:
            merged.append({"role": "user", "content": text})
    return merged


def parts(messages: list[Message], tools: list[dict] | None = None) -> list[Part]:
    """A whole chat as weighted parts."""
    result: list[Part] = []
    rest = list(messages)
    lead = rest.pop(0) if rest and rest[0]["role"] in ("system", "developer") else None
    if lead or tools:
        text = system_text((lead or {}).get("content") or "", tools)
        result += block("system", text, FRAME_WEIGHT)
    for message in merged_tools(rest):
        if message["role"] == "assistant":
            result += block("assistant", calls_text(message), 1.0)
        elif message["role"] in ("user", "system", "developer"):
            role = "user" if message["role"] == "user" else "system"
            result += block(role, message.get("content") or "", FRAME_WEIGHT)
        else:
            raise ValueError(f"unknown role: {message['role']}")
    return result


def render(messages: list[Message], tools: list[dict] | None = None, ask: bool = True) -> str:
    """The text of a chat, as the template writes it."""
    text = "".join(part[0] for part in parts(messages, tools))
    return f"{text}{START}assistant\n" if ask else text
