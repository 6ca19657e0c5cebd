"""Patterns are narrowed: what they match then, they matched before, in every dialect."""

from __future__ import annotations

import re

import pytest

from edgellm.json_patterns import FORMATS, BadPattern, narrowed


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"^\d+\.\w\s$", r"^[0-9]+\.[A-Za-z0-9_][\t\n\f\r ]$"),
        (r"\\d\.", r"\\d\."),
        (r"[\d\-x]", r"[0-9\-x]"),
        (r'[^"]', r'[^"\x00]'),
        (r"[^\W_]", r"[^[^A-Za-z0-9_]_\x00]"),
        (r"[\x00-\x1f]", r"[\x00-\x1f&&[^\x00]]"),
        (r"[a-z&~[]", r"[a-z\&\~\[]"),
        (r"[\]]\[", r"[\]]\["),
        (r"a.b", r"a[^\n\r\x{2028}\x{2029}]b"),
        ("[^]", r"[^\x00]"),
        (r"\++", r"\++"),
        ("(a|b)*?[ab]{2,3}", "(a|b)*?[ab]{2,3}"),
    ],
)
def test_what_is_read_in_several_ways_is_spelled_out(pattern: str, expected: str) -> None:
    assert narrowed(pattern) == expected


@pytest.mark.parametrize("pattern", ["a++", "a*+b", "a{2}+", "[a--b]", "[[:alpha:]]"])
def test_what_cannot_be_narrowed_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        narrowed(pattern)


@pytest.mark.parametrize("year", [1000, 1900, 1999, 2000, 2004, 2023, 2024, 2100, 2400, 9999])
def test_the_29th_of_february_comes_in_leap_years_only(year: int) -> None:
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    assert bool(re.search(FORMATS["date"], f"{year}-02-29")) == is_leap
    assert re.search(FORMATS["date"], f"{year}-02-28")
    assert not re.search(FORMATS["date"], f"{year}-04-31")
