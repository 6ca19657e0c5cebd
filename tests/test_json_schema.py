"""What an answer cannot be held to is named; what limits nothing may stay."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgellm.json_schema import MAX_DEPTH, find_culprit, find_problem, without_harmless


@pytest.mark.parametrize(
    ("schema", "path", "word"),
    [
        ({"type": "array", "uniqueItems": True}, "uniqueItems", "uniqueItems"),
        ({"properties": {"a": {"not": {}}}}, "properties.a.not", "not"),
        ({"anyOf": [{}, {"if": {}, "then": {}}]}, "anyOf[1].if", "if"),
        ({"$defs": {"x": {"contains": {}}}}, "$defs.x.contains", "contains"),
        ({"items": {"propertyNames": {"pattern": "a"}}}, "items.propertyNames", "propertyNames"),
        ({"items": [{}, {"dependencies": {"a": ["b"]}}]}, "items[1].dependencies", "dependencies"),
        ({"additionalProperties": {"x-guidance": {}}}, "additionalProperties.x-guidance", "x-gui"),
        ({"minimum": 0, "exclusiveMinimum": True}, "exclusiveMinimum", "draft 6"),
        ({"properties": {"a": {"$ref": "https://a.b/c"}}}, "properties.a.$ref", "$ref"),
        ({"properties": {"a": 7}}, "properties.a", "object, true or false"),
    ],
)
def test_what_cannot_be_kept_is_named_with_its_place(schema: Any, path: str, word: str) -> None:
    problem = find_problem(schema)
    assert problem is not None
    assert problem.path == path
    assert word in problem.message


def test_a_property_may_be_called_like_a_keyword() -> None:
    schema = {"properties": {"not": {"type": "string"}, "uniqueItems": {"const": False}}}
    assert find_problem(schema) is None
    assert without_harmless(schema) == schema


def test_what_says_nothing_is_taken_out_but_not_from_values() -> None:
    schema = {
        "items": {"uniqueItems": False, "enum": [{"uniqueItems": False}]},
        "unevaluatedProperties": True,
    }
    assert find_problem(schema) is None
    assert without_harmless(schema) == {"items": {"enum": [{"uniqueItems": False}]}}


def test_a_bottomless_schema_is_a_problem_and_no_crash() -> None:
    schema: dict[str, Any] = {}
    for _ in range(MAX_DEPTH + 1):
        schema = {"items": schema}
    problem = find_problem(schema)
    assert problem is not None
    assert "levels deep" in problem.message


def test_the_smallest_failing_part_is_to_blame() -> None:
    def why_not(text: str) -> str:
        return "bad" if '"bad"' in text else ""

    schema = {
        "type": "object",
        "properties": {"a": {"anyOf": [{"type": "null"}, {"pattern": "bad"}]}, "b": {}},
        "$defs": {"c": {"type": "integer"}},
    }
    assert find_culprit(json.dumps(schema), why_not) == "properties.a.anyOf[1]"
    assert find_culprit(json.dumps({"pattern": "bad"}), why_not) == ""
    in_defs = {"$ref": "#/$defs/x", "$defs": {"x": {"pattern": "bad"}}}
    assert find_culprit(json.dumps(in_defs), why_not) == "$defs.x"
