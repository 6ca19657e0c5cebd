"""Fixtures that several suites share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from edgellm.assets import builtin_model
from tests.support.tiny_model import write_tiny_model

settings.register_profile("edgellm", deadline=None, database=None, derandomize=True)
settings.load_profile("edgellm")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random-weight Llama with byte tokens and ChatML."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture(scope="session")
def pocket() -> Path:
    """The built-in model."""
    return builtin_model()
