"""What the compiler makes of every schema by feature: no text that it lets through is invalid."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgellm.backends.base import BadConstraint
from edgellm.backends.grammar import Guide
from edgellm.backends.llama_cpp import LlamaCppBackend
from edgellm.json_schema import find_problem, to_compilable
from edgellm.types import Constraint, EngineOptions
from tests.support.conformance import Case, load_cases, why_invalid

CASES = load_cases()
NUM_TEXTS, MOST_TOKENS = 3, 200


@pytest.fixture(scope="module")
def backend(pocket: Path) -> Iterator[LlamaCppBackend]:
    options = EngineOptions(context=64, parallel=1, threads=1)
    loaded = LlamaCppBackend.load(str(pocket), options, lambda _: None)
    yield loaded
    loaded.close()


def make_guide(backend: LlamaCppBackend, schema: Any) -> Guide | None:
    """None for a schema that is refused."""
    if find_problem(schema) is not None:
        return None
    try:
        text = json.dumps(to_compilable(schema))
        return backend._grammars.guide(Constraint("json_schema", text))
    except BadConstraint:
        return None


def takes(backend: LlamaCppBackend, schema: Any, text: str) -> bool:
    """Whether an answer could be this text, all of it."""
    guide = make_guide(backend, schema)
    tokens = backend.tokenize(text, is_first=False)
    if guide is None or guide._matcher.try_consume_tokens(tokens) < len(tokens):
        return False
    return bool(guide._matcher.is_accepting())


def draw(backend: LlamaCppBackend, guide: Guide, seed: int) -> str | None:
    """A text of random allowed tokens; None if it does not come to its end."""
    rng, text = random.Random(seed), b""
    for _ in range(MOST_TOKENS):
        token = rng.choice(np.flatnonzero(guide.allowed()).tolist())
        if guide.failure:
            return None
        if backend.is_end(token):
            return text.decode()
        text += backend.token_bytes(token)
        guide.accept(token)
    return None


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_random_texts_are_valid_and_invalid_ones_are_not_taken(
    backend: LlamaCppBackend, case: Case
) -> None:
    for instance in case.never:
        for separators in ((",", ":"), (", ", ": ")):
            text = json.dumps(instance, ensure_ascii=False, separators=separators)
            assert not takes(backend, case.schema, text), text
    for seed in range(NUM_TEXTS):
        guide = make_guide(backend, case.schema)
        answer = draw(backend, guide, seed) if guide is not None else None
        assert answer is None or why_invalid(case.schema, answer) == "", answer


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string", "pattern": '^[^"]*$'}, r'"a\"b"'),
        ({"type": "string", "pattern": r"^[^\\]*$"}, r'"a\\b"'),
        ({"type": "string", "pattern": r"^[\x00-\x1f]$"}, r'"\""'),
        ({"type": "string", "pattern": r"^\d$"}, '"٣"'),
        ({"type": "string", "pattern": r"^.$"}, r'"\r"'),
        ({"type": "string", "pattern": r"^[^]$", "maxLength": 1}, '"ab"'),
        ({"type": "string", "pattern": r"^[a&&b]$"}, '"c"'),
        ({"properties": {"a": {"const": 1}}}, r'{"\u0061":2}'),
        ({"properties": {"a\n": {"const": 1}}}, r'{"a\u000A":2}'),
        ({"patternProperties": {"^k$": {"const": 1}}}, r'{"\u006b":2}'),
        ({"type": "string", "format": "time"}, '"10:47:60Z"'),
        ({"type": "string", "format": "date-time"}, '"2024-01-01t00:00:00z"'),
        ({"type": "string", "format": "date-time"}, '"1900-02-29T00:00:00Z"'),
    ],
)
def test_gaps_between_dialects_are_closed(
    backend: LlamaCppBackend, schema: dict[str, Any], text: str
) -> None:
    assert make_guide(backend, schema) is not None
    assert not takes(backend, schema, text)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string", "pattern": '^[^"]*$'}, r'"a\\b c\n"'),
        ({"type": "string", "pattern": r"^[^\\]*$"}, r'"a\"b"'),
        ({"type": "string", "pattern": r"^[&~\d[]$"}, '"["'),
        ({"type": "string", "pattern": r"^[&~\d[]$"}, '"7"'),
        ({"type": "string", "pattern": r"^[^]$"}, r'"\n"'),
        ({"type": "string", "pattern": r"^\x01$"}, r'"\u0001"'),
        ({"type": "string", "format": "date"}, '"2024-02-29"'),
        ({"type": "string", "format": "date"}, '"2000-02-29"'),
        ({"type": "string", "format": "date-time"}, '"2024-12-31T23:59:59.5+01:00"'),
        ({"type": "string", "format": "json-pointer"}, '"/a/~0b//"'),
        ({"type": "string", "format": "byte"}, '"aGk="'),
        ({"type": "string", "format": "password"}, '"anything"'),
        ({"properties": {"a": {"const": 1}}}, '{"b":2}'),
        ({"$defs": {"größe": {"const": 1}}, "$ref": "#/$defs/größe"}, "1"),
        ({"type": "object", "unevaluatedProperties": False}, "{}"),
        ({"anyOf": [{"not": {}}, {"type": "null"}]}, "null"),
    ],
)
def test_what_every_validator_takes_can_be_said(
    backend: LlamaCppBackend, schema: dict[str, Any], text: str
) -> None:
    assert takes(backend, schema, text)
    assert why_invalid(schema, text) == ""
