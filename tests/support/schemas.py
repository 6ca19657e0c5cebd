"""Varied JSON Schemas that answers are held to."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def closed(required: bool = True, **properties: Any) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": list(properties)} if required else schema


TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer", "minimum": 0, "maximum": 9},
                "children": {
                    "type": "array",
                    "items": {"$ref": "#/$defs/leaf"},
                    "maxItems": 2,
                },
            },
            "required": ["value", "children"],
            "additionalProperties": False,
        },
        "leaf": closed(name={"enum": ["oak", "elm", "Äsche"]}),
    },
}

SCHEMAS: dict[str, Schema] = {
    "person": closed(
        name={"type": "string", "minLength": 1, "maxLength": 20},
        age={"type": "integer", "minimum": 0, "maximum": 150},
    ),
    "optional": closed(required=False, a={"type": "boolean"}, b={"type": "null"}),
    "nested": closed(a=closed(b=closed(c={"type": "boolean"})), d={"type": "null"}),
    "enum": {"enum": ["red", "green", 7, None, {"a": [1]}, False]},
    "const": closed(kind={"const": "point"}, x={"const": [1, 2.5]}),
    "array": {
        "type": "array",
        "items": {"type": "integer", "minimum": -5, "maximum": 5},
        "minItems": 2,
        "maxItems": 4,
    },
    "tuple": {
        "type": "array",
        "prefixItems": [{"type": "boolean"}, {"enum": ["a", "b"]}],
        "items": False,
        "minItems": 2,
    },
    "tree": TREE,
    "any_of": {"anyOf": [{"type": "integer", "maximum": 99, "minimum": 0}, {"const": "none"}]},
    "one_of": {"oneOf": [{"type": "boolean"}, {"type": "null"}]},
    "all_of": {"allOf": [{"type": "string"}, {"minLength": 2}, {"maxLength": 6}]},
    "pattern": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3,5}$"},
    "unanchored": {"type": "string", "pattern": "ab+c", "maxLength": 12},
    "number": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "multiple": {"type": "integer", "multipleOf": 7, "minimum": 0, "maximum": 700},
    "date": closed(day={"type": "string", "format": "date"}),
    "uuid": {"type": "string", "format": "uuid"},
    "types": {"type": ["integer", "null", "boolean"], "maximum": 12, "minimum": 3},
    "additional": {
        "type": "object",
        "properties": {"id": {"type": "integer", "minimum": 0, "maximum": 9}},
        "additionalProperties": {"enum": ["x", "y"]},
        "required": ["id"],
        "maxProperties": 3,
    },
    "patterned": {
        "type": "object",
        "patternProperties": {"^k[0-9]$": {"type": "boolean"}},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 2,
    },
    "discriminated": {
        "anyOf": [
            closed(kind={"const": "circle"}, radius={"type": "integer", "minimum": 1}),
            closed(kind={"const": "square"}, sides={"type": "array", "maxItems": 2, "items": {}}),
        ]
    },
    "definitions": {
        "type": "array",
        "items": {"$ref": "#/definitions/flag"},
        "minItems": 1,
        "maxItems": 3,
        "definitions": {"flag": {"enum": ["on", "off"]}},
    },
}
