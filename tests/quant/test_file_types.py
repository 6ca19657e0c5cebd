"""Names of types: llama.cpp's own, and what people write."""

from __future__ import annotations

import ctypes

import gguf
import llama_cpp.llama_cpp as library
import pytest
from edgellm_quant.file_types import FIRST, file_type, file_types, tensor_type, tensor_types

from edgellm.errors import QuantError


def test_every_file_type_of_the_binding_is_there() -> None:
    constants = [name for name in dir(library) if name.startswith("LLAMA_FTYPE_")]
    numbers = {getattr(library, name) for name in constants} - {library.LLAMA_FTYPE_GUESSED}
    assert set(file_types().values()) == numbers
    assert len(numbers) == len(constants) - 1
    assert set(FIRST) <= set(file_types())


def test_llama_cpp_calls_them_alike() -> None:
    """Its descriptions begin with the type's letters and digits."""
    for name, number in file_types().items():
        told = library.llama_ftype_name(number)
        assert told is not None
        text = told.decode()
        assert not text.startswith("unknown"), name
        assert name.split("_")[0] in text, (name, text)


def test_tensor_types_are_those_that_ggml_can_quantise_to() -> None:
    known = {kind.name: kind.value for kind in gguf.GGMLQuantizationType}
    for name, number in tensor_types().items():
        assert known.get(name, number) == number
    assert {"F16", "BF16", "Q4_K", "Q8_0", "IQ4_XS", "TQ2_0"} <= set(tensor_types())
    assert not {"I8", "F64", "Q8_K", "DEPRECATED"} & set(tensor_types())


def slow_where_tables_are_made(name: str) -> object:
    return pytest.param(name, marks=pytest.mark.slow) if name.startswith("IQ") else name


@pytest.mark.parametrize(
    "name", [slow_where_tables_are_made(name) for name in sorted(tensor_types())]
)
def test_each_tensor_type_can_be_quantised_to(name: str) -> None:
    """ggml ends the process where it cannot, so what it could not do must not be offered."""
    quantise = library._lib.ggml_quantize_chunk
    quantise.restype = ctypes.c_size_t
    values = (ctypes.c_float * 256)(*(i / 256 for i in range(256)))
    weights = (ctypes.c_float * 256)(*([1.0] * 256))
    made = ctypes.create_string_buffer(2048)
    number = ctypes.c_int(tensor_types()[name])
    start, rows, width = (ctypes.c_int64(value) for value in (0, 1, 256))
    assert quantise(number, values, made, start, rows, width, weights) > 0


@pytest.mark.parametrize(
    ("word", "name"),
    [("Q4_K_M", "Q4_K_M"), ("q4_k_m", "Q4_K_M"), ("q4_k", "Q4_K_M"), (" bf16 ", "BF16")],
)
def test_words(word: str, name: str) -> None:
    assert file_type(word) == name


@pytest.mark.parametrize(
    ("word", "hint"), [("Q4KM", "Q4_K_M"), ("Q4-K-M", "Q4_K_M"), ("iq3s", "IQ3_S"), ("f61", "F16")]
)
def test_near_misses(word: str, hint: str) -> None:
    with pytest.raises(QuantError, match=f"no file type '{word}'") as caught:
        file_type(word)
    assert f"Did you mean {hint}" in caught.value.hint


def test_what_is_far_off_gets_the_list() -> None:
    with pytest.raises(QuantError) as caught:
        file_type("banana")
    assert caught.value.hint.startswith("Usual ones: Q4_K_M, ")
    assert "TQ1_0" in caught.value.hint


def test_tensor_types_in_words() -> None:
    assert tensor_type("q4_k") == "Q4_K"
    with pytest.raises(QuantError) as caught:
        tensor_type("Q4_K_M")
    assert "type of a whole file" in caught.value.hint
    assert "Q4_K" in caught.value.hint
