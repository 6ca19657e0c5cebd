"""Paths that are no models are found out before an engine starts, each with its own words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgellm.errors import ModelFileError
from edgellm.store.sources.local import check_model_file


def test_a_model_is_accepted(tiny_model: Path) -> None:
    assert check_model_file(tiny_model) == tiny_model.resolve()


def test_a_missing_file_names_its_neighbours(tiny_model: Path) -> None:
    with pytest.raises(ModelFileError, match="There is no file") as caught:
        check_model_file(tiny_model.with_name("tinny.gguf"))
    assert "tiny.gguf" in caught.value.hint


def test_a_directory_names_the_models_in_it(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="is a directory") as caught:
        check_model_file(tiny_model.parent)
    assert "tiny.gguf" in caught.value.hint
    with pytest.raises(ModelFileError, match="is a directory"):
        check_model_file(tmp_path)


def test_other_formats_are_named(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(ModelFileError, match="is not a GGUF file") as caught:
        check_model_file(file)
    assert "safetensors" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"GG", b"GGUF\x03\x00\x00\x00"])
def test_stumps_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "stump.gguf"
    file.write_bytes(content)
    with pytest.raises(ModelFileError):
        check_model_file(file)


def test_an_unreadable_file_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret.gguf"
    file.write_bytes(b"GGUF" + bytes(100))
    file.chmod(0)
    if os.geteuid() == 0:  # root reads everything: let the system call refuse

        def refuse(*_args: object, **_options: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ModelFileError, match="permission denied"):
        check_model_file(file)
