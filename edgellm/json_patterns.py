"""Regular expressions of JSON Schemas, made narrow enough to mean the same to every validator.

A `pattern` is written in JavaScript's dialect, checked by whatever the client has (Python's `re`,
Rust's `regex`, a browser), and compiled here by llguidance. Where these differ, what is generated
is what all of them accept: a `\\d` is an ASCII digit, but a `\\D` no digit of any script. Knows
nothing else of schemas.
"""

from __future__ import annotations

import re

_DAY = r"(?:0[1-9]|[12][0-9]|3[01])"
_YEAR = r"[1-9][0-9]{3}"  # Python's dates begin with year 1, and nobody means the year 0001
_LEAP_YEAR = (
    r"(?:[1-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)"  # or 1200...
)
_DATE = (
    rf"(?:{_YEAR}-(?:(?:0[13578]|1[02])-{_DAY}|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    rf"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_TIME = rf"{_CLOCK}:[0-5][0-9](?:\.[0-9]{{1,9}})?(?:Z|[+-]{_CLOCK})"

# Formats as patterns, where the compiler's own take what is none: the 29th of any February, leap
# seconds at any time. RFC 3339 also allows small letters, which many validators do not.
FORMATS = {
    "date": f"^{_DATE}$",
    "time": f"^{_TIME}$",
    "date-time": f"^{_DATE}T{_TIME}$",
    "json-pointer": r"^(?:/(?:[^/~]|~[01])*)*$",
    "byte": r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",  # OpenAPI
}
# Formats of OpenAPI that say what a string is for, not how it looks.
FORMLESS = frozenset({"binary", "password", "float", "double", "int32", "int64"})

_SPACE = r"\t\n\f\r "
_OUTSIDE = {
    r"\d": "[0-9]",
    r"\w": "[A-Za-z0-9_]",
    r"\s": f"[{_SPACE}]",
    r"\W": r"[^\w\pN\x00]",
    ".": r"[^\n\r\x{2028}\x{2029}]",
    "[]": "[a&&b]",  # no character
    "[^]": r"[^\x00]",  # any
}
_IN_CLASS = {r"\d": "0-9", r"\w": "A-Za-z0-9_", r"\s": _SPACE}
_IN_NEGATED_CLASS = {r"\D": "[^0-9]", r"\W": "[^A-Za-z0-9_]", r"\S": f"[^{_SPACE}]"}
_OPERATORS = {char: "\\" + char for char in "[&~"}  # inside of a class, to Rust's dialect only
_PART = re.compile(r"(?s)\[\^?\]|\[(\^?)((?:\\.|[^\]\\])+)\]|\\.|[*+?}]\+|.")
_CLASS_PART = re.compile(r"(?s)\\.|.")
_MAY_HOLD_CONTROLS = re.compile(r"\\[0xuDWSPp]|[\x00-\x1f]")


class BadPattern(ValueError):
    """A pattern that means different things to different validators."""


def narrowed(pattern: str) -> str:
    """The pattern for the compiler: everything it matches, the original matches everywhere.

    Raises:
        BadPattern: it holds what cannot be narrowed.
    """
    return _PART.sub(_narrow, pattern)


def _narrow(found: re.Match[str]) -> str:
    text = found[0]
    if found[2] is not None:
        return _narrow_class(found[2], is_negated=bool(found[1]))
    if len(text) == 2 and text[1] == "+" and text[0] != "\\":
        raise BadPattern(f"It has the possessive quantifier '{text}'.")
    return _OUTSIDE.get(text, text)


def _narrow_class(body: str, *, is_negated: bool) -> str:
    """The inside of `[...]`.

    No answer has the character NUL: a class with all control characters in it would let the
    compiler take escaped quotes and backslashes too, so that `[^"]` matched `\\"`.
    """
    if "--" in body or body.startswith("[:"):
        raise BadPattern(f"The class [{body}] is read in more than one way.")
    words = _OPERATORS | (_IN_NEGATED_CLASS if is_negated else _IN_CLASS)
    inside = _CLASS_PART.sub(lambda part: words.get(part[0], part[0]), body)
    if is_negated:
        return rf"[^{inside}\x00]"
    return rf"[{inside}&&[^\x00]]" if _MAY_HOLD_CONTROLS.search(body) else f"[{inside}]"
