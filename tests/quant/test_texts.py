"""Our texts are large and have nothing in common; those of the user are read as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgellm_quant.texts import calibration_text, evaluation_text, read

from edgellm.errors import QuantError


def test_ours_have_nothing_in_common() -> None:
    calibration, evaluation = calibration_text(), evaluation_text()
    assert len(calibration) > 60_000
    assert len(evaluation) > 40_000
    lines = {line for line in calibration.split("\n") if len(line) > 60}
    assert lines & {line for line in evaluation.split("\n") if len(line) > 60} == set()


def test_ours_are_in_many_scripts() -> None:
    for text in (calibration_text(), evaluation_text()):
        for sample in ("ß", "é", "я", "是", "の", "는", "ال", "ा", "def ", "= "):
            assert sample in text


def test_a_file_is_read_but_for_its_last_line_break(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes("Grüße\r\n\n\n".encode())
    assert read(path) == "Grüße\n\n"


def test_bad_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"Gr\xfc\xdfe")
    with pytest.raises(QuantError, match=r"not UTF-8 text \(byte 2\)") as caught:
        read(path)
    assert "iconv" in caught.value.hint
    with pytest.raises(QuantError, match="cannot be read"):
        read(tmp_path / "none.txt")
