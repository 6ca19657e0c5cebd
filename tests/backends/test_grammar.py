"""Whatever is drawn of the allowed tokens fits; mistakes are told with their place."""

from __future__ import annotations

import json
import random
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from edgellm.backends.base import BadConstraint
from edgellm.backends.grammar import MAX_TEXT_CHARS, Grammars, Guide
from edgellm.backends.llama_cpp import LlamaCppBackend
from edgellm.types import Constraint, ConstraintKind, EngineOptions
from tests.support.schemas import SCHEMAS

OPTIONS = EngineOptions(context=64, parallel=1, threads=1)
MOST_TOKENS = 400


@pytest.fixture(scope="module")
def backend(pocket: Path) -> Iterator[LlamaCppBackend]:
    loaded = LlamaCppBackend.load(str(pocket), OPTIONS, lambda _: None)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def grammars(backend: LlamaCppBackend) -> Grammars:
    return backend._grammars


def ids(guide: Guide) -> list[int]:
    allowed: list[int] = np.flatnonzero(guide.allowed()).tolist()
    return allowed


def draw(backend: LlamaCppBackend, constraint: Constraint, seed: int) -> str | None:
    """A text of random allowed tokens; None if it does not come to its end."""
    guide = backend._grammars.guide(constraint)
    rng, text = random.Random(seed), b""
    for _ in range(MOST_TOKENS):
        token = rng.choice(ids(guide))
        assert guide.failure == ""
        if backend.is_end(token):
            return text.decode()
        text += backend.token_bytes(token)
        guide.accept(token)
    return None


@pytest.mark.parametrize("name", SCHEMAS)
def test_random_tokens_make_a_valid_instance(backend: LlamaCppBackend, name: str) -> None:
    constraint = Constraint("json_schema", json.dumps(SCHEMAS[name]))
    texts = [draw(backend, constraint, seed) for seed in range(10)]
    ended = [text for text in texts if text is not None]
    assert len(ended) >= 5, texts
    for text in ended:
        jsonschema.validate(
            json.loads(text), SCHEMAS[name], format_checker=jsonschema.FormatChecker()
        )


def test_regex_and_both_kinds_of_grammar(backend: LlamaCppBackend) -> None:
    wanted: dict[ConstraintKind, str] = {"regex": r"[ab]{3}-\d{2}", "grammar": "start: /x+y/"}
    for kind, text in wanted.items():
        answer = draw(backend, Constraint(kind, text), 1)
        assert answer is not None
        assert re.fullmatch(text.removeprefix("start: ").strip("/"), answer)
    gbnf = 'root ::= ("yes" | "no") [0-9] [0-9]?'
    assert re.fullmatch(r"(yes|no)\d\d?", draw(backend, Constraint("grammar", gbnf), 2) or "")


def test_white_space_is_bounded(backend: LlamaCppBackend) -> None:
    guide = backend._grammars.guide(Constraint("json_schema", '{"type":"object"}'))
    space = next(t for t in range(300) if backend.token_bytes(t) == b" ")
    brace = next(t for t in range(300) if backend.token_bytes(t) == b"{")
    for token in (brace, space):
        assert token in ids(guide)
        guide.accept(token)
    assert space not in ids(guide)


@pytest.mark.parametrize(
    ("kind", "text", "message", "path"),
    [
        ("regex", "(a", "unclosed group", ""),
        ("grammar", "start: foo", "unknown name", ""),
        ("grammar", 'root ::= "a', "end of input", ""),
        ("json_schema", '{"items":{"pattern":"(?=a)"}}', "look-around", "items.pattern"),
        (
            "json_schema",
            '{"properties":{"a":{"format":"tea"}}}',
            "Unknown format",
            "properties.a.format",
        ),
        ("json_schema", '{"minimum":2,"maximum":1,"type":"integer"}', "greater than", "maximum"),
        ("json_schema", '{"anyOf":[{"type":"x"}]}', "Invalid type", "anyOf[0].type"),
        ("regex", "a" * (MAX_TEXT_CHARS + 1), "characters, more than", ""),
    ],
)
def test_mistakes(
    grammars: Grammars, kind: ConstraintKind, text: str, message: str, path: str
) -> None:
    grammars.prepare(Constraint(kind, text))  # says nothing
    with pytest.raises(BadConstraint, match=re.escape(message)) as error:
        grammars.guide(Constraint(kind, text))
    assert error.value.path == path


def test_after_a_reasoning(backend: LlamaCppBackend) -> None:
    guide = backend._grammars.guide(Constraint("regex", "[0-9]", after="</think>"))
    ends = [token for token in range(backend.model.vocab_size) if backend.is_end(token)]
    for token in backend.tokenize("Well, < and </think", is_first=False):
        allowed = ids(guide)
        assert token in allowed
        assert not set(ends) & set(allowed)
        guide.accept(token)
    guide.accept(backend.tokenize(">", is_first=False)[0])
    assert {backend.token_bytes(t) for t in ids(guide)} <= {
        str(digit).encode() for digit in range(10)
    }


def test_the_tokenizer_is_made_once_and_only_when_it_is_needed() -> None:
    made = []

    def make() -> object:
        made.append(threading.get_ident())
        raise BadConstraint("no")

    grammars = Grammars(make, 8, [0], lambda _: b"")
    assert made == []
    for _ in range(3):
        with pytest.raises(BadConstraint, match="no"):
            grammars.guide(Constraint("regex", "a"))
    assert len(made) == 1  # the failure is remembered


def test_guides_of_one_constraint_do_not_disturb_each_other(grammars: Grammars) -> None:
    constraint = Constraint("json_schema", '{"enum":["left","right"]}')
    first, second = grammars.guide(constraint), grammars.guide(constraint)
    before = ids(second)
    first.accept(ids(first)[0])
    first.accept(ids(first)[0])
    assert ids(second) == before
