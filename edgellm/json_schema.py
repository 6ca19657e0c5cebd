"""JSON Schemas as data: what is in one, what no answer can be held to, and which part is to blame.

Knows no compiler and no grammar. What is refused here would be ignored or misread by ours
(llguidance), and an answer must never break a rule that its request has set.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

MAX_DEPTH = 64
# Between the parts of a JSON text: nothing, a space, or a line's end and the next one's beginning.
# JSON would allow any amount, with which a model may fill its context.
WHITESPACE = r"(?: |\n[ \t]{0,40})"
MAX_TRIED_CHARS = 1_000_000  # by `find_culprit`: about half a second of compiling
MAPS = ("properties", "patternProperties", "$defs", "definitions")
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems", "items")
SINGLES = ("items", "additionalProperties", "additionalItems")
# Keywords that limit an instance, of any draft, and that cannot be kept to.
UNSUPPORTED = frozenset(
    {
        "contains",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "disallow",
        "divisibleBy",
        "else",
        "extends",
        "if",
        "maxContains",
        "minContains",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
        "$dynamicRef",
        "$recursiveRef",
        "x-guidance",  # would change the compiler's own options
    }
)
# Values of these keywords that limit nothing, so that they may stay out.
HARMLESS: dict[str, tuple[Any, ...]] = {
    "uniqueItems": (False,),
    "unevaluatedProperties": (True, {}),
    "unevaluatedItems": (True, {}),
    "propertyNames": (True, {}, {"type": "string"}),
    "dependentRequired": ({},),
    "dependentSchemas": ({},),
    "dependencies": ({},),
}


class Problem(Struct, frozen=True):
    """A part of a schema that an answer cannot be held to: where it is, and what is wrong."""

    path: str
    message: str


def subschemas(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The schemas right inside of one, each with the way to it."""
    for key in MAPS:
        if isinstance(schema.get(key), dict):
            yield from ((f"{key}.{name}", part) for name, part in schema[key].items())
    for key in LISTS:
        if isinstance(schema.get(key), list):
            yield from ((f"{key}[{index}]", part) for index, part in enumerate(schema[key]))
    for key in SINGLES:
        if isinstance(schema.get(key), dict):
            yield key, schema[key]


def find_problem(schema: Any, path: str = "", depth: int = 0) -> Problem | None:
    """The first thing in a schema that we know to be out of reach; None = let the compiler see."""
    if isinstance(schema, bool):
        return None
    if not isinstance(schema, dict):
        return Problem(path, "A JSON Schema must be an object, true or false.")
    if depth > MAX_DEPTH:
        return Problem(path[:200], f"The schema is nested more than {MAX_DEPTH} levels deep.")
    return _own_problem(schema, path) or next(
        (
            problem
            for step, part in subschemas(schema)
            if (problem := find_problem(part, join(path, step), depth + 1))
        ),
        None,
    )


def _own_problem(schema: dict[str, Any], path: str) -> Problem | None:
    for key in sorted(UNSUPPORTED & schema.keys()):
        if not _is_harmless(key, schema[key]):
            return Problem(join(path, key), f"The keyword '{key}' is not supported.")
    for key in ("exclusiveMinimum", "exclusiveMaximum"):
        if isinstance(schema.get(key), bool):
            return Problem(join(path, key), f"'{key}' must be a number, as since draft 6.")
    reference = schema.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        return Problem(join(path, "$ref"), "A '$ref' can only lead into the schema itself (#...).")
    return None


def _is_harmless(key: str, value: Any) -> bool:
    return any(type(value) is type(each) and value == each for each in HARMLESS.get(key, ()))


def without_harmless(schema: Any) -> Any:
    """The same schema without keywords that say nothing, which the compiler would not take."""
    if isinstance(schema, list):
        return [without_harmless(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value if key in ("const", "enum", "default", "examples") else _cleaned(key, value)
        for key, value in schema.items()
        if not (key in HARMLESS and _is_harmless(key, value))
    }


def _cleaned(key: str, value: Any) -> Any:
    """Below `properties` and its like are names, not keywords."""
    if key in MAPS and isinstance(value, dict):
        return {name: without_harmless(part) for name, part in value.items()}
    return without_harmless(value)


def find_culprit(text: str, why_not: Callable[[str], str]) -> str:
    """The path of the smallest part that fails by itself, e.g. ``properties.name``; empty for the
    whole.

    Args:
        text: a schema that cannot be compiled.
        why_not: gives a message for a schema that cannot be compiled, else nothing.
    """
    root = json.loads(text)
    if not isinstance(root, dict):
        return ""
    shared = {key: root[key] for key in ("$defs", "definitions") if key in root}
    num_chars = 0
    for path, part in _parts(root):
        alone = {key: value for key, value in part.items() if key not in shared}
        # Parts that refer to definitions need them; those have been tried before.
        needed = shared if '"$ref"' in json.dumps(alone) else {}
        attempt = json.dumps(alone | needed)
        num_chars += len(attempt)
        if num_chars > MAX_TRIED_CHARS:
            break
        if alone and "$ref" not in alone and why_not(attempt):
            return path
    return ""


def _parts(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All subschemas that are objects, the innermost first."""
    if isinstance(schema, dict):
        for step, part in subschemas(schema):
            yield from _parts(part, join(path, step))
        yield path, schema


def join(path: str, step: str) -> str:
    return f"{path}.{step}" if path else step
