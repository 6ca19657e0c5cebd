"""What embeddings and rerankers' routes share: texts in several shapes, and numbers as JSON. Pure.

Also for dialects other than OpenAI's.
"""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Sequence
from typing import Any

from edgellm.api.validation import bad_type, bad_value
from edgellm.errors import InvalidRequest

MAX_INPUTS = 2048  # of one request, as OpenAI has it
MAX_TOKEN_ID = 2**31 - 1

Input = str | tuple[int, ...]


def to_inputs(value: Any, param: str) -> tuple[Input, ...]:
    """The texts of a field: a string, token ids, or an array of either. Raises InvalidRequest."""
    match value:
        case str():
            return (_text(value, param),)
        case [int(), *_]:
            return (_token_ids(value, param),)
        case [_, *_]:
            check_number(value, param)
            return tuple(_input(item, f"{param}[{i}]") for i, item in enumerate(value))
        case []:
            raise bad_value(param, "at least one text", value)
        case _:
            raise _bad_input(param, value)


def check_number(values: Sequence[Any], param: str) -> None:
    """Raises InvalidRequest for more than a request may hold."""
    if len(values) > MAX_INPUTS:
        raise InvalidRequest(
            f"'{param}' holds {len(values)} texts, more than {MAX_INPUTS}.",
            "Send them in several requests.",
            param=param,
        )


def to_base64(vector: Sequence[float]) -> str:
    """As OpenAI packs it: little-endian float32."""
    values = array("f", vector)
    if sys.byteorder == "big":
        values.byteswap()
    return base64.b64encode(values.tobytes()).decode()


def _input(value: Any, path: str) -> Input:
    match value:
        case str():
            return _text(value, path)
        case list():
            return _token_ids(value, path)
        case _:
            raise _bad_input(path, value)


def _text(text: str, path: str) -> str:
    if not text:
        raise bad_value(path, "a text that is not empty", text)
    return text


def _token_ids(ids: list[Any], path: str) -> tuple[int, ...]:
    if not ids:
        raise bad_value(path, "at least one token id", ids)
    for index, token in enumerate(ids):
        if type(token) is not int:  # a bool is an int to Python, not to JSON
            raise bad_type(f"{path}[{index}]", "a token id (an integer)", token)
        if not 0 <= token <= MAX_TOKEN_ID:
            raise bad_value(f"{path}[{index}]", "a token id", token)
    return tuple(ids)


def _bad_input(path: str, value: Any) -> InvalidRequest:
    return bad_type(path, "a string, an array of token ids, or an array of these", value)
