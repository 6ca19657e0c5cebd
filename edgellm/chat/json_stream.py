"""One JSON value as a model writes it: valid text goes through at once, up to the value's end.

What small models get wrong and what has one meaning only is put right: raw line breaks and unknown
escapes in strings, commas before a closing bracket, Python's True, False and None. So what
comes out of a value that ended is valid JSON. Knows no tool calls.
"""

from __future__ import annotations

import json
import re
from typing import Literal, TypeAlias

MOST_NESTED = 100
LONGEST_WORD = 400

_SPACE = re.compile(r"[ \t\r\n]+")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]+')
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_ESCAPE_BEGUN = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
_WORD = re.compile(r"[-+.\w]+")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_LITERALS = {name.lower(): name.lower() for name in ("true", "false", "null")} | {
    "True": "true",
    "False": "false",
    "None": "null",
}

_State: TypeAlias = Literal["value", "string", "key", "key_string", "colon", "next"]


class JsonStream:
    """Takes text until the value ends, or breaks; then `rest` is what comes behind."""

    def __init__(self) -> None:
        self.is_done = False
        self.is_broken = False
        self.rest = ""  # once it is done or broken: the text that was not taken
        self._held = ""  # not taken yet: the beginning of a word, a number or an escape
        self._closing: list[str] = []  # the brackets that are still to come, innermost last
        self._state: _State = "value"
        self._is_first = False  # behind an opening bracket
        self._comma = ""  # with the space behind it; told only when something follows

    def push(self, text: str) -> str:
        """More text; gives what is valid now."""
        self._held += text
        pieces = []
        while self._held and not self.is_done and (piece := self._step()) is not None:
            pieces.append(piece)
        if self.is_done or self.is_broken:
            self.rest, self._held = self._flush_comma() + self._held, ""
        return "".join(pieces)

    def finish(self) -> str:
        """The text ends here, inside of the value: what was held back."""
        held, self._held = self._flush_comma() + self._held, ""
        return held

    def _step(self) -> str | None:
        """Take one piece off what is held; None if more is needed or it is broken."""
        if self._state in ("string", "key_string"):
            return self._in_string()
        if space := _SPACE.match(self._held):
            return self._space(self._take(space.end()))
        match self._state:
            case "colon":
                return self._expect(":", "value")
            case "next":
                return self._comma_or_end()
            case "key":
                return self._begin_string("key_string") or self._end()
            case _:
                return self._begin_value()

    def _space(self, space: str) -> str:
        """Behind a comma that was not told yet, it waits too."""
        if not self._comma:
            return space
        self._comma += space
        return ""

    def _begin_value(self) -> str | None:
        match self._held[0]:
            case "{" | "[" as bracket:
                return self._begin(bracket)
            case "]":
                return self._end()
            case '"':
                return self._begin_string("string")
            case _:
                return self._word()

    def _begin(self, bracket: str) -> str | None:
        if len(self._closing) == MOST_NESTED:
            return self._break()
        self._closing.append("}" if bracket == "{" else "]")
        self._state, self._is_first = ("key" if bracket == "{" else "value"), True
        return self._flush_comma() + self._take(1)

    def _begin_string(self, state: _State) -> str | None:
        if not self._held.startswith('"'):
            return None
        self._state = state
        return self._flush_comma() + self._take(1)

    def _word(self) -> str | None:
        word = _WORD.match(self._held)
        if word is None:
            return self._break()
        if word.end() == len(self._held):
            return None if word.end() < LONGEST_WORD else self._break()
        text = _LITERALS.get(word[0]) or (word[0] if _NUMBER.fullmatch(word[0]) else None)
        if text is None:
            return self._break()
        self._take(word.end())
        text = self._flush_comma() + text
        self._end_value()
        return text

    def _in_string(self) -> str | None:
        if plain := _PLAIN.match(self._held):
            return self._take(plain.end())
        match self._held[0]:
            case '"':
                if self._state == "key_string":
                    return self._expect('"', "colon")
                self._end_value()
                return self._take(1)
            case "\\":
                return self._escape()
            case control:
                self._take(1)
                return json.dumps(control)[1:-1]

    def _escape(self) -> str | None:
        if escape := _ESCAPE.match(self._held):
            return self._take(escape.end())
        if _ESCAPE_BEGUN.fullmatch(self._held):
            return None
        if self._held[1] == "'":
            self._take(2)
            return "'"
        self._take(1)
        return "\\\\"

    def _comma_or_end(self) -> str | None:
        if not self._held.startswith(","):
            return self._end()
        self._take(1)
        self._comma = ","
        self._state = "key" if self._closing[-1] == "}" else "value"
        return ""

    def _end(self) -> str | None:
        """A closing bracket, where the state allows one."""
        is_allowed = self._state == "next" or self._is_first or self._comma
        if not is_allowed or not self._closing or not self._held.startswith(self._closing[-1]):
            return self._break()
        self._closing.pop()
        self._comma = ""
        self._end_value()
        return self._take(1)

    def _end_value(self) -> None:
        self._state, self._is_first = "next", False
        self.is_done = not self._closing

    def _expect(self, char: str, state: _State) -> str | None:
        if not self._held.startswith(char):
            return self._break()
        self._state, self._is_first = state, False
        return self._take(1)

    def _flush_comma(self) -> str:
        comma, self._comma = self._comma, ""
        return comma

    def _take(self, size: int) -> str:
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def _break(self) -> str | None:
        self.is_broken = True
        return None
