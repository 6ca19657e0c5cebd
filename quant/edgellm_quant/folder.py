"""Folders that appear whole or not at all, and what they need of a disk and of memory."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from edgellm.errors import DiskFull, QuantError
from edgellm.store.files import sync_folder

RESERVE_BYTES = 64 * 1024 * 1024  # that the disk keeps


@contextlib.contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """Give an empty folder `<target>.partial`; it gets its name when all went well, in place of an
    older one, and goes when not.

    Raises:
        QuantError: the disk does not take it.
    """
    if target.exists() and not target.is_dir():
        raise QuantError(
            f"{target} is a file, and a folder shall be made.", "Choose another --out."
        )
    partial = target.with_name(target.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
        partial.mkdir(parents=True)
        yield partial
        _sync(partial)
        _take_place(partial, target)
    except OSError as error:
        raise QuantError(
            f"{target} cannot be written: {error.strerror}.", "Choose another folder with --out."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_disk(target: Path, needed_bytes: int) -> None:
    """Raises DiskFull."""
    there = next(each for each in (target, *target.absolute().parents) if each.is_dir())
    free = shutil.disk_usage(there).free
    if free < needed_bytes + RESERVE_BYTES:
        raise DiskFull(
            f"{target.name} takes up to {needed_bytes:,} bytes while it is made, and {there} has "
            f"{free:,}.",
            "Make room, or choose another disk with --out.",
        )


def check_memory(name: str, needed_bytes: int, available_bytes: int | None) -> None:
    """Raises QuantError, where it is known that the kernel would end the process."""
    if available_bytes is not None and needed_bytes > available_bytes:
        raise QuantError(
            f"To make {name} takes about {needed_bytes / 1024**3:.1f} GiB of memory, and "
            f"{available_bytes / 1024**3:.1f} GiB can be had.",
            "Close other programs, or make it on a larger machine and copy the folder.",
        )


def _take_place(partial: Path, target: Path) -> None:
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    partial.rename(target)
    sync_folder(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)
