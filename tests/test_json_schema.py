"""What an answer cannot be held to is named; what limits nothing may stay."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgellm.json_schema import MAX_DEPTH, find_culprit, find_problem, to_compilable


@pytest.mark.parametrize(
    ("schema", "path", "word"),
    [
        ({"type": "array", "uniqueItems": True}, "uniqueItems", "uniqueItems"),
        ({"properties": {"a": {"not": {"const": 1}}}}, "properties.a.not", "not"),
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
    assert to_compilable(schema) == schema


def test_what_says_nothing_is_taken_out_but_not_from_values() -> None:
    schema = {
        "items": {"uniqueItems": False, "enum": [{"uniqueItems": False}]},
        "unevaluatedProperties": True,
    }
    assert find_problem(schema) is None
    assert to_compilable(schema) == {"items": {"enum": [{"uniqueItems": False}]}}


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
    assert find_culprit(json.dumps(schema), why_not) == "properties.a.anyOf[1].pattern"
    assert find_culprit(json.dumps({"pattern": "bad"}), why_not) == "pattern"
    in_defs = {"$ref": "#/$defs/x", "$defs": {"x": {"pattern": "bad"}}}
    assert find_culprit(json.dumps(in_defs), why_not) == "$defs.x.pattern"


def test_what_two_keywords_do_together_is_blamed_on_one() -> None:
    def why_not(text: str) -> str:
        return "bad" if {"minimum", "maximum"} <= json.loads(text).keys() else ""

    assert find_culprit('{"type": "integer", "minimum": 2, "maximum": 1}', why_not) == "maximum"


def test_a_reference_that_leads_nowhere_is_to_blame() -> None:
    def why_not(_: str) -> str:
        return ""  # the part by itself is well

    schema = {"items": {"$ref": "#/$defs/a"}, "prefixItems": [{"$ref": "#/$defs/b"}]}
    text = json.dumps({**schema, "$defs": {"a": {"type": "null"}}})
    assert find_culprit(text, why_not) == "prefixItems[0].$ref"
    assert find_culprit('{"$ref": "#/prefixItems/3", "prefixItems": [{}]}', why_not) == "$ref"
    assert find_culprit('{"type": "null"}', why_not) == ""


@pytest.mark.parametrize(
    ("keyword", "value", "word"),
    [
        ("minLength", -1, "whole number"),
        ("maxItems", 2.5, "whole number"),
        ("maxItems", True, "whole number"),
        ("minLength", 10**12, "more than"),
        ("minimum", "3", "a number"),
        ("multipleOf", 0, "more than 0"),
        ("maximum", 9007199254740993, "too many digits"),
        ("const", {"a": [12345678901234567890]}, "too many digits"),
        ("enum", [10**400], "too many digits"),
        ("enum", "a", "a list"),
        ("pattern", 3, "a string"),
        ("pattern", "a++", "possessive"),
        ("patternProperties", {"a++": {}}, "possessive"),
        ("patternProperties", [], "object of schemas"),
        ("type", "any", "one of array"),
        ("type", ["null", {"type": "string"}], "one of array"),
        ("required", "a", "names"),
        ("required", [1], "names"),
        ("properties", None, "object of schemas"),
        ("anyOf", {}, "a list of schemas"),
        ("items", None, "a schema"),
        ("additionalProperties", "no", "a schema"),
        ("$ref", 7, "a string"),
        ("$schema", "https://a.b/c", "drafts"),
        ("minProperties", 2, "twice"),
    ],
)
def test_values_of_the_wrong_kind_are_mistakes(keyword: str, value: Any, word: str) -> None:
    problem = find_problem({"items": {keyword: value}})
    assert problem is not None
    assert problem.path == f"items.{keyword}"
    assert word in problem.message


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"then": {"const": 1}, "else": {}}, {}),
        ({"if": {"const": 1}}, {}),
        ({"not": False, "$dynamicAnchor": "x"}, {}),
        ({"not": {}, "type": "string"}, False),
        ({"uniqueItems": True, "maxItems": 1.0}, {"maxItems": 1}),
        ({"contains": {}, "minContains": 0}, {}),
        ({"unevaluatedProperties": False}, {"additionalProperties": False}),
        ({"unevaluatedItems": {"type": "null"}}, {"items": {"type": "null"}}),
        (
            {"unevaluatedProperties": False, "additionalProperties": True},
            {"additionalProperties": True},
        ),
        ({"$ref": "#/$defs/ä b"}, {"$ref": "#/$defs/%C3%A4%20b"}),
        ({"format": "password"}, {}),
        ({"format": "uuid"}, {"format": "uuid"}),
        (
            {"patternProperties": {r"^\d$": {"pattern": r"\d"}}},
            {"patternProperties": {"^[0-9]$": {"pattern": "[0-9]"}}},
        ),
    ],
)
def test_what_the_compiler_gets(schema: Any, expected: Any) -> None:
    assert find_problem(schema) is None
    assert to_compilable(schema) == expected


def test_a_format_stands_beside_a_pattern() -> None:
    got = to_compilable({"format": "date", "pattern": "^2", "allOf": [{"maxLength": 20}]})
    assert got["pattern"] == "^2"
    assert [list(part) for part in got["allOf"]] == [["maxLength"], ["pattern"]]
