"""The names of llama.cpp's file types and tensor types, as the bound library itself has them.

Nothing is listed here by hand but llama-quantize's three short names: a llama.cpp that learns a
type brings its name along. Importing llama.cpp takes 0.2 s, so it happens when a name is asked for.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import cache
from typing import Any, cast

from edgellm.errors import QuantError

FIRST = ("Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0")  # that are named first in hints
_ALIASES = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}
_FLOATS = ("F32", "F16", "BF16")
_ACTIVATIONS = ("Q8_1", "Q8_K")  # ggml computes with them, and quantises no weights to them
_PREFIXES = ("LLAMA_FTYPE_MOSTLY_", "LLAMA_FTYPE_ALL_")


@cache
def file_types() -> dict[str, int]:
    """llama.cpp's number of every file type, by its name without prefix, e.g. "Q4_K_M"."""
    import llama_cpp.llama_cpp as library

    found = {
        constant.removeprefix(prefix): getattr(library, constant)
        for constant in dir(library)
        for prefix in _PREFIXES
        if constant.startswith(prefix)
    }
    return dict(sorted(found.items(), key=lambda item: item[1]))


@cache
def tensor_types() -> dict[str, int]:
    """ggml's number of every type that a weight can be given, by its name, e.g. "Q4_K"."""
    import llama_cpp._ggml as ggml
    import llama_cpp.llama_cpp as library

    name_of = _bound(ggml.libggml.ggml_type_name, ctypes.c_char_p)
    is_quantised = _bound(ggml.libggml.ggml_is_quantized, ctypes.c_bool)
    block_values = _bound(ggml.libggml.ggml_blck_size, ctypes.c_int64)
    return {
        name: number
        for number in range(library.GGML_TYPE_COUNT)
        if block_values(number) > 0
        and (name := name_of(number).decode().upper()) not in _ACTIVATIONS
        if is_quantised(number) or name in _FLOATS
    }


def _bound(function: Any, result: type) -> Callable[[int], Any]:
    function.argtypes, function.restype = [ctypes.c_int], result
    return cast("Callable[[int], Any]", function)


def file_type(word: str) -> str:
    """llama.cpp's name of what a user may have written: any case, "q4_k" for Q4_K_M.

    Raises:
        QuantError: there is no such type; the hint names near ones.
    """
    name = word.strip().upper()
    name = _ALIASES.get(name, name)
    if name in file_types():
        return name
    raise QuantError(f"There is no file type '{word}'.", _near(name, file_types(), FIRST))


def tensor_type(word: str) -> str:
    """ggml's name of a tensor type, in any case.

    Raises:
        QuantError: there is no such type; the hint names near ones.
    """
    name = word.strip().upper()
    if name in tensor_types():
        return name
    usual = ("Q4_K", "Q5_K", "Q6_K", "Q8_0", "F16")
    hint = _near(name, tensor_types(), usual)
    if name in file_types():
        hint = f"{name} is the type of a whole file. {hint}"
    raise QuantError(f"There is no tensor type '{word}'.", hint)


def _near(name: str, known: Iterable[str], usual: Iterable[str]) -> str:
    """Spelling counts least where a name has underscores: `Q4KM` is Q4_K_M."""
    plain = {each.replace("_", ""): each for each in known}
    near = get_close_matches(name.replace("_", "").replace("-", ""), plain, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(plain[each] for each in near)}?"
    return f"Usual ones: {', '.join(usual)}; all: {', '.join(plain.values())}."
