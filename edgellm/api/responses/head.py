"""What a response says of the request it answers, however the answer turns out. Pure."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Struct

from edgellm.api.responses.request import to_top_logprobs
from edgellm.api.responses.schema import CreateResponseBody
from edgellm.api.responses.tools import to_choice, to_tools
from edgellm.types import Tool

Json = dict[str, Any]


class Head(Struct, frozen=True):
    """`fields` are those of the response object that never change."""

    id: str
    created_at: int
    fields: Json

    def to_json(self, status: str, output: object = (), **changing: object) -> Json:
        """The response object.

        Args:
            changing: of completed_at, error, incomplete_details, usage and timings, what is known.
        """
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "status": status,
            "completed_at": None,
            "error": None,
            "incomplete_details": None,
            **self.fields,
            "output": output,
            "usage": None,
            **changing,
        }


def to_head(body: CreateResponseBody, model: str, id_: str, created_at: int) -> Head:
    """Of a body that `to_request` takes."""
    tools = to_tools(body.tools)
    return Head(
        id_,
        created_at,
        {
            "model": model,
            "instructions": body.instructions,
            "previous_response_id": body.previous_response_id,
            "store": body.store is not False,
            "background": False,
            "truncation": body.truncation or "disabled",
            "max_output_tokens": body.max_output_tokens,
            "max_tool_calls": body.max_tool_calls,
            "parallel_tool_calls": body.parallel_tool_calls is not False,
            "tool_choice": to_choice(body.tool_choice, tools).shown,
            "tools": [_tool(tool) for tool in tools],
            "text": _text(body),
            "reasoning": {
                "effort": body.reasoning.effort if body.reasoning else None,
                "summary": None,  # reasoning is told whole
            },
            "temperature": body.temperature,
            "top_p": body.top_p,
            "top_logprobs": to_top_logprobs(body) or 0,
            "metadata": body.metadata or {},
            "prompt_cache_key": body.prompt_cache_key,
            "safety_identifier": body.safety_identifier,
            "service_tier": "default",
            "user": body.user if isinstance(body.user, str) else None,
        },
    )


def _tool(tool: Tool) -> Json:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description or None,
        "parameters": _raw(tool.parameters),
        "strict": tool.is_strict,
    }


def _text(body: CreateResponseBody) -> Json:
    text = body.text
    format_ = (text.format if text else None) or {"type": "text"}
    known = ("type", "name", "description", "schema", "strict")
    shown = {key: format_[key] for key in known if key in format_}
    if "schema" in shown:
        shown["schema"] = _raw(shown["schema"])
    return {"format": shown, "verbosity": (text.verbosity if text else None) or "medium"}


def _raw(schema: Json) -> msgspec.Raw:
    """Encoded by `json`: a schema may hold integers that are too large for msgspec."""
    return msgspec.Raw(json.dumps(schema).encode())
