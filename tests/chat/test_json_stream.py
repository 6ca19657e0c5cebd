"""A JSON value cut anywhere: valid text comes out, and nothing is lost."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.chat.json_stream import JsonStream

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner | st.text()),
    max_leaves=12,
)


def stream(pieces: list[str]) -> tuple[JsonStream, str]:
    value = JsonStream()
    told = ""
    for index, piece in enumerate(pieces):
        told += value.push(piece)
        if value.is_done or value.is_broken:
            value.rest += "".join(pieces[index + 1 :])
            break
    return value, told


@given(st.dictionaries(st.text(), VALUES), st.booleans(), st.integers(1, 7), st.sampled_from("}x "))
def test_every_object_comes_out_as_it_is(
    value: dict[str, object], is_ascii: bool, size: int, behind: str
) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii, indent=size % 3) + behind
    got, told = stream([text[at : at + size] for at in range(0, len(text), size)])
    assert got.is_done
    assert json.loads(told) == value
    assert told + got.rest == text


@given(st.text(alphabet='{}[]",:\\ntrue01-. u{"a":', max_size=40), st.integers(1, 5))
def test_any_text_is_valid_so_far_or_comes_back(text: str, size: int) -> None:
    got, told = stream([text[at : at + size] for at in range(0, len(text), size)])
    whole, told_whole = stream([text])
    assert (got.is_done, got.is_broken, told, got.rest) == (
        whole.is_done,
        whole.is_broken,
        told_whole,
        whole.rest,
    )
    if got.is_done:
        json.loads(told)
    assert text.endswith(got.rest)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1,}', {"a": 1}),
        ("[1, 2, ]", [1, 2]),
        ('{"a": True, "b": None}', {"a": True, "b": None}),
        ('{"a": "line\nline\ttab"}', {"a": "line\nline\ttab"}),
        (r'{"a": "\d+ \'x\' \u12"}', {"a": r"\d+ 'x' \u12"}),
        (r'{"a": "\u00e9\\"}', {"a": "é\\"}),
    ],
)
def test_what_has_one_meaning_only_is_put_right(text: str, value: object) -> None:
    for size in range(1, len(text) + 1):
        got, told = stream([text[at : at + size] for at in range(0, len(text), size)])
        assert got.is_done
        assert json.loads(told) == value


@pytest.mark.parametrize(
    ("text", "told", "rest"),
    [
        ("{x: 1}", "{", "x: 1}"),
        ('{"a" 1}', '{"a" ', "1}"),
        ('{"a": 1]', '{"a": 1', "]"),
        ("[1, , 2]", "[1", ", , 2]"),
        ("[,]", "[", ",]"),
        ('{"a": }', '{"a": ', "}"),
        ("[01]", "[", "01]"),
        ("[NaN]", "[", "NaN]"),
        ("[" * 101, "[" * 100, "["),
        ("[" + "1" * 500, "[", "1" * 500),
    ],
)
def test_it_breaks_where_it_is_no_json(text: str, told: str, rest: str) -> None:
    got, got_told = stream([text])
    assert got.is_broken
    assert (got_told, got.rest) == (told, rest)


def test_strings_are_told_while_they_are_written() -> None:
    value = JsonStream()
    assert [value.push(piece) for piece in ['{"a": "x', "y\\", "n", "z", '"', "}"]] == [
        '{"a": "x',
        "y",
        "\\n",
        "z",
        '"',
        "}",
    ]


def test_an_end_inside_gives_what_was_held_back() -> None:
    value = JsonStream()
    assert value.push('{"a": [1, 2') == '{"a": [1'
    assert value.finish() == ", 2"
