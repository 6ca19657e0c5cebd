"""Every JSON Schema by feature: the answer validates, or the request was a 400 with the reason.

`tests/golden/json_schemas.txt` tells which schemas are refused, and because of what. To write it
anew after an intended change: EDGELLM_WRITE_GOLDEN=1 pytest tests/e2e/test_json_schema.py, then
read what changed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from edgellm.chat.json_stream import JsonStream
from tests.support.conformance import Case, keywords, load_cases, why_invalid
from tests.support.server import Server

CASES = load_cases()
GOLDEN = Path(__file__).parents[1] / "golden" / "json_schemas.txt"
FIELD = "response_format.json_schema.schema"
AT_A_TIME = 8  # as many as the server computes together
NUM_ANSWERS = 2
MOST = 0.9  # of the answers come to their end; a hot model goes on where it may


class Outcome(NamedTuple):
    """What became of a schema: why it was refused, or the answers."""

    case: Case
    refusal: str = ""  # the path in the schema; empty for the whole, or if it was not refused
    answers: tuple[tuple[str, str], ...] = ()  # finish reason and text
    message: str = ""  # of the refusal


async def ask(client: httpx.AsyncClient, case: Case, num_answers: int, seed: int) -> Outcome:
    wrapped = {"name": "form", "schema": case.schema}
    body = {
        "model": "pocket",
        "messages": [{"role": "user", "content": "Fill in the form."}],
        "response_format": {"type": "json_schema", "json_schema": wrapped},
        "temperature": 1,
        "max_tokens": 200,
        "n": num_answers,
        "seed": seed,
    }
    reply = await client.post("/v1/chat/completions", json=body)
    got: dict[str, Any] = reply.json()
    if reply.status_code == 400:
        error = got["error"]
        assert error["param"].startswith(FIELD), (case.name, error)
        path = error["param"].removeprefix(FIELD).removeprefix(".")
        return Outcome(case, refusal=path, message=error["message"])
    assert reply.status_code == 200, (case.name, got)
    answers = ((each["finish_reason"], each["message"]["content"]) for each in got["choices"])
    return Outcome(case, answers=tuple(answers))


async def ask_all(url: str, num_answers: int, seed: int) -> list[Outcome]:
    turn = asyncio.Semaphore(AT_A_TIME)
    async with httpx.AsyncClient(base_url=url, timeout=100) as client:

        async def one(case: Case) -> Outcome:
            async with turn:
                return await ask(client, case, num_answers, seed)

        return await asyncio.gather(*map(one, CASES.values()))


def count(outcomes: list[Outcome]) -> Counter[str]:
    """How many of each kind; fails for the first answer that does not validate."""
    counts: Counter[str] = Counter()
    for case, _, answers, message in outcomes:
        counts["refused" if message else "accepted"] += 1
        for reason, text in answers:
            counts[reason] += 1
            if reason == "stop":
                assert why_invalid(case.schema, text) == "", (case, text)
            else:
                assert reason == "length", (case, reason)
                assert is_beginning(text), (case, text)
    return counts


def is_beginning(text: str) -> bool:
    """Whether JSON may begin so."""
    value = JsonStream()
    value.push(text)
    return not value.is_broken and not value.rest


def check_refusals(outcomes: list[Outcome]) -> None:
    """Each names a keyword of the schema, but for those found too complex while the answer was
    made; and they are the ones that are expected."""
    refused = [each for each in outcomes if each.message]
    for case, path, _, message in refused:
        is_named = any(word in f"{path} {message}" for word in keywords(case.schema))
        assert is_named or "Simplify the schema" in message, (case, path, message)
    lines = sorted(f"{each.case.name}: {each.refusal}" for each in refused)
    text = "\n".join(lines) + "\n"
    if os.environ.get("EDGELLM_WRITE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_there_are_schemas_of_every_keyword() -> None:
    assert len(CASES) >= 300
    used = set().union(*(keywords(case.schema) for case in CASES.values()))
    assert used >= KEYWORDS


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)
def test_what_is_said_to_be_invalid_is(case: Case) -> None:
    for instance in case.never:
        assert why_invalid(case.schema, json.dumps(instance)) != "", instance


def test_every_answer_validates_or_the_request_was_refused(server: Server) -> None:
    outcomes = asyncio.run(ask_all(server.url, NUM_ANSWERS, seed=1))
    counts = count(outcomes)
    sys.stdout.write(f"{dict(counts)}\n")  # for `pytest -s`
    assert counts["accepted"] >= 300
    assert counts["stop"] >= MOST * NUM_ANSWERS * counts["accepted"]
    check_refusals(outcomes)
    assert server.health()["models"][0]["restarts"] == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_answers_of_many_seeds_validate(server: Server) -> None:
    for seed in range(2, 7):
        counts = count(asyncio.run(ask_all(server.url, 4, seed)))
        sys.stdout.write(f"seed {seed}: {dict(counts)}\n")
        assert counts["stop"] >= MOST * 4 * counts["accepted"]


KEYWORDS = {
    *("type", "enum", "const", "properties", "required", "additionalProperties"),
    *("patternProperties", "propertyNames", "minProperties", "maxProperties", "items"),
    *("prefixItems", "additionalItems", "contains", "minContains", "maxContains", "minItems"),
    *("maxItems", "uniqueItems", "minLength", "maxLength", "pattern", "format", "minimum"),
    *("maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "allOf", "anyOf", "oneOf"),
    *("not", "if", "then", "else", "$ref", "$defs", "definitions", "$anchor", "$id", "$schema"),
    *("dependentRequired", "dependentSchemas", "dependencies", "unevaluatedItems"),
    *("unevaluatedProperties", "$dynamicRef", "$recursiveRef", "nullable", "default", "examples"),
}
