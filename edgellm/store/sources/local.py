"""Model files that the user names by a path: found unfit before an engine is started for them."""

from __future__ import annotations

from pathlib import Path

from edgellm.errors import ModelFileError

GGUF_MAGIC = b"GGUF"
MIN_BYTES = 32  # magic, version, two counts, and at least one entry


def check_model_file(path: Path) -> Path:
    """The path, absolute, if it leads to something that begins as a GGUF file does.

    Raises:
        ModelFileError: no such file, a directory, not readable, or not GGUF.
    """
    try:
        if path.is_dir():
            raise ModelFileError(f"{path} is a directory, not a model file.", _directory_hint(path))
        with path.open("rb") as file:
            head = file.read(MIN_BYTES)
    except FileNotFoundError:
        raise ModelFileError(f"There is no file {path}.", _neighbour_hint(path)) from None
    except PermissionError:
        raise ModelFileError(f"{path} cannot be read: permission denied.", "See ls -l.") from None
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}.") from error
    if head[:4] != GGUF_MAGIC:
        raise ModelFileError(
            f"{path} is not a GGUF file: it begins with {head[:4]!r} instead of {GGUF_MAGIC!r}.",
            "A model for llama.cpp has the extension .gguf; safetensors must be converted first.",
        )
    if len(head) < MIN_BYTES:
        raise ModelFileError(
            f"{path} is cut off after {len(head)} bytes.", "Fetch it again: it is incomplete."
        )
    return path.resolve()


def _directory_hint(path: Path) -> str:
    files = sorted(path.glob("*.gguf"))
    return f"Did you mean {files[0]}?" if files else "Name a .gguf file in it."


def _neighbour_hint(path: Path) -> str:
    files = sorted(path.parent.glob("*.gguf")) if path.parent.is_dir() else []
    names = ", ".join(file.name for file in files[:5])
    return f"In {path.parent} there are: {names}." if names else "Check the path."
