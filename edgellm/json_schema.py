"""JSON Schemas as data: what is in one, what no answer can be held to, and which part is to blame.

Knows no compiler and no grammar. What is refused here would be ignored or misread by ours
(llguidance), and an answer must never break a rule that its request has set.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, unquote

from msgspec import Struct

from edgellm.json_keywords import COUNTS, find_fault
from edgellm.json_patterns import FORMATS, FORMLESS, narrowed

MAX_DEPTH = 64
# Between the parts of a JSON text: nothing, a space, or a line's end and the next one's beginning.
# JSON would allow any amount, with which a model may fill its context.
WHITESPACE = r"(?: |\n[ \t]{0,40})"
MAX_TRIED_CHARS = 1_000_000  # by `find_culprit`: about half a second of compiling
MAPS = ("properties", "patternProperties", "$defs", "definitions")
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems", "items")
SINGLES = (
    *("items", "additionalProperties", "additionalItems"),
    *("unevaluatedProperties", "unevaluatedItems"),
)
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
    "not": (False,),
}
# Keywords that say nothing without one of others.
NEEDS: dict[str, tuple[str, ...]] = {
    "if": ("then", "else"),
    "then": ("if",),
    "else": ("if",),
    "minContains": ("contains",),
    "maxContains": ("contains",),
    "$dynamicAnchor": ("$dynamicRef",),  # which is not supported anywhere in the schema
}
# With one of these beside it, what is "unevaluated" depends on more than a schema's own keywords.
APPLICATORS = ("allOf", "anyOf", "oneOf", "$ref", "if", "dependentSchemas")

_CONTROLS = re.compile(r"\\(?:u00[01]|x0[1-9a-fA-F]|x1)")  # in JSON text, or in a pattern in it


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
    if _is_false(schema):
        return None
    for key in sorted(UNSUPPORTED & schema.keys()):
        if not _is_idle(key, schema) and not _as_additional(key, schema):
            return Problem(join(path, key), f"The keyword '{key}' is not supported.")
    for key, value in schema.items():
        fault = find_fault(key, value)
        if fault:
            return Problem(join(path, key), fault)
    if _may_repeat_names(schema):
        return Problem(
            join(path, "minProperties"),
            "The keyword 'minProperties' is not supported beside names that are free: "
            "a name may come twice.",
        )
    return None


def _is_false(schema: dict[str, Any]) -> bool:
    """Whether it is a way to write `false`, which some generators use."""
    return schema.get("not") == {} or schema.get("not") is True


def _may_repeat_names(schema: dict[str, Any]) -> bool:
    """Whether so many properties are wanted that one with a free name could be counted twice."""
    required = schema.get("required", [])
    wanted = schema.get("minProperties", 0)
    is_closed = schema.get("additionalProperties") is False and not schema.get("patternProperties")
    return not is_closed and wanted > len({*required}) + 1


def _is_idle(key: str, schema: dict[str, Any]) -> bool:
    """Whether a keyword of a schema limits nothing."""
    value = schema[key]
    if key in NEEDS and not any(each in schema for each in NEEDS[key]):
        return True
    if any(type(value) is type(each) and value == each for each in HARMLESS.get(key, ())):
        return True
    match key:
        case "unevaluatedProperties":
            return "additionalProperties" in schema
        case "unevaluatedItems":
            return isinstance(schema.get("items"), (dict, bool))
        case "uniqueItems":
            return value is True and schema.get("maxItems") in (0, 1)
        case "contains" | "minContains":
            return schema.get("minContains") == 0 and "maxContains" not in schema
        case _:
            return False


def _as_additional(key: str, schema: dict[str, Any]) -> str | None:
    """The older keyword that says the same as an "unevaluated" one here, if there is one."""
    if any(each in schema for each in APPLICATORS):
        return None
    if key == "unevaluatedProperties":
        return "additionalProperties"
    return "items" if key == "unevaluatedItems" and "items" not in schema else None


def to_compilable(schema: Any) -> Any:
    """The same schema as the compiler takes it, and reads it as every validator does.

    Keywords that say nothing are left out, patterns and formats are spelled out (`json_patterns`),
    "unevaluated" ones are replaced by the older ones that say the same, and counts such as 2.0
    become whole numbers. The schema must have no problem (`find_problem`).
    """
    if not isinstance(schema, dict):
        return schema
    if _is_false(schema):
        return False
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if not _is_idle(key, schema):
            found[_as_additional(key, schema) or key] = _compilable_value(key, value)
    return _without_format(found)


def _compilable_value(key: str, value: Any) -> Any:
    if key in MAPS:
        names = narrowed if key == "patternProperties" else str
        return {names(name): to_compilable(part) for name, part in value.items()}
    if key in LISTS and isinstance(value, list):
        return [to_compilable(part) for part in value]
    if key in SINGLES:
        return to_compilable(value)
    match key, value:
        case "pattern", str():
            return narrowed(value)
        case "$ref", str():
            return quote(value, safe="#/%~!$&'()*+,;=:@?")
        case _ if key in COUNTS:
            return int(value)
    return value


def _without_format(schema: dict[str, Any]) -> dict[str, Any]:
    """With patterns instead of the formats that have one."""
    name = schema.get("format")
    if name in FORMLESS:
        return {key: value for key, value in schema.items() if key != "format"}
    if name not in FORMATS:
        return schema
    rest = {key: value for key, value in schema.items() if key != "format"}
    pattern = {"pattern": narrowed(FORMATS[name])}
    if "pattern" not in rest:
        return rest | pattern
    return rest | {"allOf": [*rest.get("allOf", []), pattern]}


def compiler_options(text: str) -> dict[str, Any]:
    """llguidance's options for a schema: every string is written in one way only.

    With escapes of ordinary characters, `{"\\u0061": 2}` would be an additional property beside a
    declared `a`, but is `a` to whoever reads it. Control characters have no other way, so their
    escapes are there where the schema seems to speak of them.
    """
    return {
        "whitespace_pattern": WHITESPACE,
        "json_allow_general_unicode_escapes": False,
        "json_allowed_escapes": 'nrbtf\\"' + ("u" if _CONTROLS.search(text) else ""),
    }


def find_culprit(text: str, why_not: Callable[[str], str]) -> str:
    """The path of the keyword without which the smallest part that fails by itself would not,
    e.g. ``properties.name.pattern``; of the part, if there is no such keyword; empty for the whole.

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
            return join(path, _find_keyword(alone, needed, why_not)).removesuffix(".")
    return _find_bad_reference(root)


def _find_bad_reference(root: dict[str, Any]) -> str:
    """The path of a `$ref` that leads nowhere, else of any: it may lead to itself. Empty if there
    is none."""
    found = [
        (join(path, "$ref"), part["$ref"])
        for path, part in _parts(root)
        if isinstance(part.get("$ref"), str)
    ]
    lost = (path for path, reference in found if not _leads_somewhere(root, reference))
    return next(lost, found[0][0] if found else "")


def _leads_somewhere(root: Any, reference: str) -> bool:
    """Whether a JSON pointer is right; an anchor (`#name`) is taken to be wrong."""
    place: Any = root
    for step in unquote(reference.removeprefix("#")).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(place, list) and name.isdecimal() and int(name) < len(place):
            place = place[int(name)]
        elif isinstance(place, dict) and name in place:
            place = place[name]
        else:
            return False
    return reference in ("", "#") or reference.startswith("#/")


def _find_keyword(
    part: dict[str, Any], shared: dict[str, Any], why_not: Callable[[str], str]
) -> str:
    """The first keyword without which a part can be compiled; where there is none, the first with
    which it no longer can."""
    keys = sorted(part, key=lambda key: key != "type")  # what is said of a type is to blame first
    for key in reversed(keys):
        rest = {name: value for name, value in part.items() if name != key}
        if not why_not(json.dumps(rest | shared)):
            return key
    begun: dict[str, Any] = {}
    for key in keys:
        begun[key] = part[key]
        if why_not(json.dumps(begun | shared)):
            return key
    return ""


def _parts(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All subschemas that are objects, the innermost first."""
    if isinstance(schema, dict):
        for step, part in subschemas(schema):
            yield from _parts(part, join(path, step))
        yield path, schema


def join(path: str, step: str) -> str:
    return f"{path}.{step}" if path else step
