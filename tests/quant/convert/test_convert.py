"""What is converted equals what llama.cpp's own converter makes of it: every byte of every tensor
and every key but one, for each architecture. `make_golden.py` says how the golden files came to be
and why that one key is not in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from edgellm_quant.convert import convert

from tests.quant.convert.checkpoints import CASES, write_checkpoint
from tests.quant.convert.digest import digest
from tests.quant.convert.make_golden import ANSWERED, GOLDEN


def golden(name: str) -> dict[str, Any]:
    return json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.mark.parametrize("name", CASES)
def test_equals_llama_cpps_converter(name: str, tmp_path: Path) -> None:
    checkpoint = write_checkpoint(name, tmp_path)
    for dtype, expected in golden(name).items():
        made = digest(convert(checkpoint, tmp_path / f"{dtype}.gguf", dtype=dtype))
        del made["metadata"][ANSWERED]
        assert made["tensors"] == expected["tensors"]
        assert made["metadata"] == expected["metadata"]
