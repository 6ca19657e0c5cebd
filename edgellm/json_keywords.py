"""What the values of a JSON Schema's keywords must be. Knows nothing of how keywords act together.

A keyword with a value of the wrong kind limits nothing to some programs and everything to others.
Here it is a mistake that is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from edgellm.json_patterns import BadPattern, narrowed

COUNTS = frozenset(
    {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
)
NUMBERS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
TYPES = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
UNEVALUATED = ("unevaluatedProperties", "unevaluatedItems")
MOST_COUNT = 10**9  # more is a mistake, and too much for the compiler's patterns
DRAFTS = "json-schema.org/"


def find_fault(key: str, value: Any) -> str:
    """What is wrong with a keyword's value, in a sentence; empty if nothing is."""
    check = _CHECKS.get(key)
    return check(key, value) if check is not None else ""


def _check_number(key: str, value: Any) -> str:
    if isinstance(value, bool) and key.startswith("exclusive"):
        return f"'{key}' must be a number, as since draft 6."
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"'{key}' must be a number."
    if key == "multipleOf" and value <= 0:
        return "'multipleOf' must be more than 0."
    return _check_exact(key, value)


def _check_count(key: str, value: Any) -> str:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or value != value // 1 or value < 0:
        return f"'{key}' must be a whole number, 0 or more."
    return f"'{key}' is more than {MOST_COUNT:,}." if value > MOST_COUNT else ""


def _check_text(key: str, value: Any) -> str:
    return "" if isinstance(value, str) else f"'{key}' must be a string."


def _check_pattern(key: str, value: Any) -> str:
    if not isinstance(value, str):
        return f"'{key}' must be a string."
    try:
        narrowed(value)
    except BadPattern as error:
        return f"The pattern cannot be used. {error}"
    return ""


def _check_patterns(key: str, value: Any) -> str:
    fault = _check_map(key, value)
    return fault or next(filter(None, (_check_pattern(key, name) for name in value)), "")


def _check_reference(key: str, value: Any) -> str:
    if isinstance(value, str) and not value.startswith("#"):
        return "A '$ref' can only lead into the schema itself (#...)."
    return _check_text(key, value)


def _check_draft(key: str, value: Any) -> str:
    if isinstance(value, str) and DRAFTS not in value:
        return "'$schema' must be one of JSON Schema's own drafts."
    return _check_text(key, value)


def _check_type(_: str, value: Any) -> str:
    names = value if isinstance(value, list) else [value]
    if all(isinstance(name, str) and name in TYPES for name in names):
        return ""
    return f"'type' must be one of {', '.join(sorted(TYPES))}, or a list of them."


def _check_values(key: str, value: Any) -> str:
    if not isinstance(value, list):
        return f"'{key}' must be a list."
    return _check_exact(key, value)


def _check_names(key: str, value: Any) -> str:
    is_list = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return "" if is_list else f"'{key}' must be a list of names."


def _check_map(key: str, value: Any) -> str:
    return "" if isinstance(value, dict) else f"'{key}' must be an object of schemas."


def _check_list(key: str, value: Any) -> str:
    return "" if isinstance(value, list) else f"'{key}' must be a list of schemas."


def _check_schema(key: str, value: Any) -> str:
    return "" if isinstance(value, (dict, bool)) else f"'{key}' must be a schema, true or false."


def _check_items(key: str, value: Any) -> str:
    """A list of schemas up to draft 2019-09."""
    return "" if isinstance(value, list) else _check_schema(key, value)


def _check_exact(key: str, value: Any) -> str:
    """The compiler reads numbers as doubles, and would hold the answer to another one."""
    inexact = next((number for number in _integers(value) if not _is_exact(number)), None)
    return "" if inexact is None else f"'{key}' has a number with too many digits: {inexact}."


def _integers(value: Any) -> Iterator[int]:
    match value:
        case bool():
            return
        case int():
            yield value
        case list():
            for each in value:
                yield from _integers(each)
        case dict():
            yield from _integers([*value.values()])


def _is_exact(number: int) -> bool:
    try:
        return int(float(number)) == number
    except OverflowError:
        return False


_CHECKS: dict[str, Callable[[str, Any], str]] = {
    **dict.fromkeys(NUMBERS, _check_number),
    **dict.fromkeys(COUNTS, _check_count),
    **dict.fromkeys(("properties", "$defs", "definitions"), _check_map),
    **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems"), _check_list),
    **dict.fromkeys(("additionalProperties", "additionalItems", *UNEVALUATED), _check_schema),
    "items": _check_items,
    "patternProperties": _check_patterns,
    "pattern": _check_pattern,
    "format": _check_text,
    "$ref": _check_reference,
    "$schema": _check_draft,
    "type": _check_type,
    "enum": _check_values,
    "const": _check_exact,
    "required": _check_names,
}
