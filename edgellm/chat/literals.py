"""Values and calls as Python writes them, read without running anything: `[f(a=1, b="x")]`.

Models mix in JSON's words (true, null) and forget to escape quotes, so `ast.literal_eval` takes too
little; it also has no calls, warns of unknown escapes and cannot tell half a text from a bad one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

MOST_NESTED = 50
QUOTES = ('"""', "'''", '"', "'")

_NAME = re.compile(r"[A-Za-z_][\w.\-]*")
_NUMBER = re.compile(r"[-+]?(?:[0-9][0-9_]*)?(?:\.[0-9]*)?(?:[eE][-+]?[0-9]*)?")
_WORDS: dict[str, Any] = {
    "True": True,
    "true": True,
    "False": False,
    "false": False,
    "None": None,
    "null": None,
}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": ""}
_CODES = {"x": 2, "u": 4, "U": 8}
_ENDS = ",)]}:"  # one of them follows a string


class BadText(Exception):
    """It is not what was to be read."""


class Unfinished(BadText):
    """It may become what was to be read."""


class Reader:
    """Reads one value after the other from a text."""

    def __init__(
        self, text: str, quotes: Sequence[str] = QUOTES, *, has_bare: bool = False
    ) -> None:
        """Begin at the text's start.

        Args:
            quotes: what strings stand in.
            has_bare: strings and keys may stand without quotes.
        """
        self.text = text
        self.position = 0
        self._quotes, self._has_bare = quotes, has_bare
        self._depth = 0

    def peek(self) -> str:
        """The next character that is no white space.

        Raises:
            Unfinished: there is none.
        """
        while self.text[self.position : self.position + 1].isspace():
            self.position += 1
        if self.position == len(self.text):
            raise Unfinished
        return self.text[self.position]

    def take(self, char: str) -> bool:
        """Whether `char` comes next; then it is taken."""
        is_next = self.peek() == char
        self.position += is_next
        return is_next

    def expect(self, char: str) -> None:
        if not self.take(char):
            raise BadText

    def name(self) -> str:
        self.peek()
        return self._match(_NAME)

    def value(self) -> Any:
        char = self.peek()
        quote = self._quote()
        if quote:
            return self._string(quote)
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise BadText
        value = self._compound(char)
        self._depth -= 1
        return value

    def items(self, closing: str, item: Callable[[], Any]) -> list[Any]:
        """Items between commas, up to the closing bracket; a comma may stand before it."""
        items = []
        while not self.take(closing):
            items.append(item())
            if not self.take(","):
                self.expect(closing)
                break
        return items

    def mapping(self) -> dict[str, Any]:
        """What comes behind `{`."""
        return dict(self.items("}", self._pair))

    def _compound(self, char: str) -> Any:
        match char:
            case "[":
                self.position += 1
                return self.items("]", self.value)
            case "(":
                return self._tuple()
            case "{":
                self.position += 1
                return self.mapping()
            case _ if char.isdigit() or char in "+-.":
                return self._number()
            case _:
                return self._word()

    def _tuple(self) -> Any:
        self.position += 1
        items = self.items(")", self.value)
        has_comma = self.text[: self.position - 1].rstrip().endswith(",")
        return items[0] if len(items) == 1 and not has_comma else items

    def _pair(self) -> tuple[str, Any]:
        self.peek()
        quote = self._quote()
        if not quote and not self._has_bare:
            raise BadText
        key = self._string(quote) if quote else self._match(_NAME)
        self.expect(":")
        return key, self.value()

    def _word(self) -> Any:
        word = self._match(_NAME)
        if word in _WORDS:
            return _WORDS[word]
        if not self._has_bare:
            raise BadText
        return word

    def _number(self) -> int | float:
        text = self._match(_NUMBER).replace("_", "")
        try:
            value = float(text) if re.search("[.eE]", text) else int(text)
        except ValueError:  # no digits, or too many for Python
            raise BadText from None
        if not math.isfinite(value):
            raise BadText
        return value

    def _match(self, pattern: re.Pattern[str]) -> str:
        """A word; at the end of the text it may go on."""
        found = pattern.match(self.text, self.position)
        if found is None:
            raise BadText
        if found.end() == len(self.text):
            raise Unfinished
        self.position = found.end()
        return found[0]

    def _quote(self) -> str:
        rest = self.text[self.position : self.position + max(map(len, self._quotes))]
        for quote in self._quotes:
            if rest.startswith(quote):
                return quote
        if rest and any(quote.startswith(rest) for quote in self._quotes):
            raise Unfinished
        return ""

    def _string(self, quote: str) -> str:
        self.position += len(quote)
        pieces: list[str] = []
        while not self._is_end(quote):
            char = self.text[self.position]
            self.position += 1
            pieces.append(self._escape() if char == "\\" and quote in QUOTES else char)
        self.position += len(quote)
        return "".join(pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def _is_end(self, quote: str) -> bool:
        """Whether the string ends here: a quote that nothing else can follow is part of it."""
        if self.position >= len(self.text):
            raise Unfinished
        if not self.text.startswith(quote, self.position):
            return False
        behind = self.text[self.position + len(quote) :].lstrip()[:1]
        if not behind:
            raise Unfinished
        return behind in _ENDS or quote not in ("'", '"')

    def _escape(self) -> str:
        """What a backslash and the next characters mean; an unknown escape is its own text."""
        char = self.text[self.position : self.position + 1]
        self.position += 1
        if char in _CODES:
            digits = self.text[self.position : self.position + _CODES[char]]
            if (
                re.fullmatch(f"[0-9a-fA-F]{{{_CODES[char]}}}", digits)
                and int(digits, 16) < 0x110000
            ):
                self.position += len(digits)
                return chr(int(digits, 16))
        return _ESCAPES.get(char, char if char in "\\'\"" else "\\" + char)
