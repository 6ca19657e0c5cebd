"""The layout of ggml's tensors: checked against the library, and a wrong one is noticed."""

from __future__ import annotations

import ctypes

import pytest
from edgellm_quant import ggml
from edgellm_quant.ggml import Ggml, open_ggml

from edgellm.errors import QuantError


@pytest.fixture
def library() -> object:
    from llama_cpp import llama_cpp as lib

    return lib._lib


def test_the_installed_library_is_laid_out_as_we_think(library: object) -> None:
    found = open_ggml(library)
    assert found.mul_mat != found.mul_mat_id


@pytest.mark.parametrize(
    ("field", "kind"),
    [("flags", ctypes.c_int64), ("ne", ctypes.c_int64 * 5), ("padding", ctypes.c_char * 16)],
)
def test_a_changed_layout_is_refused(
    library: object, monkeypatch: pytest.MonkeyPatch, field: str, kind: type
) -> None:
    class Changed(ctypes.Structure):
        pass

    Changed._fields_ = [
        (name, kind if name == field else usual)  # type: ignore[misc]
        for name, usual, *_ in ggml.Tensor._fields_
    ]
    monkeypatch.setattr(ggml, "Tensor", Changed)
    with pytest.raises(QuantError, match="lays its tensors out") as caught:
        open_ggml(library)
    assert "llama-imatrix" in caught.value.hint


def test_a_changed_order_of_fields_is_refused(
    library: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Changed(ctypes.Structure):
        pass

    fields = list(ggml.Tensor._fields_)
    fields[2], fields[3] = fields[3], fields[2]  # ne and nb have the same size
    Changed._fields_ = fields
    monkeypatch.setattr(ggml, "Tensor", Changed)
    with pytest.raises(QuantError, match="lays its tensors out"):
        open_ggml(library)


def test_a_library_without_ggml_is_refused() -> None:
    with pytest.raises(QuantError, match="has no ggml_"):
        Ggml(ctypes.CDLL(None))
