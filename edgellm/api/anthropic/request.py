"""Anthropic's request bodies -> `GenerateRequest`. Pure.

What this server cannot do is refused here, by name: nothing that would change the answer is
ignored.
"""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace

from edgellm.api.anthropic.schema import MessagesBody, PromptFields, ToolChoice, ToolParam
from edgellm.api.anthropic.turns import to_messages
from edgellm.api.constraints import known_tools, schema_constraint
from edgellm.api.validation import (
    bad_type,
    bad_value,
    missing,
    shown,
    to_keep_alive,
    unsupported,
)
from edgellm.errors import InvalidRequest
from edgellm.types import Constraint, GenerateRequest, Message, Sampling, Tool

_EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}


def to_request(body: MessagesBody, model: str, client: str = "") -> GenerateRequest:
    """Raises InvalidRequest."""
    sampling = Sampling(
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        max_tokens=body.max_tokens,
        stop=tuple(body.stop_sequences or ()),
    )
    keep_alive = to_keep_alive(body.keep_alive)
    request = to_prompt(body, model)
    return replace(request, sampling=sampling, client=client, keep_alive_seconds=keep_alive)


def to_prompt(body: PromptFields, model: str) -> GenerateRequest:
    """What of a request its prompt depends on, and what its answer must match. Raises
    InvalidRequest."""
    _refuse_unsupported(body)
    messages = to_messages(body.system, body.messages)
    tools = tuple(to_tool(tool, f"tools[{i}]") for i, tool in enumerate(body.tools or ()))
    must_call = required_calls(body.tool_choice, tools)
    constraint = to_constraint(body)
    continues_last = _continues_last(messages, constraint)
    choice, config = body.tool_choice, body.output_config
    return GenerateRequest(
        model=model,
        messages=messages,
        tools=tools if must_call is not None else (),
        must_call=must_call or (),
        parallel_tool_calls=not (choice and choice.disable_parallel_tool_use),
        constraint=constraint,
        continues_last=continues_last,
        is_thinking=to_thinking(body),
        effort=_EFFORTS[config.effort] if config and config.effort else None,
    )


def to_thinking(body: PromptFields) -> bool | None:
    """Whether the model reasons first; None = as it is used to.

    Who does not ask for reasoning gets none, as with Anthropic: such clients read the first block
    of an answer as its text, and `max_tokens` is for that text.
    """
    if body.thinking is None:
        has_effort = body.output_config is not None and body.output_config.effort is not None
        return None if has_effort else False
    match body.thinking.type:
        case "enabled" | "between_tools":
            return True
        case "disabled":
            return False
        case "adaptive":
            return None


def to_tool(tool: ToolParam, path: str) -> Tool:
    if tool.type not in (None, "custom"):
        raise unsupported(
            f"Tools of type {shown(tool.type)} ('{path}.type') are not supported: they run, or are "
            "defined, on Anthropic's servers.",
            "Define a tool of your own, with an 'input_schema'.",
            f"{path}.type",
        )
    if tool.input_schema is None:
        raise missing(f"{path}.input_schema")
    try:
        json.dumps(tool.input_schema, allow_nan=False)
    except ValueError:
        where = f"{path}.input_schema"
        raise bad_value(where, "finite numbers only", tool.input_schema) from None
    return Tool(tool.name, tool.description or "", tool.input_schema, bool(tool.strict))


def required_calls(choice: ToolChoice | None, tools: tuple[Tool, ...]) -> tuple[str, ...] | None:
    """The names of the tools of which one must be called, none = as the model likes; None where
    it may not call any. Raises InvalidRequest."""
    match choice.type if choice else "auto":
        case "auto":
            return ()
        case "none":
            return None
        case "any":
            return known_tools([tool.name for tool in tools], tools, "tool_choice.name")
        case "tool":
            assert choice is not None
            if choice.name is None:
                raise missing("tool_choice.name")
            return known_tools([choice.name], tools, "tool_choice.name")


def to_constraint(body: PromptFields) -> Constraint | None:
    """The JSON Schema that the answer must fit; None = anything. Raises InvalidRequest."""
    nested = body.output_config.format if body.output_config else None
    if nested is not None and body.output_format is not None:
        raise InvalidRequest(
            "Only one of 'output_config.format' and 'output_format' can be used.",
            param="output_format",
        )
    if nested is not None:
        return _of_format(nested, "output_config.format")
    return _of_format(body.output_format, "output_format")


def _of_format(format_: Any, param: str) -> Constraint | None:
    match format_:
        case None:
            return None
        case {"type": "json_schema", "schema": schema}:
            return schema_constraint(schema, f"{param}.schema")
        case {"type": "json_schema"}:
            raise missing(f"{param}.schema")
        case {"type": other}:
            raise bad_value(f"{param}.type", "'json_schema'", other)
        case dict():
            raise missing(f"{param}.type")
        case _:
            raise bad_type(param, "an object", format_)


def _continues_last(messages: tuple[Message, ...], constraint: Constraint | None) -> bool:
    """Whether the client has begun the answer. Raises InvalidRequest."""
    if not any(message.role != "system" for message in messages):
        raise InvalidRequest(
            "There is nothing to answer: 'messages' has no turn with content.", param="messages"
        )
    last = messages[-1]
    if last.role != "assistant":
        return False
    if last.tool_calls:
        raise InvalidRequest(
            "The last of the 'messages' calls tools, and their results are missing.",
            "Send each as a 'tool_result' block in a turn of the user.",
            param="messages",
        )
    if constraint is not None:
        raise InvalidRequest(
            f"'{constraint.param}' cannot be used when the last of the 'messages' begins the "
            "answer.",
            "Let the last turn be the user's.",
            param=constraint.param,
        )
    return True


def _refuse_unsupported(body: PromptFields) -> None:
    if body.container:
        raise unsupported(
            "'container' is not supported: no code is run here.", "Leave it out.", "container"
        )
    if body.mcp_servers:
        raise unsupported(
            "'mcp_servers' is not supported: this server calls no other.",
            "Connect to them in the client, and send their tools as 'tools'.",
            "mcp_servers",
        )
