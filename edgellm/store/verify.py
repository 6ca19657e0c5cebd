"""Reads every byte of a model and compares: what is not what it was is moved aside at once."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from edgellm.store import shelf
from edgellm.store.files import read_through
from edgellm.store.model import LocalFile, LocalModel
from edgellm.store.places import Places
from edgellm.store.progress import Meter

_log = logging.getLogger(__name__)


class Problem(Struct, frozen=True):
    """A file that is not what it was. `moved_to`: where it is now; empty if it is gone."""

    path: str
    reason: str
    moved_to: str = ""


class Verdict(Struct, frozen=True):
    """Of one model. With problems, it is no model any more: the good files wait for a pull."""

    id: str
    name: str
    size_bytes: int
    problems: tuple[Problem, ...] = ()

    @property
    def is_ok(self) -> bool:
        """Whether it may be loaded."""
        return not self.problems


def verify(places: Places, model: LocalModel, meter: Meter) -> Verdict:
    """Compare all files with their digests.

    Raises:
        PullCancelled: somebody asked to stop.
    """
    meter.set(phase="checking", total_bytes=model.size_bytes, done_bytes=0)
    checked = [_check(model, file, meter) for file in model.manifest.files]
    bad = {file.path: reason for file, reason in checked if reason}
    with shelf.changes(places):
        if bad:
            return _verdict(model, _take_apart(places, model, bad))
        files = tuple(file for file, _ in checked)
        manifest = replace(model.manifest, files=files, verified_at=time.time())
        try:
            shelf.update(model, manifest)
        except OSError as error:  # a read-only disk: it is right all the same
            _log.info("that %s was verified is not noted: %s", model.name, error)
    return _verdict(model, ())


def _check(model: LocalModel, file: LocalFile, meter: Meter) -> tuple[LocalFile, str]:
    """The file with the time at which it was right, and what is wrong with it."""
    path, digest = model.folder / file.path, hashlib.sha256()

    def take(piece: bytes) -> None:
        digest.update(piece)
        meter.add(len(piece))

    meter.set(file=file.path)
    try:
        with path.open("rb") as content:
            before = path.stat().st_mtime_ns
            size = read_through(content, take)
    except OSError as error:
        return file, f"it cannot be read: {error.strerror}"
    if size != file.size_bytes:
        return file, f"it has {size:,} bytes instead of {file.size_bytes:,}"
    if digest.hexdigest() != file.sha256:
        return file, f"its sha256 is {digest.hexdigest()} instead of {file.sha256}"
    return replace(file, mtime_ns=before), ""


def _take_apart(places: Places, model: LocalModel, bad: dict[str, str]) -> tuple[Problem, ...]:
    """Bad files to the quarantine, the others to where a pull looks for them."""
    problems = []
    for path, reason in bad.items():
        moved_to = ""
        name = f"{model.id}--{Path(path).name}"
        with contextlib.suppress(OSError):  # it is gone, or the disk is read-only
            moved_to = str(shelf.quarantine(places, model.folder / path, name, reason))
        problems.append(Problem(path, reason, moved_to))
    with contextlib.suppress(OSError):
        shelf.give_back(places, model)
    return tuple(problems)


def _verdict(model: LocalModel, problems: tuple[Problem, ...]) -> Verdict:
    return Verdict(model.id, model.name, model.size_bytes, problems)
