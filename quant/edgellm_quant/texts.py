"""The texts that models are calibrated and evaluated with: ours, or a file of the user's.

Ours are made by quant/builtin/texts.py; they are in English, code and two dozen languages, and have
nothing in common with each other.
"""

from __future__ import annotations

import gzip
from pathlib import Path

from edgellm.errors import QuantError

_ASSETS = Path(__file__).parent / "_assets"
BUILTIN = "built-in"  # what our texts are called in reports and in files


def calibration_text() -> str:
    """Ours, for an importance matrix."""
    return _builtin("calibration")


def evaluation_text() -> str:
    """Ours, for perplexity and KL divergence; no part of the other."""
    return _builtin("evaluation")


def read(path: Path) -> str:
    """A user's text. One line break at its end does not count, as in llama.cpp's tools.

    Raises:
        QuantError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text("utf-8").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise QuantError(
            f"{path} is not UTF-8 text (byte {error.start}).",
            "Convert it: iconv -f LATIN1 -t UTF-8 FILE.",
        ) from error
    except OSError as error:
        raise QuantError(f"{path} cannot be read: {error.strerror}.") from error


def _builtin(name: str) -> str:
    data = (_ASSETS / f"{name}.txt.gz").read_bytes()
    return gzip.decompress(data).decode().removesuffix("\n")
