"""Captures of a device: a .tar.gz of what the probes read, to be replayed anywhere.

Archives come from strangers, in bug reports: only plain files are taken out of them, up to a size,
into a folder of our own.
"""

from __future__ import annotations

import contextlib
import getpass
import gzip
import io
import socket
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from edgellm.atomic import write_atomically
from edgellm.errors import CaptureError
from edgellm.hardware.host import Host

_MAX_BYTES = 64 * 1024**2
_MAX_FILES = 20_000
_README = """\
A device as edgellm's probes see it, written by `edgellm detect --capture`.
Replay it with `edgellm detect --root THIS_FILE`. Serial numbers, UUIDs, MAC addresses, host and
user names were removed.
"""


def private_names(environ: Mapping[str, str]) -> set[str]:
    """What the host and whoever uses it are called."""
    host = socket.gethostname()
    names = {host, host.partition(".")[0], Path.home().name}
    names |= {environ.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER", "HOSTNAME")}
    with contextlib.suppress(OSError, KeyError, ImportError):  # a user without an entry
        names.add(getpass.getuser())
    return names


def write_capture(path: Path, files: Mapping[str, str]) -> None:
    """Write texts by absolute path as an archive; an older one is replaced at the end.

    Raises:
        CaptureError: it cannot be written.
    """
    buffer = io.BytesIO()
    # Neither the archive's own name, nor a time, nor an owner goes in.
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, text in sorted({"/README": _README, **files}.items()):
            data = text.encode()
            member = tarfile.TarInfo(name.lstrip("/"))
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    try:
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise CaptureError(
            f"The capture {path} cannot be written: {error.strerror or error}.",
            "Name a file in a folder that exists and has room.",
        ) from error


@contextlib.contextmanager
def replay(path: Path) -> Iterator[Host]:
    """The captured host in a folder or an archive; an archive is unpacked meanwhile.

    Raises:
        CaptureError: there is nothing, or nothing that can be read.
    """
    if path.is_dir():
        if path.resolve() == Path("/"):
            raise CaptureError("/ is this machine, not a captured one.", "Leave --root out.")
        yield Host(path)
        return
    with tempfile.TemporaryDirectory(prefix="edgellm-capture-") as folder:
        _unpack(path, Path(folder))
        yield Host(folder)


def _unpack(path: Path, folder: Path) -> None:
    hint = "Give a folder, or a .tar.gz that `edgellm detect --capture FILE` wrote."
    try:
        with tarfile.open(path, "r:*") as archive:
            _take_out(archive, folder)
    except FileNotFoundError as error:
        raise CaptureError(f"There is no capture at {path}.", hint) from error
    except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
        raise CaptureError(f"{path} is not a capture that can be read: {error}.", hint) from error


def _take_out(archive: tarfile.TarFile, folder: Path) -> None:
    num_files = num_bytes = 0
    for member in archive:
        parts = PurePosixPath(member.name).parts
        if not member.isreg() or not parts or ".." in parts or parts[0] == "/":
            continue
        num_files, num_bytes = num_files + 1, num_bytes + member.size
        if num_files > _MAX_FILES or num_bytes > _MAX_BYTES:
            raise ValueError(f"it holds more than {_MAX_FILES} files or {_MAX_BYTES >> 20} MiB")
        content = archive.extractfile(member)
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.read() if content else b"")
