"""What a model wrote as arguments comes back to it unchanged, whatever it was."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.api.anthropic.calls import (
    UNPARSED,
    InputStream,
    from_toolu,
    to_arguments,
    to_input,
    to_toolu,
)

BROKEN = ['{"city": "Be', "[1, 2]", '"text"', "5", "nonsense", '{"a": "\\ud800"}', "[" * 10_000]


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_object_is_kept_under_one_key(text: str) -> None:
    assert to_input(text) == {UNPARSED: text}
    assert to_arguments(to_input(text)) == text


def test_objects_are_objects() -> None:
    assert to_input("") == {}
    assert to_input('{"a": {"b": [1, null]}}') == {"a": {"b": [1, None]}}
    assert to_arguments({"stadt": "Zürich", "n": 1.5}) == '{"stadt": "Zürich", "n": 1.5}'
    assert to_arguments({UNPARSED: "x", "other": 1}) == json.dumps({UNPARSED: "x", "other": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_arguments({"a": float("nan")})


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_is_ever_lost(text: str) -> None:
    value = to_input(text)
    if UNPARSED in value:
        assert to_arguments(value) == text
    else:
        assert value == json.loads(text or "{}")
    msgspec.json.encode(value)  # as the answer is


@pytest.mark.parametrize("id_", ["call_0123456789abcdef01234567", "abc123def", "", "functions.f:0"])
def test_ids_come_back_as_they_were(id_: str) -> None:
    assert to_toolu(id_).startswith("toolu_")
    assert from_toolu(to_toolu(id_)) == id_


def test_ids_of_others_stay_apart() -> None:
    ids = ["toolu_01A", "call_x", "x", "toolu_id_", "srvtoolu_1"]
    assert len({from_toolu(id_) for id_ in ids}) == len(ids)


@given(st.sampled_from([*BROKEN[:5], "", "  ", ' {"a": [1, {"b": 2}]}', "{}"]), st.data())
def test_pieces_make_an_object_however_they_are_cut(text: str, data: st.DataObject) -> None:
    stream, pieces = InputStream(), []
    while text:
        size = data.draw(st.integers(1, len(text)))
        pieces.append(stream.push(text[:size]))
        text = text[size:]
    sent = "".join([*pieces, stream.finish()])
    assert sent.lstrip().startswith("{")


def test_an_object_goes_through_at_once_and_the_rest_at_the_end() -> None:
    stream = InputStream()
    assert [stream.push(piece) for piece in (" ", '{"a"', ": 1}")] == ["", ' {"a"', ": 1}"]
    assert stream.finish() == ""
    assert InputStream().finish() == "{}"
    stream = InputStream()
    assert [stream.push(piece) for piece in ("[1", "]")] == ["", ""]
    assert json.loads(stream.finish()) == {UNPARSED: "[1]"}
