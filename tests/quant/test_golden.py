"""Golden prompts: what counts as a right answer, and what a file may hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from edgellm_quant.golden import Answer, Expected, ExpectedCall, builtin_prompts, failure, load

from edgellm.errors import QuantError

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
CALL = Expected(call=ExpectedCall("get_weather", {"city": "Oslo", "days": 3}))


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (Expected(contains=("Paris", "France")), "paris is in FRANCE."),
        (Expected(matches=r"\b42\b"), "It is 42."),
        (Expected(equals="yes"), " yes\n"),
        (Expected(schema=SCHEMA), '{"n": 1}'),
        (Expected(schema=SCHEMA), '```json\n{"n": 1}\n```'),
        (Expected(contains=("4",), matches="^4"), "42"),
    ],
)
def test_right_answers(expected: Expected, text: str) -> None:
    assert failure(expected, Answer(text)) == ""


@pytest.mark.parametrize(
    ("expected", "text", "reason"),
    [
        (Expected(contains=("Paris", "Rome")), "Paris", "'Rome' is not in it"),
        (Expected(matches=r"\b42\b"), "420", "does not match"),
        (Expected(equals="yes"), "Yes", "it is not 'yes'"),
        (Expected(schema=SCHEMA), '{"n": "1"}', "breaks the schema: '1' is not of type"),
        (Expected(schema=SCHEMA), "n = 1", "not JSON"),
        (Expected(contains=("4",), matches="^4"), "24", "does not match"),
    ],
)
def test_wrong_answers(expected: Expected, text: str, reason: str) -> None:
    assert reason in failure(expected, Answer(text))


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        ([("get_weather", '{"city": "oslo ", "days": 3, "unit": "C"}')], ""),
        ([], "does not call get_weather"),
        ([("get_time", "{}")], "calls get_time, not get_weather"),
        ([("get_weather", '{"city": "Oslo"}')], "argument days is not 3"),
        ([("get_weather", '{"city": "Oslo", "days": "3"}')], "argument days is not 3"),
        ([("get_weather", '{"city": ')], "not JSON"),
        ([("get_weather", "[1]")], "argument city is not 'Oslo'"),
    ],
)
def test_calls(calls: list[tuple[str, str]], reason: str) -> None:
    found = failure(CALL, Answer("", calls))
    assert found == reason if not reason else reason in found


def test_ours_are_in_order(pocket: Path, tiny_model: Path) -> None:
    for prompts in (builtin_prompts(), builtin_prompts(pocket)):
        assert len(prompts) >= 15
        assert len({prompt.name for prompt in prompts}) == len(prompts)
    assert builtin_prompts(pocket) != builtin_prompts() == builtin_prompts(tiny_model)


def test_json_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    prompt = {"name": "a", "prompt": "Hi", "expect": {"contains": ["x"]}, "max_tokens": 5}
    path.write_text(json.dumps({"prompts": [prompt]}))
    (found,) = load(path)
    assert (found.turns[0].content, found.max_tokens) == ("Hi", 5)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("prompts: [", "not a file of golden prompts"),
        ("[]", "not a file of golden prompts"),
        ("prompts: []", "has no prompts"),
        ("prompts: [{name: a, prompt: b, expect: {contain: [c]}}]", "contain"),
        ("prompts: [{name: a, prompt: b, expect: {}}]", "'a' expects nothing"),
        ("prompts: [{name: a, expect: {equals: c}}]", "one of prompt and messages"),
        ("prompts: [{name: a, prompt: b, expect: {matches: '('}}]", "bad regular expression"),
        ("prompts: [{name: a, prompt: b, expect: {schema: {type: 3}}}]", "bad schema"),
        ("prompts: [{name: a, prompt: b, expect: {call: {name: f}}}]", "not among its tools"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "golden.yaml"
    path.write_text(text)
    with pytest.raises(QuantError, match=r"golden\.yaml") as caught:
        load(path)
    assert reason in caught.value.message


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(QuantError, match=r"none\.yaml"):
        load(tmp_path / "none.yaml")
