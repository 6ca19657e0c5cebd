"""Python's values are read without running anything."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgellm.chat.calls import Calls
from edgellm.chat.literals import BadText, Reader, Unfinished
from edgellm.chat.pythonic_calls import read_pythonic

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=12,
)


@given(VALUES)
def test_what_python_writes_is_read(value: Any) -> None:
    assert Reader(f"[{value!r}]").value() == [value]


@given(VALUES)
def test_what_json_writes_is_read(value: Any) -> None:
    assert Reader(f"[{json.dumps(value)}]").value() == [value]


@given(st.text(alphabet="()[]{}\"'\\,:=ab1.- \nfT", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = read_pythonic(text, Calls())
    assert found is None or json.dumps(found)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'it's', ", "it's"),
        ('"a "quoted" word",', 'a "quoted" word'),
        ("'''a'b\n''',", "a'b\n"),
        (r"'\x41\u00e9\U0001f600\d\n',", "Aé😀\\d\n"),
        (r"'\ud800',", "�"),
        ("(1,),", [1]),
        ("(1),", 1),
        ("1_000,", 1000),
        ("{'a': true, 'b': null,},", {"a": True, "b": None}),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert Reader(text).value() == value


@pytest.mark.parametrize(
    "text",
    [
        "f(x)",
        "{1, 2}",
        "1+1,",
        "1e999,",
        "9" * 5000 + ",",
        "-,",
        "[" * 60,
        "lambda: 0,",
        "a.b,",
        "]",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(BadText):
        reader = Reader(text)
        reader.value()
        reader.expect(",")


@pytest.mark.parametrize("text", ["", "[", "[1", "'a", "'a'", "{'a'", "Tru", "12"])
def test_a_text_that_may_go_on_is_unfinished(text: str) -> None:
    with pytest.raises(Unfinished):
        Reader(text).value()


PYTHON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), inner)
    ),
    max_leaves=8,
)


@given(
    st.lists(st.sampled_from([*"[](){}',:=\"\\ab1.-e_ \n", "'''", "True", "nul", "\\u12", "\\x"]))
)
def test_any_text_is_a_value_or_none_and_its_beginning_is_no_other_mistake(
    pieces: list[str],
) -> None:
    text = "".join(pieces)
    for length in range(len(text) + 1):
        reader = Reader(text[:length])
        with contextlib.suppress(BadText):
            reader.value()
            assert reader.position <= length


@given(PYTHON)
@example([1e-16, -6.2e22])
def test_a_beginning_of_a_value_is_unfinished(value: object) -> None:
    """So that a stream waits for the rest, and gives nothing up that could still be read."""
    text = repr([value])
    for length in range(len(text)):
        with pytest.raises(Unfinished):
            Reader(text[:length]).value()
