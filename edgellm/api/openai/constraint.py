"""What OpenAI's fields say of an answer's form -> `Constraint`. Pure.

`regex` and `grammar` are extensions: a regular expression that the whole answer matches, and a
grammar in Lark or in llama.cpp's GBNF, told apart by their look.
"""

from __future__ import annotations

from typing import Any

from edgellm.api.constraints import ANY_OBJECT, check_size, schema_constraint
from edgellm.api.openai.schema import SamplingFields
from edgellm.api.validation import bad_type, bad_value, missing
from edgellm.errors import InvalidRequest
from edgellm.types import Constraint


def to_constraint(body: SamplingFields) -> Constraint | None:
    """What the answer must match; None = anything. Raises InvalidRequest."""
    found = [
        constraint
        for constraint in (
            _of_response_format(body.response_format),
            _of_text("regex", body.regex),
            _of_text("grammar", body.grammar),
        )
        if constraint is not None
    ]
    if len(found) > 1:
        raise InvalidRequest(
            f"Only one of {' and '.join(each.param for each in found)} can be used.",
            param=found[1].param.split(".")[0],
        )
    return found[0] if found else None


def _of_text(kind: Any, text: str | None) -> Constraint | None:
    if text is None:
        return None
    check_size(text, kind)
    return Constraint(kind, text, kind)


def _of_response_format(response_format: Any) -> Constraint | None:
    match response_format:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object", "schema": schema}:  # llama-server's short form
            return schema_constraint(schema, "response_format.schema")
        case {"type": "json_object"}:
            return Constraint("json_schema", ANY_OBJECT)
        case {"type": "json_schema", "json_schema": dict() as wrapped}:
            return _of_wrapped(wrapped)
        case {"type": "json_schema", "json_schema": other}:
            raise bad_type("response_format.json_schema", "an object", other)
        case {"type": "json_schema"}:
            raise missing("response_format.json_schema")
        case {"type": other}:
            expected = "'text', 'json_object' or 'json_schema'"
            raise bad_value("response_format.type", expected, other)
        case dict():
            raise missing("response_format.type")
        case _:
            raise bad_type("response_format", "an object", response_format)


def _of_wrapped(wrapped: dict[str, Any]) -> Constraint:
    """OpenAI's own: the schema beside a name. With and without `strict` it is kept to."""
    strict = wrapped.get("strict")
    if strict is not None and not isinstance(strict, bool):
        raise bad_type("response_format.json_schema.strict", "a boolean", strict)
    if wrapped.get("schema") is None:
        raise missing("response_format.json_schema.schema")
    return schema_constraint(wrapped["schema"], "response_format.json_schema.schema")
