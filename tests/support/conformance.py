"""JSON Schemas by feature, written by hand, and how an answer is judged.

A line of `json_schemas/<group>.jsonl` is `[name, schema]` or `[name, schema, never]`: `never` are
instances that break the schema, so no answer may be one of them. Which of the schemas are refused
is told by `tests/golden/json_schemas.txt`.
"""

from __future__ import annotations

import json
import re
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import jsonschema_rs
from jsonschema.validators import validator_for

FOLDER = Path(__file__).parent / "json_schemas"
LATEST = jsonschema.Draft202012Validator


class Case(NamedTuple):
    """A schema, and instances that it does not allow."""

    name: str
    schema: Any
    never: list[Any]


def load_cases() -> dict[str, Case]:
    """All, by name."""
    cases: dict[str, Case] = {}
    for path in sorted(FOLDER.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            name, schema, *never = json.loads(line)
            assert name not in cases, name
            cases[name] = Case(name, schema, never[0] if never else [])
    return cases


def why_invalid(schema: Any, text: str) -> str:
    """Why an answer does not validate; empty if it does.

    Two validators judge: Python's reference, with exact decimals, since 0.07 % 0.01 is not 0 in
    floating point; and one that checks every format.
    """
    return _python_says(schema, text) or _rust_says(schema, text)


def _python_says(schema: Any, text: str) -> str:
    exact = json.loads(text, parse_float=_exact)
    exact_schema = json.loads(json.dumps(schema), parse_float=Decimal)
    # Items in a list are of older drafts.
    default = jsonschema.Draft7Validator if _has_old_items(schema) else LATEST
    try:
        error = next(validator_for(schema, default)(exact_schema).iter_errors(exact), None)
    except re.error:  # a pattern of JavaScript's that is none of Python's
        return ""
    return str(error.message) if error is not None else ""


def _exact(number: str) -> Decimal | float:
    try:
        return Decimal(number)
    except InvalidOperation:  # a hot model may write 1e9999999999999999999
        return _finite(number)


def _finite(number: str) -> float:
    return max(-sys.float_info.max, min(float(number), sys.float_info.max))


def _rust_says(schema: Any, text: str) -> str:
    make: Any = jsonschema_rs.validator_for
    make = jsonschema_rs.Draft7Validator if _has_old_items(schema) else make
    try:
        validator = make(schema, validate_formats=True)
    except (ValueError, AttributeError):  # a schema that it does not take
        return ""
    error = next(validator.iter_errors(json.loads(text, parse_float=_finite)), None)
    is_exact = error is None or error.kind.name != "multipleOf"  # it divides doubles
    return str(error.message) if error is not None and is_exact else ""


def _has_old_items(schema: Any) -> bool:
    is_dated = isinstance(schema, dict) and "$schema" in schema
    return not is_dated and re.search(r'"items": \[', json.dumps(schema)) is not None


def keywords(schema: Any) -> set[str]:
    """All names in a schema that may be keywords."""
    match schema:
        case dict():
            return set(schema).union(*map(keywords, schema.values()))
        case list():
            return set().union(*map(keywords, schema))
        case _:
            return set()
