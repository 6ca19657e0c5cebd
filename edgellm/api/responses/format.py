"""`text.format`, `regex` and `grammar` -> what the answer must match. Pure."""

from __future__ import annotations

import re
from typing import Any

from edgellm.api.constraints import ANY_OBJECT, check_size, schema_constraint
from edgellm.api.responses.schema import CreateResponseBody
from edgellm.api.validation import bad_type, bad_value, missing
from edgellm.errors import InvalidRequest
from edgellm.types import Constraint, ConstraintKind

_PATH = "text.format"


def to_constraint(body: CreateResponseBody) -> Constraint | None:
    """None = anything. Raises InvalidRequest."""
    found = [
        constraint
        for constraint in (
            _of_format(body.text.format if body.text else None),
            _of_text("regex", body.regex),
            _of_text("grammar", body.grammar),
        )
        if constraint is not None
    ]
    if len(found) > 1:
        raise InvalidRequest(
            f"Only one of {' and '.join(each.param for each in found)} can be used.",
            param=found[1].param,
        )
    return found[0] if found else None


def _of_text(kind: ConstraintKind, text: str | None) -> Constraint | None:
    if text is None:
        return None
    check_size(text, kind)
    return Constraint(kind, text, kind)


def _of_format(format_: Any) -> Constraint | None:
    match format_:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return Constraint("json_schema", ANY_OBJECT, _PATH)
        case {"type": "json_schema"}:
            return _of_schema(format_)
        case {"type": other}:
            raise bad_value(f"{_PATH}.type", "'text', 'json_object' or 'json_schema'", other)
        case dict():
            raise missing(f"{_PATH}.type")
        case _:
            raise bad_type(_PATH, "an object", format_)


def _of_schema(format_: dict[str, Any]) -> Constraint:
    """With and without `strict` it is kept to."""
    for name, kind, words in (
        ("name", str, "a string"),
        ("description", str, "a string"),
        ("strict", bool, "a boolean"),
    ):
        value = format_.get(name)
        if value is not None and not isinstance(value, kind):
            raise bad_type(f"{_PATH}.{name}", words, value)
    if format_.get("name") is None:
        raise missing(f"{_PATH}.name")
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", format_["name"]):
        expected = "1 to 64 letters, digits, underscores or dashes"
        raise bad_value(f"{_PATH}.name", expected, format_["name"])
    if format_.get("schema") is None:
        raise missing(f"{_PATH}.schema")
    return schema_constraint(format_["schema"], f"{_PATH}.schema")
