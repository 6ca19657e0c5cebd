"""Turns pydantic's complaints into one `InvalidRequest` that names the field, as OpenAI does.

Only the first complaint is told, and never more than a glimpse of what was sent: a request may
hold megabytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from edgellm.errors import InvalidRequest
from edgellm.units import parse_duration

WRONG_TYPE = "wrong_type"  # our own validators' error; its message says what was expected

_MAX_SHOWN = 80

Body = TypeVar("Body", bound=BaseModel)

_TYPE_WORDS = {
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
}


def parse_body(model: type[Body], raw: bytes) -> Body:
    """Parse and validate a JSON body. Raises InvalidRequest."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise from_validation_errors(error.errors(include_url=False)) from None


def from_validation_errors(errors: Sequence[Any]) -> InvalidRequest:
    """The first of pydantic's error dicts (type, loc, msg, input, ctx), in our words."""
    first: Mapping[str, Any] = errors[0]
    kind = first["type"]
    path = field_path(first["loc"])
    if kind == "json_invalid":
        where = first["ctx"]["error"]
        return InvalidRequest(
            f"We could not parse the JSON body of your request: {where}.",
            "The body must be one JSON object, in UTF-8.",
            code="invalid_json",
        )
    if kind == "missing":
        return missing(path)
    expected = _TYPE_WORDS.get(kind) or _expectation(first)
    is_type = kind in _TYPE_WORDS or kind == WRONG_TYPE
    return InvalidRequest(
        f"Invalid {'type' if is_type else 'value'} for {_quoted(path)}: "
        f"expected {expected}, but got {shown(first['input'])}.",
        param=path or None,
        code="invalid_type" if is_type else "invalid_value",
    )


def missing(path: str) -> InvalidRequest:
    return InvalidRequest(
        f"Missing required parameter: '{path}'.", param=path, code="missing_required_parameter"
    )


def bad_value(path: str, expected: str, got: object) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid value for {_quoted(path)}: expected {expected}, but got {shown(got)}.", param=path
    )


def to_keep_alive(value: object) -> float | None:
    """Seconds that the model is to stay after this answer; infinity for ever, None = as before."""
    expected = "seconds, or a duration such as '5m'"
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise bad_type("keep_alive", expected, value)
    try:
        return parse_duration(value)
    except ValueError:
        raise bad_value("keep_alive", expected, value) from None


def bad_type(path: str, expected: str, got: object) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid type for {_quoted(path)}: expected {expected}, but got {shown(got)}.",
        param=path,
        code="invalid_type",
    )


def unsupported(message: str, hint: str, param: str) -> InvalidRequest:
    """A value that OpenAI's API knows and this server does not act on: told, never ignored."""
    return InvalidRequest(message, hint, param=param, code="unsupported_value")


def field_path(loc: Sequence[int | str]) -> str:
    """("messages", 2, "role") -> "messages[2].role"."""
    path = ""
    for step in loc:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if path else step
    return path[:200]  # a key of logit_bias is as long as the caller likes


def shown(value: object) -> str:
    """A glimpse of a JSON value, at most about 80 characters."""
    match value:
        case str():
            text = json.dumps(value[:_MAX_SHOWN], ensure_ascii=False)
            return text + "..." if len(value) > _MAX_SHOWN else text
        case None | bool() | float():
            return json.dumps(value)
        case int():
            return str(value) if abs(value) < 10**_MAX_SHOWN else "a very large integer"
        case list() | tuple():
            return f"an array of {len(value)}" if value else "an empty array"
        case dict():
            return "an object" if value else "an empty object"
        case _:
            return f"a {type(value).__name__}"


def _expectation(error: Mapping[str, Any]) -> str:
    limits = error.get("ctx", {})
    match error["type"]:
        case "too_short":
            return f"at least {limits['min_length']} item(s)"
        case "too_long":
            return f"at most {limits['max_length']} item(s)"
        case "string_too_short":
            return f"a string of at least {limits['min_length']} character(s)"
        case "string_too_long":
            return f"a string of at most {limits['max_length']} characters"
        case "string_pattern_mismatch":
            return f"a string that matches {limits['pattern']}"
        case "literal_error":
            return f"one of {limits['expected']}"
        case _:
            message: str = error["msg"]
            return message.removeprefix("Input should be ").removeprefix("Value should be ")


def _quoted(path: str) -> str:
    return f"'{path}'" if path else "the request body"
