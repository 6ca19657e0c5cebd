"""Models that the user names by a path: found unfit before an engine starts, or taken in."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from edgellm.errors import ModelFileError, RemoteNotFound
from edgellm.store.gguf_names import split_of
from edgellm.store.model import RemoteFile, Wanted, checked_path
from edgellm.store.remote import Remote, Resolved

PREFIX = "file:"  # of the source of what is on this device, before its folder
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


def resolve(path: Path) -> tuple[Wanted, Resolved]:
    """A model of this device to take into the store: a GGUF file, all parts of it, or a folder.

    Raises:
        ModelFileError: it is neither.
    """
    if path.is_dir() and not list(path.glob("*.gguf")):
        base, files = path.resolve(), _files_below(path.resolve())
        if not files:
            raise ModelFileError(f"The folder {path} is empty.")
    else:
        checked = check_model_file(path)
        base, files = checked.parent, _parts(checked)
    remotes = tuple(_remote(file, base) for file in files)
    name = base.name if path.is_dir() else files[0].stem
    pieces = tuple(RemoteFile(remote.path, remote.size_bytes) for remote in remotes)
    return Wanted(name, f"{PREFIX}{base}", pieces), Resolved(remotes)


def resolve_wanted(wanted: Wanted) -> Resolved:
    """The files of a variant that was made on this device, where it was made.

    Raises:
        RemoteNotFound: they are gone.
    """
    base = Path(wanted.source.removeprefix(PREFIX))
    missing = [piece.path for piece in wanted.files if not (base / piece.path).is_file()]
    if missing:
        raise RemoteNotFound(
            f"{wanted.name} was made on this device, and {base / missing[0]} is gone.",
            f"Make it again (edgellm quant), or forget it: edgellm rm {wanted.name}",
        )
    return Resolved(tuple(_pinned(piece, base) for piece in wanted.files))


def _pinned(piece: RemoteFile, base: Path) -> Remote:
    """With what is known of it: another file in its place is found out."""
    found = _remote(base / checked_path(piece.path), base)
    size = found.size_bytes if piece.size_bytes is None else piece.size_bytes
    return replace(found, size_bytes=size, sha256=piece.sha256 or "")


def _remote(file: Path, base: Path) -> Remote:
    stat = file.stat()
    path = checked_path(file.relative_to(base).as_posix())
    return Remote(
        path, local=file, size_bytes=stat.st_size, etag=str(stat.st_mtime_ns), what=str(file)
    )


def _files_below(folder: Path) -> list[Path]:
    """The one that a runtime opens first comes first, where it is known by its name."""
    first = ("mlc-chat-config.json", "genai_config.json")
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return sorted(found, key=lambda path: path.name not in first)


def _parts(file: Path) -> list[Path]:
    """Of a split GGUF, all of them; the first is the one to open.

    Raises:
        ModelFileError: one is missing.
    """
    split = split_of(file.name)
    if split is None:
        return [file]
    parts = [file.with_name(name) for name in split.names]
    missing = [part.name for part in parts if not part.is_file()]
    if missing:
        raise ModelFileError(
            f"{file.name} is one of {split.count} parts, and {', '.join(missing[:3])} is missing.",
            f"Put all parts into {file.parent}.",
        )
    return parts
