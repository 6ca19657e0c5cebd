"""Finds the files that come with edgellm, in a wheel as well as in a checkout."""

from __future__ import annotations

from pathlib import Path

from edgellm.errors import ConfigError

_PACKAGE = Path(__file__).parent
_PACKAGED = _PACKAGE / "_assets"


def builtin_model() -> Path:
    """The GGUF file of `pocket`, the model that needs no network."""
    return _find(_PACKAGED / "pocket.gguf")


def catalog_file() -> Path:
    """`models.yaml`: at the top of a checkout, among the assets of a wheel."""
    return _find(_PACKAGED / "models.yaml", _PACKAGE.parent / "models.yaml")


def _find(*candidates: Path) -> Path:
    for path in candidates:
        if path.is_file():
            return path
    raise ConfigError(
        f"{candidates[0].name} is missing from this installation of edgellm.",
        "Install it again: pip install --force-reinstall edgellm.",
    )
