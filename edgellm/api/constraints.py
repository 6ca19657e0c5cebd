"""What an answer must look like, in every dialect: a JSON Schema, or a call of certain tools."""

from __future__ import annotations

import json
from typing import Any

from edgellm.api.validation import bad_type, bad_value, unsupported
from edgellm.errors import InvalidRequest
from edgellm.json_schema import find_problem, join, to_compilable
from edgellm.types import Constraint, Tool

MAX_CHARS = 256 * 1024  # of a schema, an expression or a grammar
ANY_OBJECT = '{"type":"object"}'


def schema_constraint(schema: Any, param: str) -> Constraint:
    """A JSON Schema at the field `param`, for every dialect. Raises InvalidRequest that names the
    keyword that an answer cannot be held to."""
    if not isinstance(schema, dict):
        raise bad_type(param, "an object", schema)
    problem = find_problem(schema)
    if problem is not None:
        where = join(param, problem.path) if problem.path else param
        raise unsupported(
            f"The answer cannot be held to this JSON Schema: {problem.message}",
            f"The problem is in '{where}'.",
            where,
        )
    try:
        text = json.dumps(to_compilable(schema), allow_nan=False)
    except ValueError:
        raise bad_value(param, "finite numbers only", schema) from None
    check_size(text, param)
    return Constraint("json_schema", text, param)


def check_size(text: str, param: str) -> None:
    """Raises InvalidRequest for more characters than a grammar may have."""
    if len(text) > MAX_CHARS:
        raise InvalidRequest(
            f"'{param}' has {len(text)} characters, more than {MAX_CHARS}.",
            "Shorten it, or split the request.",
            param=param,
        )


def known_tools(names: list[str], tools: tuple[Tool, ...], name_param: str) -> tuple[str, ...]:
    """The tools of which one must be called.

    Args:
        name_param: the field that holds a tool's name, for errors.

    Raises:
        InvalidRequest: a name is no tool's, or there is none.
    """
    known = {tool.name for tool in tools}
    for name in names:
        if name not in known:
            raise bad_value(name_param, "the name of one of the 'tools'", name)
    if not names:
        raise InvalidRequest(
            "'tool_choice' demands a call, but there are no 'tools'.", param="tool_choice"
        )
    return tuple(names)
